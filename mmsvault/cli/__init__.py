"""The commands.

`supervising` runs all programs together, `running` starts one of them, `answering` asks the archive,
`keeping` looks after it, `weeding` takes out what must go, `moving` brings it elsewhere, `backup` copies it
and brings it back, `examining` looks at everything that it needs, `noting` keeps what people found,
`exporting` makes archives that leave the house, `admitting` says who may look, `logins` is about where they
do and their second factor.

`arguments` tells values from options.

Exit codes: 0 done, 1 something is wrong with the archive or its servers, 2 usage or settings, 130 ended by
Ctrl-C, 141 nobody reads the answer any more.
"""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING

from mmsvault.cli.arguments import HELP, keep_values
from mmsvault.core import streams
from mmsvault.errors import (
    EXIT_DONE,
    EXIT_USAGE,
    EXIT_WRONG,
    ConfigurationError,
    NotFoundError,
    RejectedInputError,
    VaultError,
)
from mmsvault.settings.data_dir import close_new_files
from mmsvault.terminal import visible

if TYPE_CHECKING:
    import typer

NAME = "mmsvault"
SUPERVISED = ("up", "demo")


def commands(*, asked: str = "") -> typer.Typer:
    """Return the command line; where a program is `asked` for, only with what starts programs.

    The other commands load catalog and bucket, which takes time and memory that `up` has no use for.
    """
    import typer  # noqa: PLC0415 - see `main`

    from mmsvault.cli import running  # noqa: PLC0415

    app = typer.Typer(
        no_args_is_help=True,
        context_settings={"help_option_names": list(HELP)},
        pretty_exceptions_enable=False,
        help="The archive of received picture messages (MMS).",
    )
    app.callback()(running.about)
    running.add_to(app)
    if asked not in running.NAMES:
        # See above.
        from mmsvault.cli import (  # noqa: PLC0415
            admitting,
            answering,
            backup,
            examining,
            exporting,
            keeping,
            moving,
            noting,
            weeding,
        )

        answering.add_to(app)
        keeping.add_to(app)
        weeding.add_to(app)
        examining.add_to(app)
        moving.add_to(app)
        backup.add_to(app)
        exporting.add_to(app)
        noting.add_to(app)
        admitting.add_to(app)
    return app


def main() -> None:
    """Run the command line; an error of the vault's own is one plain sentence on stderr."""
    streams.prepare()
    close_new_files()
    with streams.guarded():
        code = _answer(sys.argv[1:])
    sys.exit(code)


def _answer(given: list[str]) -> int:
    """Do what was asked for, and return the exit code."""
    try:
        if given in [[name] for name in SUPERVISED]:  # people wait for these: nothing is loaded but them
            gc.disable()  # nothing of a module is ever garbage, and all would be looked at
            from mmsvault.cli import supervising  # noqa: PLC0415

            getattr(supervising, given[0])()
        code = _run(commands(asked=given[0] if given else ""), given)
    except (ConfigurationError, RejectedInputError, NotFoundError) as error:
        return _complain(error, EXIT_USAGE)
    except VaultError as error:
        return _complain(error, EXIT_WRONG)
    except KeyboardInterrupt:
        code = streams.EXIT_INTERRUPTED
    if code == streams.EXIT_INTERRUPTED:
        sys.stderr.write("Ended by Ctrl-C. Run the command again to begin anew or to go on.\n")
    return code


def _run(app: typer.Typer, given: list[str]) -> int:
    """Run a command and return its exit code; what is wrong with the call is said without escapes."""
    import typer  # noqa: PLC0415 - see `commands`
    from typer.exceptions import TyperException  # noqa: PLC0415

    command = typer.main.get_command(app)
    try:
        words = keep_values(command, given)
        return command.main(words, prog_name=NAME, standalone_mode=False) or EXIT_DONE
    except typer.Abort as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            return streams.EXIT_INTERRUPTED
        sys.stderr.write("Aborted.\n")
        return EXIT_WRONG
    except TyperException as error:
        from typer.rich_utils import rich_format_error  # noqa: PLC0415

        error.message = visible(error.message)
        rich_format_error(error)  # type: ignore[arg-type]  # it takes any of them
        return error.exit_code


def _complain(error: VaultError, code: int) -> int:
    sys.stderr.write(f"{visible(str(error))}\n")
    return code
