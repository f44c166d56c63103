"""What is wrong with a server, in words that name the setting and the next step.

The one translation of what Redis, PostgreSQL and the bucket's server say: worker, doctor, dashboard and
commands show it. The rules are in `fault_rules`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from mmsvault.core.fault_rules import ADDRESS, SERVER_RULES, Kind, Rule, Server, network_rules

PREFIX = "MMSVAULT_"
_WITH_DATA = ("DBAPIError", "MaxRetryError")
"""Exceptions whose own text quotes a statement's values or an object's key: only their cause is read."""
_PIPELINE = re.compile(r"^Command # \d+ .* of pipeline caused error: ", re.DOTALL)
"""What redis-py writes before an error in a pipeline, with the values that were sent."""


@dataclass(frozen=True)
class ServerFault:
    """What is wrong with a server. `setting` has its prefix; `problem` and `advice` are sentences."""

    server: Server
    kind: Kind
    problem: str
    setting: str
    advice: str

    def __str__(self) -> str:
        return f"{self.problem} {self.advice}"


def fault_of(error: BaseException, server: Server) -> ServerFault:
    """Return what is wrong, judged by an exception of the server's client and by what caused it."""
    told = "\n".join(evidence(error))
    for rule, pattern in _rules(server):
        if found := pattern.search(told):
            names = {"name": server.value, "setting": PREFIX + rule.setting, **found.groupdict()}
            problem, advice = (_filled(text, names) for text in (rule.problem, rule.advice))
            return ServerFault(server, rule.kind, problem, names["setting"], advice)
    setting = PREFIX + ADDRESS[server]
    return ServerFault(
        server,
        Kind.OTHER,
        _filled("{name} gave an answer that is not understood.", {"name": server.value}),
        setting,
        f"Read its log, and check {setting}.",
    )


def evidence(error: BaseException) -> Iterator[str]:
    """Give a line for each exception of the chain: its class, its code in brackets, its text.

    Texts that quote what strangers wrote are left out: a caption must not pass for a fault.
    """
    for one in _chain(error):
        names = {cls.__name__ for cls in type(one).__mro__}
        code = getattr(one, "code", None) or getattr(one, "sqlstate", None)
        quotes = names.intersection(_WITH_DATA) or (code and "OperationalError" not in names)
        words = "" if quotes else _PIPELINE.sub("", str(one))
        yield " ".join(part for part in (type(one).__name__, f"[{code}]" if code else "", words) if part)


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        one = waiting.pop(0)
        if not isinstance(one, BaseException) or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [
            *(getattr(one, name, None) for name in ("orig", "reason", "__cause__")),
            None if one.__suppress_context__ else one.__context__,
        ]


def _filled(text: str, names: dict[str, str]) -> str:
    filled = text.format_map(names)
    return filled[:1].upper() + filled[1:]


@cache
def _rules(server: Server) -> tuple[tuple[Rule, re.Pattern[str]], ...]:
    rules = (*SERVER_RULES[server], *network_rules(server))
    return tuple((rule, re.compile(rule.pattern)) for rule in rules)
