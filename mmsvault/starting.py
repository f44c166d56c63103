"""How each program begins: with its settings and its log, or with a plain word why it cannot."""

import gc
import json
import logging
import os
import re
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import structlog

from mmsvault.core import streams
from mmsvault.errors import EXIT_USAGE, EXIT_WRONG, ConfigurationError, VaultError
from mmsvault.settings import Settings
from mmsvault.settings.data_dir import close_new_files
from mmsvault.settings.secrets import HIDDEN, secret_pattern
from mmsvault.terminal import masked, visible, visible_json, visible_line

_masking = [True]
_secrets: list[re.Pattern[str]] = []
_OF_SEVERAL_LINES = ("exception", "stack")
_QUIET = ("httpx", "httpcore", "urllib3", "rq", "alembic", "uvicorn", "watchdog", "PIL")


def start(program: Callable[[Settings], None]) -> None:
    """Run a program with the settings; exit 2 where they cannot work, 1 where a server cannot."""
    streams.prepare()
    close_new_files()
    write_log()
    with streams.guarded():
        _start(program)


def _start(program: Callable[[Settings], None]) -> None:
    try:
        settings = Settings.load()
        _masking[:] = [settings.mask_numbers]
        _secrets[:] = [secret_pattern(settings)]
        gc.freeze()  # modules are here to stay
        gc.enable()  # it may be a fork that did without while it loaded them
        program(settings)
    except ConfigurationError as error:
        sys.exit(_complain(error, EXIT_USAGE))
    except VaultError as error:
        sys.exit(_complain(error, EXIT_WRONG))
    except KeyboardInterrupt:
        sys.exit(streams.EXIT_INTERRUPTED)


def _hide_secrets(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    for pattern in _secrets:
        event = _in_texts(event, partial(pattern.sub, HIDDEN))
    return event


def _mask_numbers(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    if not _masking[0]:
        return event
    return _in_texts(event, masked)


def _in_texts(event: structlog.typing.EventDict, change: Callable[[str], str]) -> structlog.typing.EventDict:
    """Return the event with all its texts changed; what structlog keeps there for itself stays."""
    return {name: value if name.startswith("_") else _changed(value, change) for name, value in event.items()}


def _changed(value: object, change: Callable[[str], str]) -> Any:
    """Return a value with every text in it changed; an error and the like become texts."""
    match value:
        case str():
            return change(value)
        case bool() | int() | float() | None:
            return value
        case list() | tuple() | set() | frozenset():
            return [_changed(one, change) for one in value]
        case dict():
            return {_changed(name, change): _changed(one, change) for name, one in value.items()}
        case _:
            return change(str(value))


def _show_harmful(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Escape what is harmful on a terminal, in a traceback line by line."""
    return {
        name: value
        if not isinstance(value, str)
        else (visible(value) if name in _OF_SEVERAL_LINES else visible_line(value))
        for name, value in event.items()
    }


def _as_json(event: object, **options: Any) -> str:
    return visible_json(json.dumps(event, ensure_ascii=False, **options))


def _complain(error: VaultError, code: int) -> int:
    sys.stderr.write(f"{visible(str(error))}\n")
    return code


def write_log(level: int = logging.INFO) -> None:
    """Log to stderr: lines for a person on a terminal, else one JSON object a line.

    Libraries that write addresses or numbers into their logs are kept to warnings.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _hide_secrets,
        _mask_numbers,
    ]
    terminal = sys.stderr.isatty() or "FORCE_COLOR" in os.environ  # as `up` sets it on a terminal
    last: list[structlog.typing.Processor] = (
        [_show_harmful, structlog.dev.ConsoleRenderer()]
        if terminal
        else [structlog.processors.JSONRenderer(serializer=_as_json)]
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    # What it tries again is said once, in words, when it did not help.
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
