"""Runs the migrations on the connection, and within the transaction, that `migrate` hands over."""

from alembic import context

from mmsvault.catalog.tables import metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True
)
context.run_migrations()
