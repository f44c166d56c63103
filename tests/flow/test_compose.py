"""compose.yaml as it stands: each service's own command and environment, on servers of this machine.

There is no container engine here. What is put in its place is said in `Stack`: addresses, folders,
and names of servers; everything else is taken from the file. The vault's own programs are those of
the image, as `image` makes it, and are confined as a container is.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from playwright.sync_api import Browser, expect

from dashboard.visiting import COOKIE
from mmsvault.sample import media
from mmsvault.sample.notices import lower_case_xml
from mmsvault.sample.provider import SampleProvider
from mmsvault.settings import Settings
from tests.flow import image
from tests.flow.image import Image, can_confine
from tests.flow.site import Site
from tests.flow.test_archive import notice
from tests.servers import free_port, listens, open_to_others, require, until

# All that the lock names is installed once more, however busy this machine is.
pytestmark = pytest.mark.timeout(900)

ROOT = Path(__file__).parents[2]
PROGRAMS = ("receiver", "worker", "exports", "sweep", "dashboard")
SERVERS = ("queue", "bucket", "catalog")
ANYWHERE = "0.0.0.0"
OURS = "mms-vault:"
PINNED = re.compile(r"[a-z/-]+:[\w.-]*\d[\w.-]*@sha256:[0-9a-f]{64}")


@pytest.fixture(scope="module")
def model() -> dict[str, Any]:
    """What the compose specification's own reader makes of the file; it refuses what is no compose file."""
    reader = shutil.which("compose-spec")
    require("compose", found=reader)
    example = dict(
        line.split("=", 1) for line in (ROOT / ".env.example").read_text().splitlines() if "=" in line[:20]
    )
    done = subprocess.run(
        [str(reader), "-format", "json", "compose.yaml"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **example},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "level=warning" not in done.stderr
    read: dict[str, Any] = json.loads(done.stdout)
    return read


def test_no_service_is_root_or_writes_to_its_image_and_each_has_its_limits(model: dict[str, Any]) -> None:
    for name, service in model["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory", "pids"}, name
        assert OURS in service["image"] or PINNED.fullmatch(service["image"]), f"{name}'s image is not pinned"
        if name != "owners":  # which gives new volumes to those who use them, and ends
            assert service["user"] not in ("", "root", "0"), name
            assert service["healthcheck"]["test"], name
            assert service["restart"] == "unless-stopped", name


def test_postbacks_come_in_whatever_but_the_receiver_is_away(model: dict[str, Any]) -> None:
    needed, found = ["proxy"], set()
    while needed:
        name = needed.pop()
        found.add(name)
        needed += [one for one in model["services"][name].get("depends_on", {}) if one not in found]
    assert found == {"proxy", "receiver", "owners"}


def test_no_program_is_given_up_because_a_server_takes_long(model: dict[str, Any]) -> None:
    services = model["services"]
    for name in PROGRAMS:
        for server, how in services[name].get("depends_on", {}).items():
            assert (server, how["condition"]) in {(one, "service_started") for one in SERVERS}, name
    for name in SERVERS:
        assert services[name]["healthcheck"]["start_period"] == "10m", name


def test_secrets_are_files_and_each_is_made(model: dict[str, Any], tmp_path: Path) -> None:
    made = make_secrets(tmp_path)
    assert {path.name for path in made.iterdir()} == model["secrets"].keys()
    first = {path.name: path.read_bytes() for path in made.iterdir()}
    assert len(set(first.values())) == len(first)
    make_secrets(tmp_path)
    assert {path.name: path.read_bytes() for path in made.iterdir()} == first
    told = json.dumps([service.get("environment") for service in model["services"].values()])
    assert not re.search(r"(PASSWORD|KEY|TOKEN)\"", told)


def test_each_service_has_the_secrets_that_it_uses_and_no_others(model: dict[str, Any]) -> None:
    """The receiver faces the internet: it has neither the bucket's keys nor the catalog's password."""
    given = {
        name: {one["source"].removeprefix("mmsvault_") for one in service.get("secrets", ())}
        for name, service in model["services"].items()
    }
    servers = {"redis_password", "database_password", "s3_access_key", "s3_secret_key"}
    assert given == {
        "proxy": set(),
        "receiver": {"postback_token", "redis_password", "metrics_token"},
        "worker": servers,
        "exports": servers,
        "sweep": servers,
        "dashboard": servers | {"postback_token", "metrics_token"},
        "queue": {"redis_password"},
        "bucket": {"s3_access_key", "s3_secret_key"},
        "catalog": {"database_password"},
        "owners": set(),
        "prometheus": {"metrics_token"},
        "grafana": {"grafana_password"},
    }


def test_the_image_is_made_of_files_that_are_there_with_all_that_setup_installs() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    copied = set()
    for line in re.findall(r"^COPY (?!--from)(.*)$", dockerfile, re.MULTILINE):
        *sources, _ = line.split()
        for source in sources:
            assert (ROOT / source).exists(), source
            copied.add(source)
    bases = re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)
    assert len(set(bases)) == 1
    assert PINNED.fullmatch(bases[0])
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    assert {name.rstrip("*") for name in packages["find"]["include"]} <= copied
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert not copied & set(ignored)


