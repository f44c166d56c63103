"""Every command of the pages that operators follow is carried out as printed.

What needs a container engine or a cluster, which are not here, is checked against the files it works on.
"""

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

import httpx
import pytest
import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token

from mmsvault.catalog import people, queries
from mmsvault.catalog.people import Role
from mmsvault.errors import EXIT_DONE
from mmsvault.sample import media
from mmsvault.sample.provider import SampleProvider
from tests.flow.test_archive import notice
from tests.house import House
from tests.servers import end, free_port, listens, minio_server, postgresql_server, redis_server, until

pytestmark = pytest.mark.timeout(400)
ROOT = Path(__file__).parents[2]
PAGES = ("quick-start", "operator-guide", "backup", "upgrading", "real-servers")
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
# Programs that run until they are ended.
LASTING = ("mmsvault sweep", "mmsvault dashboard")
# Commands that other tests here carry out, since they need servers of their own, or that are only named.
ELSEWHERE = (
    "mmsvault up",
    "mmsvault migrate",
    "mmsvault migrate --to real.env",
    "mmsvault migrate --to back.env",
    "mmsvault backup",
    "mmsvault restore",
)
DURABLE = ("--appendonly", "yes", "--appendfsync", "always")
TOKEN = "a-token-that-nobody-guesses"
PERSON = "newcomer"


def tokens(page: str) -> Iterator[Token]:
    def walk(found: Iterable[Token]) -> Iterator[Token]:
        for token in found:
            yield token
            yield from walk(token.children or ())

    yield from walk(MarkdownIt("commonmark").enable("table").parse((ROOT / f"docs/{page}.md").read_text()))


def blocks(page: str) -> list[str]:
    return [token.content for token in tokens(page) if token.type in {"fence", "code_block"}]


def is_command(line: str) -> bool:
    return line.partition(" ")[0] in {"mmsvault", "make", "docker", "kubectl", "mc", "rclone", "sqlite3"}


