"""A vault on embedded servers brought to a real Redis, MinIO and PostgreSQL."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dotenv import dotenv_values
from minio import Minio

from mmsvault import annotating, disposition
from mmsvault.embedded.borrowing import borrowed
from mmsvault.exporting.signing import own_signer
from mmsvault.message import Receipt
from mmsvault.queueing.connection import connect_to_answer
from mmsvault.queueing.durable import DurableQueue
from mmsvault.queueing.jobs import open_queue
from mmsvault.sample.notices import lower_case_xml
from mmsvault.sample.provider import SampleProvider
from mmsvault.settings import Settings
from tests import servers
from tests.integration.archive import Archive, embedded_bucket, notice, opened, picture, words
from tests.servers import until


@pytest.fixture
def there(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The settings of a vault on real servers, with Object Lock."""
    folder = tmp_path / "there"
    folder.mkdir()
    with (
        servers.redis_server(folder) as redis,
        servers.minio_server(folder) as minio,
        servers.postgresql_server(folder) as postgresql,
    ):
        yield {
            "MMSVAULT_REDIS_URL": redis,
            "MMSVAULT_DATABASE_URL": postgresql,
            "MMSVAULT_S3_OBJECT_LOCK": "true",
            "MMSVAULT_S3_LOCK_MODE": "governance",
            "MMSVAULT_S3_LOCK_DAYS": "1",
            **minio,
        }


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("count", [200, pytest.param(2000, marks=pytest.mark.long)])
def test_a_vault_is_brought_to_real_servers_though_it_is_cut_off_once(
    tmp_path: Path, there: dict[str, str], count: int
) -> None:
    here = {"MMSVAULT_DATA_DIR": str(tmp_path / "vault")}
    waiting = fill(tmp_path, count)
    file = tmp_path / "there.env"
    file.write_text("".join(f"{name}={value}\n" for name, value in there.items()))
    client, bucket = bucket_of(there)

    def has_some() -> bool:
        if not client.bucket_exists(bucket):
            return False
        return sum(1 for _ in client.list_objects(bucket, "messages/", recursive=True)) > count // 2

    with started(here, "migrate", "--to", str(file)) as cut_off:
        until(has_some, seconds=600, what="a part of the bucket being there")
        cut_off.send_signal(signal.SIGKILL)
    done = answer(here, "migrate", "--to", str(file))
    assert done["problems"] == []
    assert done["messages"] == count
    assert count // 2 < done["copied"] < done["objects"]
    assert done["receipts"] == 1

    both = {**here, **there}
    found = answer(both, "search", "", "--limit", str(count))
    assert found["total"] == count
    assert found == answer(here, "search", "", "--limit", str(count))
    assert answer(both, "search", "tag:kept has:hold")["total"] == 1
    assert answer(both, "verify")["problems"] == []
    told = {"total": count + 2, "duplicates": 0, "other": 0, "quarantined": 1}
    assert answer(both, "status")["receipts"] == told
    with connect_to_answer(there["MMSVAULT_REDIS_URL"]) as redis:
        assert [job.args[0]["id"] for job in open_queue(redis).get_jobs()] == [waiting]
    held = next(one for one in found["messages"] if one["hold"])
    assert client.is_object_legal_hold_enabled(bucket, held["media"][0]["key"])