def test_the_image_has_the_programs_alone_and_says_what_it_can_do(built: Image, tmp_path: Path) -> None:
    open_to_others(tmp_path)
    done = subprocess.run(
        built.confined([*built.entrypoint, *built.command], [tmp_path]),
        env={**built.env, "MMSVAULT_DATA_DIR": str(tmp_path), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for name in ("receiver", "worker", "sweep", "dashboard"):
        assert name in done.stdout
    there = {path.name for path in (built.folder / "opt/mmsvault/bin").iterdir()}
    assert not there & {"pip", "rclone", "valkey-server"}
    assert built.env["MMSVAULT_DATA_DIR"] == "/var/lib/mmsvault"


def test_what_is_confined_writes_to_its_volumes_only(built: Image, tmp_path: Path) -> None:
    require("netns", found=can_confine())  # which takes the same rights
    open_to_others(tmp_path)
    volume, other = tmp_path / "volume", tmp_path / "other"
    for folder in (volume, other):
        folder.mkdir()
        folder.chmod(0o777)
    script = f"id -u; touch {volume}/x && echo written; touch {other}/x || grep Cap /proc/self/status"
    done = subprocess.run(
        built.confined(["sh", "-c", script], [volume]), capture_output=True, text=True, check=True
    )
    assert done.stdout.split()[:2] == [built.user.partition(":")[0], "written"]
    assert "Read-only file system" in done.stderr
    assert set(re.findall(r"Cap\w+:\s*(\S+)", done.stdout)) == {"0" * 16}


def make_secrets(folder: Path) -> Path:
    script = folder / "deploy" / "make-secrets"
    script.parent.mkdir(exist_ok=True)
    shutil.copy(ROOT / "deploy/make-secrets", script)
    subprocess.run([str(script)], check=True, capture_output=True)
    return script.parent / "secrets"


class Stack(Site):
    """The services of compose.yaml as processes. Each has a folder in place of its volumes and its /tmp."""

    def __init__(self, folder: Path, model: Mapping[str, Any], built: Image) -> None:
        self.image = built
        self.services: Mapping[str, Any] = model["services"]
        self.secrets = make_secrets(folder)
        names = ("queue:6379", "bucket:9000", "catalog:5432", "receiver:8080", "dashboard:8501")
        self.places = {name: f"127.0.0.1:{free_port()}" for name in names}
        self.metrics_port, self.https_port = free_port(), free_port()
        self.loopback: dict[str, str] = {}
        super().__init__(folder)
        # What the test itself reads is what the dashboard reads.
        told = self.environment("dashboard").items()
        self.env = {**os.environ, **{key: value for key, value in told if key.startswith("MMSVAULT_")}}

    def port(self, name: str) -> int:
        return int(next(place for key, place in self.places.items() if key.startswith(name)).split(":")[1])

    def environment(self, name: str) -> dict[str, str]:
        """Return the service's environment, with addresses and folders of this machine."""
        given = {
            key: self.here(name, value) for key, value in self.services[name].get("environment", {}).items()
        }
        return {
            key: "127.0.0.1" if value == ANYWHERE else value for key, value in given.items()
        } | self.image_environment(name)

    def image_environment(self, name: str) -> dict[str, str]:
        """Return what the image says, and the ports that are only ours."""
        if name not in PROGRAMS:
            return {}
        data = self.here(name, self.image.env["MMSVAULT_DATA_DIR"])
        ours = {
            **self.image.env,
            "MMSVAULT_DATA_DIR": data,
            "HOME": data,
            "TMPDIR": str(self.volume(name, "tmp")),
            "MMSVAULT_RECEIVER_PORT": str(self.port("receiver")),
            "MMSVAULT_DASHBOARD_PORT": str(self.port("dashboard")),
            "MMSVAULT_FETCH_PRIVATE_NETWORKS": "127.0.0.1/32",  # where the sample provider is
        }
        return ours | ({"MMSVAULT_METRICS_PORT": str(self.metrics_port)} if name == "sweep" else {})

    def here(self, name: str, text: str) -> str:
        """Put this machine's addresses and folders in a text of compose.yaml."""
        places = {**self.places, "/run/secrets": str(self.secrets_of(name))}
        places["/tmp"] = str(self.volume(name, "tmp"))  # noqa: S108 - the container's
        for volume in self.services[name].get("volumes", ()):
            if volume["type"] == "volume":
                places[volume["target"]] = str(self.volume(name, volume["target"]))
        there = "|".join(re.escape(place) for place in places)
        return re.sub(rf"(?<!\w)(?<!\w/)({there})(?!\w)", lambda found: places[found[1]], text)

    def secrets_of(self, name: str) -> Path:
        """Return a folder with the secrets that a container of the service finds, and no others."""
        folder = self.folder / "secrets" / name
        if folder.exists():  # and may be read just now
            return folder
        folder.mkdir(parents=True)
        for secret in self.services[name].get("secrets", ()):
            shutil.copy(self.secrets / secret["source"], folder)  # with its mode
        return folder

    def volume(self, name: str, target: str) -> Path:
        folder = self.folder / name / target.strip("/").replace("/", "-")
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def command(self, name: str) -> list[str]:
        return [self.here(name, word) for word in self.services[name]["command"]]

    def run(self, name: str, command: list[str], *, user: str | None = None) -> None:
        outside = {key: value for key, value in os.environ.items() if not key.startswith("MMSVAULT_")}
        self.env, kept = {} if name in PROGRAMS else outside, self.env
        self._start(name, command, env=self.environment(name), user=user)
        self.env = kept

    def program(self, name: str) -> None:
        """Start one of the vault's own services, as the image's entry point does."""
        assert self.services[name]["user"] == self.image.user
        self.run(name, self.confined(name, [*self.image.entrypoint, *self.command(name)]))

    def confined(self, name: str, command: Sequence[str]) -> list[str]:
        return self.image.confined(command, [*(self.folder / name).iterdir()])

    def is_healthy(self, name: str) -> bool:
        """Run the service's own health check."""
        kind, *words = self.services[name]["healthcheck"]["test"]
        own = {"receiver": ("8080", "receiver"), "dashboard": ("8501", "dashboard")}
        text = [self.here(name, word) for word in words]
        if name in own:
            port, key = own[name]
            text = [word.replace(f"127.0.0.1:{port}", f"127.0.0.1:{self.port(key)}") for word in text]
        text = [word.replace("127.0.0.1:9108", f"127.0.0.1:{self.metrics_port}") for word in text]
        command = self.confined(name, ["sh", "-c", *text] if kind == "CMD-SHELL" else text)
        done = subprocess.run(command, env=self.environment(name), check=False, capture_output=True)
        return done.returncode == 0


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """Give what the Dockerfile makes, which is large."""
    folder = tmp_path_factory.mktemp("image")
    open_to_others(folder)
    yield image.build(folder)
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def stack(model: dict[str, Any], built: Image, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    for name, program in (("redis", "redis-server"), ("minio", "minio"), ("caddy", "caddy")):
        require(name, found=shutil.which(program))
    with Stack(tmp_path_factory.mktemp("compose"), model, built) as made:
        open_to_others(made.folder)
        start_queue(made)
        start_bucket(made)
        start_catalog(made)
        for name in PROGRAMS:
            made.program(name)
        for name in PROGRAMS:
            until(lambda name=name: made.is_healthy(name), seconds=90, what=f"{name} being healthy")
        start_proxy(made)
        yield made


def start_queue(stack: Stack) -> None:
    (script,) = stack.command("queue")
    port = stack.port("queue")
    ours = script.replace("valkey-server", f"redis-server --port {port} --bind 127.0.0.1", 1)
    # Debian's redis-server wants its file first.
    ours = re.sub(r"redis-server (--port \S+ --bind \S+) (\S+)", r"redis-server \2 \1", ours)
    stack.run("queue", [*stack.services["queue"]["entrypoint"], ours])
    until(lambda: listens(port), what="the queue listening")


def start_bucket(stack: Stack) -> None:
    port, words = stack.port("bucket"), stack.command("bucket")
    ours = [word.replace(":9001", f"127.0.0.1:{free_port()}") for word in words]
    stack.run("bucket", ["minio", *ours, "--address", f"127.0.0.1:{port}"])
    until(lambda: listens(port), what="the bucket listening")


def start_catalog(stack: Stack) -> None:
    """Do as the image's entry point does with this environment: a person with a password, and a database."""
    told = stack.environment("catalog")
    binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    require("postgresql", found=binaries)
    user = "postgres" if os.geteuid() == 0 else None
    data = stack.volume("catalog", "/var/lib/postgresql/data")
    password = shutil.copy(told["POSTGRES_PASSWORD_FILE"], stack.folder / "password")
    if user:
        shutil.chown(data, user)
        shutil.chown(password, user)
        open_to_others(stack.folder)
        data.parent.chmod(0o755)
    making = [str(binaries[-1] / "initdb"), "-D", str(data), "-U", told["POSTGRES_USER"], "--no-sync"]
    made = ["-A", "scram-sha-256", "--pwfile", str(password)]
    subprocess.run([*making, *made], user=user, check=True, capture_output=True, cwd="/")
    port = stack.port("catalog")
    local = ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
    server = [str(binaries[-1] / "postgres"), "-D", str(data), "-p", str(port), *local]
    stack._start("catalog", server, user=user)
    address = {"host": "127.0.0.1", "port": port, "user": told["POSTGRES_USER"]}

    def connected() -> bool:
        with (
            contextlib.suppress(psycopg.OperationalError),
            psycopg.connect(
                **address, password=Path(password).read_text(), dbname="postgres", autocommit=True
            ) as connection,
        ):
            connection.execute(f"CREATE DATABASE {told['POSTGRES_DB']}")  # type: ignore[arg-type]
            return True
        return False

    until(connected, what="the catalog taking connections")


def start_proxy(stack: Stack) -> None:
    told = stack.environment("proxy")
    caddyfile = stack.folder / "Caddyfile"
    caddyfile.write_text(
        stack.here("proxy", (ROOT / "deploy/Caddyfile").read_text()).replace("2020", str(free_port()))
    )
    command = [word.replace("/etc/caddy/Caddyfile", str(caddyfile)) for word in stack.command("proxy")]
    ports = {"HTTPS_PORT": str(stack.https_port), "HTTP_PORT": str(free_port())}
    home = {"XDG_DATA_HOME": str(stack.volume("proxy", "/data")), "HOME": str(stack.folder)}
    clean = {key: value for key, value in os.environ.items() if not key.startswith("MMSVAULT_")}
    stack._start("proxy", command, env={**clean, **told, **ports, **home})
    until(lambda: listens(stack.https_port), what="the proxy listening")


def trusted(stack: Stack) -> ssl.SSLContext:
    """Return what trusts the proxy's own authority, which has made its certificate."""
    root = stack.volume("proxy", "/data") / "caddy/pki/authorities/local/root.crt"
    until(root.exists, what="the proxy having a certificate")
    return ssl.create_default_context(cafile=root)


def test_a_postback_through_the_proxy_is_archived_and_shown(stack: Stack, browser: Browser) -> None:
    site = f"https://localhost:{stack.https_port}"
    token = (stack.secrets / "mmsvault_postback_token").read_text()
    with SampleProvider() as provider, httpx.Client(verify=trusted(stack), trust_env=False) as client:
        sent = notice("composed", provider.offer(media.photograph(5)), subject="By the book")
        body = lower_case_xml(sent)

        def answered() -> int:
            with contextlib.suppress(httpx.TransportError):  # until its certificate is made
                return client.post(f"{site}/postbacks/sinch/{token}", content=body).status_code
            return 0

        assert until(answered) == 200
        assert client.post(f"{site}/postbacks/sinch/wrong", content=body).status_code == 401
        assert client.get(f"{site}/metrics").status_code != 200
        stack.archived("sinch-composed")
    with stack.vault() as vault:
        assert vault.catalog.dialect.name == "postgresql"
    cookies = stack.visitor()
    context = browser.new_context(ignore_https_errors=True)
    context.add_cookies([{"name": COOKIE, "value": cookies[COOKIE], "url": site, "secure": True}])
    page = context.new_page()
    page.goto(f"{site}/?sender=14085550123")
    tile = page.locator("a.tile[data-message='sinch-composed'] img")
    expect(tile).to_have_count(1)
    until(lambda: tile.evaluate("one => one.naturalWidth > 0"), what="the thumbnail being loaded")
    context.close()


def test_every_program_reads_its_environment_and_its_secrets_and_says_that_it_is_well(stack: Stack) -> None:
    for name in PROGRAMS:
        assert stack.is_healthy(name), name
    settings = Settings.load(**stack.given)
    assert settings.effective_token == (stack.secrets / "mmsvault_postback_token").read_text()
    told = httpx.get(f"http://127.0.0.1:{stack.metrics_port}/metrics", trust_env=False).text
    assert 'mmsvault_server_up{server="catalog"} 1.0' in told
    assert 'mmsvault_workers{queue="archive"} 1.0' in told


def test_doctor_finds_nothing_wrong(stack: Stack) -> None:
    answer = stack.json("doctor")
    assert answer["ok"]
    states = {finding["check"]: finding["state"] for finding in answer["findings"]}
    for check in (
        "retention",
        "queue",
        "bucket",
        "catalog",
        "receiver",
        "workers: archive",
        "workers: sweep",
    ):
        assert states[check] == "ok", answer


def test_a_worker_that_hangs_is_not_well(stack: Stack) -> None:
    alive = stack.volume("worker", "/var/lib/mmsvault") / "alive"
    assert stack.is_healthy("worker")
    with stack.frozen("worker"):
        (sign,) = alive.iterdir()
        os.utime(sign, (0, 0))
        assert not stack.is_healthy("worker")
    until(lambda: stack.is_healthy("worker"), what="the worker being well again")


def test_programs_end_when_they_are_told_to(stack: Stack) -> None:
    for name in PROGRAMS:
        os.kill(stack.running[name].pid, signal.SIGTERM)
    for name in PROGRAMS:
        assert stack.running[name].wait(30) in (0, -signal.SIGTERM), name
