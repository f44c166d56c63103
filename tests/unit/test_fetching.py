from ipaddress import ip_address, ip_network

import pytest

from mmsvault.fetching import is_allowed


@pytest.mark.parametrize(
    "address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "64:ff9b::5db8:d70e"]
)
def test_public_addresses_may_be_fetched_from(address: str) -> None:
    assert is_allowed(ip_address(address), ())


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
        "224.0.0.1", "255.255.255.255", "192.0.2.1", "::1", "::", "fe80::1", "fc00::1", "ff02::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:7f00:1::", "2001:0:4136:e378::",
    ],
)  # fmt: skip
def test_inside_addresses_are_refused_in_every_writing(address: str) -> None:
    assert not is_allowed(ip_address(address), ())


def test_a_private_network_that_is_listed_is_allowed() -> None:
    assert is_allowed(ip_address("127.0.0.1"), [ip_network("127.0.0.1/32")])
    assert not is_allowed(ip_address("127.0.0.2"), [ip_network("127.0.0.1/32")])
    assert is_allowed(ip_address("::ffff:127.0.0.1"), [ip_network("127.0.0.1/32")])
