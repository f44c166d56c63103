"""The message of docs/quick-start.md, sent as the page prints it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from mmsvault.catalog import queries
from mmsvault.errors import NotFoundError, UnavailableError
from tests.house import House
from tests.servers import until

PAGE = Path(__file__).parents[2] / "docs" / "quick-start.md"
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)
ONLY_NOWHERE = {"MMSVAULT_FETCH_HOSTS": "nowhere.invalid", "MMSVAULT_WORKERS": "1"}
"""So that nothing is fetched from the address on the page."""


def test_the_first_message_of_the_quick_start_comes_in_as_it_is_printed(tmp_path: Path) -> None:
    house = House(tmp_path, ONLY_NOWHERE)
    (tmp_path / ".venv").symlink_to(Path(sys.prefix))
    send, show = BLOCK.findall(PAGE.read_text())

    def pasted(block: str) -> subprocess.CompletedProcess[str]:
        bash = str(shutil.which("bash"))
        return subprocess.run(
            [bash, "-s"],
            input=block,
            env=house.env,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    def is_there() -> bool:
        with house.vault() as vault:
            try:
                return bool(queries.load(vault.catalog, "sinch-MMS_MO_first"))
            except (NotFoundError, UnavailableError):
                return False

    with house.up():
        sent = pasted(send)
        assert (sent.returncode, sent.stdout.strip()) == (0, "OK"), sent.stderr
        until(is_there, what="the message being in the catalog")
        shown = pasted(show)
    assert shown.returncode == 0, shown.stderr
    assert "My first" in shown.stdout
    assert "hello" in shown.stdout
