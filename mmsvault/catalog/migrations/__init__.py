"""How an older catalog is brought to the newest form (Alembic)."""
