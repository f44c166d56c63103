"""Values that begin with `-`, as in `mmsvault search -keyword:storm`: told apart from options."""

from collections.abc import Sequence
from typing import Any

HELP = ("-h", "--help")


def keep_values(command: Any, words: Sequence[str]) -> list[str]:
    """Return the words of a call with values that begin with `-` moved behind `--`, for the parser.

    `command` is the whole command line, a group with its commands. A word of one `-` that is none of the
    command's options is a value where the command takes any; what begins with `--` stays an option.
    """
    at = 0
    while hasattr(command, "commands") and at < len(words) and words[at] in command.commands:
        command, at = command.commands[words[at]], at + 1
    if hasattr(command, "commands") or not any(one.param_type_name == "argument" for one in command.params):
        return list(words)
    options, values = _split(command, words[at:])
    if not any(value.startswith("-") for value in values):
        return list(words)
    return [*words[:at], *options, "--", *values]


def _split(command: Any, words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the options, each with its own value, and the values, in the order of the call."""
    takes_value = dict.fromkeys(HELP, False)
    for one in command.params:
        if one.param_type_name == "option":
            takes_value |= dict.fromkeys((*one.opts, *one.secondary_opts), not one.is_flag)
    options: list[str] = []
    values: list[str] = []
    left = list(words)
    while left:
        word = left.pop(0)
        name, is_joined, _ = word.partition("=")
        if word == "--":
            values += left
            break
        if name in takes_value:
            options.append(word)
            if takes_value[name] and not is_joined and left:
                options.append(left.pop(0))
        elif word.startswith("--") or f"-{name}" in takes_value:  # a slip: the parser says so
            options.append(word)
        else:
            values.append(word)
    return options, values
