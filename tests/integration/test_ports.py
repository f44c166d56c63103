"""Who has a port, found out among the real sockets of this machine."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress

import pytest

from mmsvault.errors import ConfigurationError
from mmsvault.runtime import ports
from tests.servers import end, free_port, listens, until


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "localhost"])
def test_a_port_that_is_taken_is_refused_with_who_has_it_and_the_setting(taken: int, host: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        ports.check(host, taken, program="RECEIVER")
    assert refused.value.setting == "MMSVAULT_RECEIVER_PORT"
    assert f"port {taken} of {host} is taken by" in str(refused.value)
    assert f"(process {os.getpid()})" in str(refused.value)


def test_another_program_is_named_by_what_it_runs() -> None:
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: listens(port), what="the other program listening")
        assert ports.holder(port) == f"http.server (process {server.pid})"
    finally:
        end(server)


def test_a_port_that_is_free_again_is_taken_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            server.accept()[0].close()  # which leaves the port in TIME_WAIT
    ports.check("127.0.0.1", port, program="DASHBOARD")


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_an_address_that_is_not_of_this_machine_names_the_setting_of_the_host(host: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape("MMSVAULT_DASHBOARD_HOST: this machine has no")):
        ports.check(host, free_port(), program="DASHBOARD")


def test_where_the_holder_is_not_to_be_found_it_is_another_program() -> None:
    with suppress(OSError):
        assert ports.holder(free_port()) == "another program"
