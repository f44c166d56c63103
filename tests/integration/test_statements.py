"""What tests send to a catalog is noted, by whichever process."""

import os
import subprocess
import sys
from pathlib import Path

from sqlalchemy import text

from mmsvault.catalog import upkeep
from mmsvault.catalog.connection import migrate, open_catalog
from tests import statements
from tests.statements import Statement


def test_statements_of_the_product_are_noted_and_those_of_a_test_are_not(tmp_path: Path) -> None:
    engine = open_catalog(f"sqlite:///{tmp_path / 'catalog.sqlite'}")
    migrate(engine)
    noted: list[Statement] = []
    end = statements.listen(lambda statement, _form: noted.append(statement))
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
        upkeep.buried(engine, ["a", "b"])
        upkeep.buried(engine, ["a", "b", "c"])
    finally:
        end()
    engine.dispose()
    assert {one.senders[0] for one in noted} == {"mmsvault.catalog.upkeep.buried"}
    assert len({one.form for one in noted}) == 1
    assert noted[0].values == ("a", "b")


def test_a_program_that_a_test_starts_notes_its_statements(tmp_path: Path) -> None:
    asks = (
        "import sys; from mmsvault.catalog import upkeep;"
        "from mmsvault.catalog.connection import migrate, open_catalog;"
        "engine = open_catalog(sys.argv[1]); migrate(engine); upkeep.count(engine)"
    )
    folder = tmp_path / "statements"
    subprocess.run(
        [sys.executable, "-c", asks, f"sqlite:///{tmp_path / 'catalog.sqlite'}"],
        check=True,
        cwd=tmp_path,
        env={**os.environ, statements.FOLDER: str(folder), "PYTHONPATH": str(statements.RECORDING)},
    )
    noted = list(statements.recorded(folder))
    assert any("mmsvault.catalog.upkeep.count" in one.senders for one in noted)