def test_the_provider_needs_no_other_token_after_the_move_and_there_is_a_way_back(
    tmp_path: Path, there: dict[str, str]
) -> None:
    there = {name: value for name, value in there.items() if "LOCK" not in name}  # nothing may be deleted
    fill(tmp_path, 6)
    here = {"MMSVAULT_DATA_DIR": str(tmp_path / "vault")}
    answer(here, "user", "add", "anna", "--role", "admin")
    old = settings(here)
    fingerprint = own_signer(old.data_dir).fingerprint
    file = tmp_path / "there.env"
    elsewhere = {**there, "MMSVAULT_DATA_DIR": str(tmp_path / "elsewhere")}
    file.write_text("".join(f"{name}={value}\n" for name, value in elsewhere.items()))
    assert answer(here, "migrate", "--to", str(file))["problems"] == []
    assert answer(here, "migrate", "--to", str(file))["problems"] == []  # as often as one likes
    told = {name: value or "" for name, value in dotenv_values(file).items()}
    assert told["MMSVAULT_POSTBACK_TOKEN"] == old.effective_token
    assert told["MMSVAULT_METRICS_TOKEN"] == old.effective_metrics_token
    assert file.stat().st_mode & 0o077 == 0
    new = settings({name: value for name, value in told.items() if not name.endswith("_TOKEN")})
    assert new.effective_token == old.effective_token
    assert new.generated.link_secret == old.generated.link_secret
    assert own_signer(new.data_dir).fingerprint == fingerprint
    assert [one["name"] for one in answer(told, "user", "list")["users"]] == ["anna"]

    with (
        SampleProvider() as provider,
        opened(told, bucket="mms-vault", catalog=there["MMSVAULT_DATABASE_URL"], provider=provider) as moved,
    ):
        moved.receive("since", words("came in on the real servers"))
        disposition.delete(moved.vault, "sinch-n0")
        expected = moved.everything()
    back = tmp_path / "back.env"
    emptied = [name for name in there if name.endswith(("_URL", "_ENDPOINT", "_KEY"))]
    back.write_text(f"MMSVAULT_DATA_DIR={tmp_path / 'vault'}\n" + "".join(f"{name}=\n" for name in emptied))
    done = answer(told, "migrate", "--to", str(back))
    assert done["problems"] == []
    found = answer(here, "search", "", "--limit", "100")
    assert {one["id"] for one in found["messages"]} == {json.loads(one)["id"] for one in expected}
    assert "sinch-since" in {one["id"] for one in found["messages"]}
    assert answer(here, "verify")["problems"] == []
    assert settings(here).effective_token == old.effective_token
    assert [one["name"] for one in answer(here, "user", "list")["users"]] == ["anna"]


def test_a_vault_that_runs_is_not_moved_and_neither_is_one_onto_another(
    tmp_path: Path, there: dict[str, str]
) -> None:
    fill(tmp_path, 4)
    here = {"MMSVAULT_DATA_DIR": str(tmp_path / "vault")}
    file = tmp_path / "there.env"
    file.write_text("".join(f"{name}={value}\n" for name, value in there.items()))
    with borrowed(settings(here)):  # as `up` does
        refused = run(here, "migrate", "--to", str(file))
    assert refused.returncode == 1
    assert "A vault runs in" in refused.stderr
    with (
        SampleProvider() as provider,
        opened(
            {**here, **there}, bucket="another", catalog=there["MMSVAULT_DATABASE_URL"], provider=provider
        ) as other,
    ):
        other.receive("of-another-vault", words())
    refused = run(here, "migrate", "--to", str(file))
    assert refused.returncode == 1
    assert "1 messages that are not from here" in refused.stderr


def fill(folder: Path, count: int) -> str:
    """Make a vault with messages, one held, one deleted, one not understood; return a waiting receipt."""
    with SampleProvider() as provider, embedded_bucket(folder) as env:
        catalog = f"sqlite:///{folder / 'vault' / 'catalog.sqlite'}"
        with opened(env, bucket="mms-vault", catalog=catalog, provider=provider) as archive:
            for number in range(count):
                files = (
                    [picture(number)] if number % 20 == 0 else [words(f"words {number}")] * (number % 4 == 1)
                )
                archive.receive(f"n{number}", *files)
            decide(archive)
    own = settings(env)
    receipt = Receipt.of(lower_case_xml(notice("waits")), provider="sinch")
    with borrowed(own), connect_to_answer(own.effective_redis_url) as redis:
        DurableQueue(open_queue(redis)).keep([receipt.model_dump(mode="json")])
    return receipt.id


def decide(archive: Archive) -> None:
    archive.receive("unwanted", words())
    disposition.delete(archive.vault, "sinch-unwanted")
    disposition.hold(archive.vault, "sinch-n1", held=True)
    annotating.annotate(archive.vault, "sinch-n1", tag=["kept"])
    archive.take_bytes(b"not a postback")


def settings(env: dict[str, str]) -> Settings:
    return Settings.load(**{name.removeprefix("MMSVAULT_").lower(): value for name, value in env.items()})


def bucket_of(env: dict[str, str]) -> tuple[Minio, str]:
    client = Minio(
        env["MMSVAULT_S3_ENDPOINT"].removeprefix("http://"),
        access_key=env["MMSVAULT_S3_ACCESS_KEY"],
        secret_key=env["MMSVAULT_S3_SECRET_KEY"],
        secure=False,
    )
    return client, "mms-vault"


def started(env: dict[str, str], *arguments: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "mmsvault.cli", *arguments],
        env={**os.environ, **env},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def run(env: dict[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "mmsvault.cli", *arguments],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
    )


def answer(env: dict[str, str], *arguments: str) -> Any:
    done = run(env, *arguments, "--json")
    assert done.returncode == 0, done.stderr + done.stdout
    return json.loads(done.stdout)
