"""The receiver as its settings put it together, over a queue that is away."""

from ipaddress import ip_network
from pathlib import Path

import pytest
from fastapi import HTTPException, Request

from mmsvault.settings import Settings
from mmsvault.settings.generated import free_port
from receiver.app import create_app


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> object:
    folder = tmp_path_factory.mktemp("receiver")
    settings = Settings(
        data_dir=folder,
        redis_url=f"redis://127.0.0.1:{free_port()}/0",
        postback_token="of-today",
        postback_tokens_old=("of-before", "of-long-ago"),
        postback_networks=(ip_network("192.0.2.0/24"),),
        trusted_proxies=(ip_network("10.0.0.0/8"),),
        max_postback_bytes=1234,
    )
    return create_app(settings).state


def answer(state: object, token: str, *, client: str = "192.0.2.7", forwarded: str = "") -> int:
    scope = {
        "type": "http",
        "headers": [(b"x-forwarded-for", forwarded.encode())] if forwarded else [],
        "query_string": b"",
        "path_params": {"_token": token},
        "client": (client, 1),
    }
    try:
        state.doorkeeper.check(Request(scope))  # type: ignore[attr-defined]
    except HTTPException as refusal:
        return refusal.status_code
    return 200


@pytest.mark.parametrize(
    ("token", "status"), [("of-today", 200), ("of-before", 200), ("of-long-ago", 200), ("of-never", 401)]
)
def test_the_token_of_today_and_those_before_it_open_the_receiver(
    state: object, token: str, status: int
) -> None:
    assert answer(state, token) == status


@pytest.mark.parametrize(
    ("client", "forwarded", "status"),
    [
        ("192.0.2.7", "", 200),
        ("198.51.100.1", "", 403),
        ("198.51.100.1", "192.0.2.7", 403),
        ("10.0.0.1", "192.0.2.7", 200),
        ("10.0.0.1", "198.51.100.1", 403),
    ],
)
def test_the_networks_and_proxies_of_the_settings_decide_who_may_post(
    state: object, client: str, forwarded: str, status: int
) -> None:
    assert answer(state, "of-today", client=client, forwarded=forwarded) == status


def test_a_postback_is_as_large_as_the_settings_allow(state: object, tmp_path: Path) -> None:
    assert state.max_postback_bytes == 1234  # type: ignore[attr-defined]
    assert Settings(data_dir=tmp_path).max_postback_bytes == 1 << 20
