"""The table of server faults: that it is whole, and that strangers cannot write themselves into it."""

import re

import pytest
from redis.exceptions import BusyLoadingError, OutOfMemoryError, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError
from sqlalchemy.exc import OperationalError

from mmsvault.core.fault_rules import SERVER_RULES, Kind, Rule, Server, network_rules
from mmsvault.core.server_faults import fault_of
from mmsvault.settings import Settings

RULES = [(server, rule) for server in Server for rule in (*SERVER_RULES[server], *network_rules(server))]


@pytest.mark.parametrize(("server", "rule"), RULES)
def test_each_rule_names_a_setting_that_exists_and_says_whole_sentences(server: Server, rule: Rule) -> None:
    groups = dict.fromkeys(re.compile(rule.pattern).groupindex, "do this")
    named = {"name": server.value, "setting": f"MMSVAULT_{rule.setting}", **groups}
    said = f"{rule.problem.format_map(named)} {rule.advice.format_map(named)}"
    assert said.endswith(".")
    assert "{" not in said
    for name in {rule.setting, *re.findall(r"MMSVAULT_([A-Z0-9_]+)", said)}:
        assert name.lower() in Settings.model_fields


CAPTION = "wrong password; certificate verify failed; OutOfMemoryError [42501] Connection refused"


def test_what_a_stranger_wrote_is_not_taken_for_a_fault() -> None:
    in_sql = OperationalError(f"INSERT ... {CAPTION}", {"text": CAPTION}, Exception("something else"))
    in_pipeline = RedisError(f"Command # 1 (HSET {CAPTION}) of pipeline caused error: something else")
    assert fault_of(in_sql, Server.CATALOG).kind is Kind.OTHER
    assert fault_of(in_pipeline, Server.QUEUE).kind is Kind.OTHER


def test_the_fault_behind_a_pipeline_or_another_error_is_found() -> None:
    said = "Command # 1 (RPUSH rq:queue:archive {}) of pipeline caused error: "
    assert fault_of(OutOfMemoryError(f"{said}command not allowed"), Server.QUEUE).kind is Kind.FULL
    refused = RedisConnectionError("it failed")
    refused.__cause__ = ConnectionRefusedError(111, "Connection refused")
    assert fault_of(refused, Server.QUEUE).kind is Kind.REFUSED


def test_a_server_that_loads_is_waited_for() -> None:
    fault = fault_of(BusyLoadingError("Redis is loading the dataset in memory"), Server.QUEUE)
    assert fault.kind is Kind.LOADING
    assert "goes on by itself" in fault.advice


def test_the_socket_of_an_embedded_redis_is_not_shown() -> None:
    told = RedisConnectionError(
        "Error 2 connecting to unix:/srv/vault/queue.sock. No such file or directory."
    )
    told.__context__ = FileNotFoundError(2, "No such file or directory")
    fault = fault_of(told, Server.QUEUE)
    assert fault.kind is Kind.REFUSED
    assert "/srv" not in str(fault)
