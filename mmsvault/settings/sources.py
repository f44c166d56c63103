"""Where settings come from: the environment, a `.env` file, a folder of secrets."""

import difflib
import os
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path

from dotenv import dotenv_values

from mmsvault.errors import ConfigurationError

PREFIX = "MMSVAULT_"
TEST_PREFIX = "MMSVAULT_TEST_"


class Origin(StrEnum):
    """Where the value of a setting comes from."""

    ENVIRONMENT = "environment"
    FILE = "file .env"
    SECRETS_FILE = "file in MMSVAULT_SECRETS_DIR"
    GIVEN = "the program's start"
    MADE = "made at the first start"
    DEFAULT = "default"


def origin(name: str, *, secrets_folder: Path | None, is_given: bool) -> Origin:
    """Return where a setting comes from, as this process finds it."""
    variable = PREFIX + name.upper()
    if os.environ.get(variable):
        return Origin.ENVIRONMENT
    if dotenv_values(".env").get(variable):
        return Origin.FILE
    if secrets_folder and (secrets_folder / variable.lower()).is_file():
        return Origin.SECRETS_FILE
    if is_given:
        return Origin.GIVEN
    return Origin.MADE if name == "postback_token" else Origin.DEFAULT


def secrets_folder(given: object) -> Path | None:
    """Return the folder of secrets. Raises ConfigurationError where it is none."""
    name = PREFIX + "SECRETS_DIR"
    told = given or os.environ.get(name) or dotenv_values(".env").get(name)
    if not told:
        return None
    folder = Path(str(told))
    if not folder.is_dir():
        raise ConfigurationError(name, f"there is no folder {folder}")
    return folder


def refuse_unknown(names: Iterable[str], *, secrets_folder: Path | None) -> None:
    """Raise ConfigurationError for what is set and is none of the settings' `names`."""
    known = {PREFIX + name.upper() for name in names}
    files = [path.name.upper() for path in secrets_folder.iterdir()] if secrets_folder else []
    for name in (*os.environ, *dotenv_values(".env"), *files):
        if name.startswith(PREFIX) and not name.startswith(TEST_PREFIX) and name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            raise ConfigurationError(
                name, "is not a setting" + (f"; did you mean {close[0]}?" if close else "")
            )