def commands(program: str) -> list[str]:
    """Return the commands of a program that stand in the text of the pages, each once."""
    found = [
        token.content
        for page in PAGES
        for token in tokens(page)
        if token.type == "code_inline" and " " in token.content and token.content.startswith(f"{program} ")
    ]
    return sorted(set(found))


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A vault that runs, with an archived message of the keyword `hello` and a postback in quarantine."""
    house = House(tmp_path_factory.mktemp("documented"), {"MMSVAULT_POSTBACK_TOKEN": TOKEN})
    address = f"{house.receiver}/postbacks/sinch/{TOKEN}"
    with SampleProvider() as provider, house.up():
        assert httpx.post(address, content=b"no postback", trust_env=False).status_code == HTTPStatus.OK
        provider.send(address, notice("first", provider.offer(media.drawing(0)), keyword="hello"))
        house.archived("sinch-first")
        assert house.call("backup", str(house.folder / "backup")).returncode == EXIT_DONE
        (house.folder / "secret.txt").write_text(house.settings.bucket_keys[1])
        until(lambda: house.receipts().get("quarantined"), what="the other being in quarantine")
        yield house


def filled(house: House, command: str) -> list[str]:
    """Return the arguments of a command, with what its capitals stand for."""
    if "NAME" in command:
        with house.vault() as vault:
            if PERSON not in {one.name for one in people.list_all(vault.catalog)}:
                people.add(vault.catalog, PERSON, role=Role.VIEWER, scope="", password="p" * 12)
    values = {
        "ID": "sinch-first",
        "QUERY": "keyword:hello",
        "NAME": PERSON if "add" not in command else "second",
        "DEST": str(house.folder / "backup"),
        "FILE": str(house.folder / "secret.txt"),
    }
    return [values.get(word, word) for word in shlex.split(command)[1:]]


@pytest.mark.parametrize("command", [c for c in commands("mmsvault") if c not in (*ELSEWHERE, *LASTING)])
def test_a_command_of_the_guides_does_what_it_is_there_for(house: House, command: str) -> None:
    done = house.call(*filled(house, command))
    assert done.returncode == EXIT_DONE, done.stdout + done.stderr


@pytest.mark.parametrize("command", [c for c in commands("mmsvault") if c in LASTING])
def test_a_program_of_the_guides_runs_until_it_is_ended(house: House, command: str) -> None:
    port = free_port()
    ports = {"MMSVAULT_DASHBOARD_PORT": str(port), "MMSVAULT_METRICS_PORT": str(port)}
    log = house.folder / "program.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "mmsvault.cli", *shlex.split(command)[1:]],
            env={**house.env, **ports},
            stdout=output,
            stderr=output,
        )
    try:
        until(lambda: process.poll() is not None or listens(port), what=f"{command} running")
        assert process.poll() is None, log.read_text()
    finally:
        end(process, number=signal.SIGTERM)
    assert process.returncode in {EXIT_DONE, -signal.SIGTERM}, log.read_text()


def test_a_target_of_the_guides_is_one_of_the_makefile() -> None:
    named = {command.split()[1] for command in commands("make")}
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert named <= targets


def in_blocks(program: str) -> list[str]:
    return [
        line.partition("#")[0].strip()
        for page in PAGES
        for block in blocks(page)
        for line in block.splitlines()
        if line.startswith(f"{program} ")
    ]


def test_what_the_guides_ask_of_compose_is_in_its_file() -> None:
    services, profiles = (
        set(COMPOSE["services"]),
        {profile for service in COMPOSE["services"].values() for profile in service.get("profiles", ())},
    )
    for command in (*commands("docker compose"), *in_blocks("docker compose")):
        words = shlex.split(command.partition("|")[0])[2:]
        match words:
            case ["up", *options]:
                assert set(options) <= {"--build", "-d"}, command
            case ["build"]:
                pass
            case ["logs", service]:
                assert service in services, command
            case ["exec", service, "mmsvault", *_]:
                assert service in services, command
            case _:
                pytest.fail(f"nothing checks `{command}`")
    guide = (ROOT / "docs/operator-guide.md").read_text()
    assert set(re.findall(r"`--profile (\w+)`", guide)) <= profiles


def test_an_image_that_the_guides_name_is_the_one_in_use() -> None:
    images = {service.get("image", "").partition("@")[0] for service in COMPOSE["services"].values()}
    named = [
        command.removeprefix("docker buildx imagetools inspect ") for command in commands("docker buildx")
    ]
    assert named
    assert set(named) <= images


def test_what_kubectl_is_given_is_in_the_manifests() -> None:
    folder = ROOT / "deploy/kubernetes"
    assert commands("kubectl") == [
        "kubectl apply -k .",
        "kubectl exec deploy/exports -- cat /var/lib/mmsvault/signing-key.pem",
    ]
    made = yaml.safe_load((folder / "kustomization.yaml").read_text())
    assert all((folder / name).exists() for name in made["resources"])
    parts = list(yaml.safe_load_all((folder / "exports.yaml").read_text()))
    (exports,) = (
        part for part in parts if part["kind"] == "Deployment" and part["metadata"]["name"] == "exports"
    )
    mounts = exports["spec"]["template"]["spec"]["containers"][0]["volumeMounts"]
    assert "/var/lib/mmsvault" in {mount["mountPath"] for mount in mounts}


def test_the_steps_before_compose_make_the_secrets_that_it_names(tmp_path: Path) -> None:
    (tmp_path / "deploy").mkdir()
    for name in ("deploy/make-secrets", ".env.example", "compose.yaml"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
        (tmp_path / name).chmod((ROOT / name).stat().st_mode)
    (block,) = (block for block in blocks("operator-guide") if "make-secrets" in block)
    own = [line for line in block.splitlines() if not line.startswith("docker")]
    subprocess.run(["/bin/sh", "-euc", "\n".join(own)], cwd=tmp_path, check=True, capture_output=True)
    for secret in COMPOSE["secrets"].values():
        assert (tmp_path / secret["file"]).stat().st_size, secret
    assert (tmp_path / ".env").exists()


def test_no_command_of_the_guides_is_without_a_test() -> None:
    checked = ("mmsvault", "make", "docker compose", "docker buildx", "kubectl", "rclone sync")
    for page in PAGES:
        for token in tokens(page):
            if token.type == "code_inline" and " " in token.content and is_command(token.content):
                is_checked = any(f"{token.content} ".startswith(f"{program} ") for program in checked)
                assert is_checked, token.content
    blocks_of_backup = [token.info for token in tokens("backup") if token.type == "fence"]
    carried_out_there = ["sh backup", "sh check", "sh restore"]
    assert blocks_of_backup == [*carried_out_there, "", ""], "name new blocks in a test"
    there = (ROOT / "tests/integration/test_backup.py").read_text()
    assert all(f'"{info.removeprefix("sh ")}"' in there for info in carried_out_there)


def test_a_backup_is_restored_as_the_page_says_with_the_secret_of_the_former_vault(
    house: House, tmp_path: Path
) -> None:
    (block,) = (block for block in blocks("backup") if "--state-secret" in block)
    (tmp_path / "former-secret-key.txt").write_text(house.settings.bucket_keys[1])
    elsewhere = House(tmp_path)
    command = block.replace("/mnt/disk/backup", str(house.folder / "backup"))
    done = subprocess.run(
        [sys.executable, "-m", "mmsvault.cli", *shlex.split(command)[1:]],
        cwd=tmp_path,
        env=elsewhere.env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == EXIT_DONE, done.stdout + done.stderr
    assert elsewhere.json("search", "")["total"] == 1


def test_the_bucket_is_copied_by_the_line_for_rclone(house: House, tmp_path: Path) -> None:
    (block,) = (block for block in blocks("backup") if block.startswith("rclone"))
    bucket = house.settings.embedded_bucket_dir
    assert bucket
    (tmp_path / "there").mkdir()
    remotes = {
        "RCLONE_CONFIG_VAULT_TYPE": "alias",
        "RCLONE_CONFIG_VAULT_REMOTE": str(bucket.parent),
        "RCLONE_CONFIG_BACKUP_TYPE": "alias",
        "RCLONE_CONFIG_BACKUP_REMOTE": str(tmp_path / "there"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    carried_out(block, tmp_path, {**house.env, **remotes, "RCLONE_CONFIG": "/dev/null"})
    with house.vault() as vault:
        key = queries.load(vault.catalog, "sinch-first").media[0].key
        copied = tmp_path / "there" / "mms-vault-backup" / "now" / key
        assert copied.read_bytes() == vault.bucket.read(key)


@contextmanager
def made(target: str, folder: Path, env: dict[str, str]) -> Iterator[str]:
    """Run a target of the Makefile in `folder` until it says that it is ready; Ctrl-C at the end."""
    log = folder / f"make-{target}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["/usr/bin/env", "make", target],
            cwd=folder,
            env=env,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        until(
            lambda: "MMS Vault is ready." in log.read_text() or process.poll() is not None,
            seconds=120,
            what=f"`make {target}` being ready",
        )
        assert process.poll() is None, log.read_text()
        yield log.read_text()
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(60)


def carried_out(block: str, folder: Path, env: dict[str, str]) -> str:
    done = subprocess.run(
        ["/bin/bash", "-euc", block], cwd=folder, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def labels(told: str) -> list[str]:
    """Return the labels of what a start prints, in their order."""
    _, _, told = told.partition("MMS Vault is ready.\n")
    return [line.strip().split("  ")[0] for line in told.splitlines() if line.startswith("  ")]


def test_the_quick_start_works_as_printed_from_the_first_look_to_the_first_message(tmp_path: Path) -> None:
    house = House(tmp_path, {"MMSVAULT_FETCH_HOSTS": "localhost", "MMSVAULT_WORKERS": "1"})
    for name in ("MMSVAULT_POSTBACK_TOKEN", "MMSVAULT_DATA_DIR"):
        del house.env[name]
    for name in ("Makefile", "pyproject.toml", "requirements.lock", "requirements-dev.lock"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / ".venv").symlink_to(Path(sys.prefix))
    demo, printed, demo_status, up, send, show, doctor = blocks("quick-start")
    assert (demo, up) == ("make demo\n", "make up\n")
    with made("demo", tmp_path, house.env) as told:
        assert labels(told)[: len(labels(printed))] == labels(printed)
        carried_out(demo_status, tmp_path, house.env)
    with made("up", tmp_path, house.env):
        assert carried_out(send, tmp_path, house.env).strip() == "OK"
        there = {**house.env, "MMSVAULT_DATA_DIR": str(tmp_path / "var")}
        house.env = there
        until(lambda: house.json("search", "")["total"] == 1, what="the message being in the catalog")
        shown = carried_out(show, tmp_path, house.env)
        assert "My first" in shown
        assert "hello" in shown
        carried_out(doctor, tmp_path, house.env)


def settings_file(page_block: str, real: Sequence[tuple[str, str]]) -> str:
    """Return the settings of the guide with the addresses of servers that are here."""
    named = [line.partition("=")[0] for line in page_block.splitlines()]
    values = dict(real)
    return "".join(f"{name}={values.get(name, 'true')}\n" for name in named)


def test_a_vault_moves_to_real_servers_by_the_command_and_the_settings_of_the_page(tmp_path: Path) -> None:
    (acl,) = (block for block in blocks("real-servers") if block.startswith("user vault "))
    (example,) = (block for block in blocks("real-servers") if block.startswith("MMSVAULT_REDIS_URL="))
    (tmp_path / "users.acl").write_text(
        acl.replace("PASSWORD", "a-password") + "user default off ~* &* +@all\n"
    )
    house = House(tmp_path)
    with SampleProvider() as provider, house.up():
        provider.send(house.postbacks, notice("first", provider.offer(media.drawing(0))))
        house.archived("sinch-first")
    with (
        redis_server(tmp_path, *DURABLE, "--aclfile", str(tmp_path / "users.acl")) as redis,
        postgresql_server(tmp_path) as catalog,
        minio_server(tmp_path) as bucket,
    ):
        real = {
            "MMSVAULT_REDIS_URL": redis.replace("redis://", "redis://vault:a-password@"),
            "MMSVAULT_DATABASE_URL": catalog,
            **bucket,
        }
        (tmp_path / "real.env").write_text(settings_file(example, tuple(real.items())))
        (tmp_path / ".venv").symlink_to(Path(sys.prefix))
        done = subprocess.run(
            [sys.executable, "-m", "mmsvault.cli", "migrate", "--to", "real.env"],
            cwd=tmp_path,
            env=house.env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == EXIT_DONE, done.stdout + done.stderr
        there = House(tmp_path, {**real, "MMSVAULT_S3_OBJECT_LOCK": "true"})
        assert there.json("search", "")["total"] == 1
