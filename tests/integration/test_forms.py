"""A new SQLite catalog comes in its newest form at once."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mmsvault.catalog import forms
from mmsvault.catalog.connection import migrate, open_catalog
from tests.newest_form import dumped, of_the_migrations


def test_the_newest_form_is_what_the_migrations_make() -> None:
    assert forms.FORM.read_text() == of_the_migrations(), "run `make schema`"


def test_a_catalog_is_made_once_by_however_many_at_the_same_time(tmp_path: Path) -> None:
    path = tmp_path / "catalog.sqlite"
    with ThreadPoolExecutor(8) as side_by_side:
        assert all(side_by_side.map(forms.lay_out, [path] * 8))
    assert dumped(path) == forms.FORM.read_text()


def test_a_form_that_was_not_written_anew_is_migrated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older_form = tmp_path / "older.sql"
    older_form.write_text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)\n")
    monkeypatch.setattr(forms, "FORM", older_form)
    path = tmp_path / "catalog.sqlite"
    assert not forms.lay_out(path)
    migrate(open_catalog(f"sqlite:///{path}"))
    assert forms.lay_out(path)


def test_what_is_no_catalog_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "catalog.sqlite"
    path.write_text("no database, but long enough to be looked at " * 20)
    assert not forms.lay_out(path)
    assert path.read_text().startswith("no database")
