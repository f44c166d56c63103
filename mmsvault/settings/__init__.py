"""What an operator may set (`MMSVAULT_*`, or a `.env` file) and what was generated at the first start.

Everything that was not set but is needed is made once and kept in `DATA_DIR/generated.json` with
mode 600: the provider's token, and ports and keys of the embedded servers. So a second terminal
with the same DATA_DIR talks to the running vault.

`forms` are those that values have, `agreement` is which values work together, `generated` is what the
first start makes, `sources` where settings come from, `secrets` which of them are secret, `data_dir` the
folder that is the vault's alone.
"""

import errno
import hmac
import os
import sys
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import Self
from urllib.parse import quote, urlencode

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from mmsvault.errors import ConfigurationError
from mmsvault.settings.agreement import check, check_addresses
from mmsvault.settings.data_dir import (
    MAX_CATALOG_PATH_BYTES,
    MAX_PATH_BYTES,
    check_path,
    prepare_data_dir,
    queue_socket,
)
from mmsvault.settings.forms import (
    Days,
    DaysByName,
    Encryption,
    LockMode,
    Names,
    Networks,
    Port,
    Ports,
    Schedule,
    Style,
    ZoneName,
    address_of,
    from_here,
    with_password,
)
from mmsvault.settings.generated import Generated
from mmsvault.settings.secrets import may_hold_secret
from mmsvault.settings.sources import PREFIX, Origin, origin, refuse_unknown, secrets_folder


class Settings(BaseSettings):
    """The settings, checked. Times in days, sizes in bytes; lists are comma-separated."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True
    )

    data_dir: Path = Field(Path("var"), description="embedded servers' data, SQLite, temporary files")
    secrets_dir: Path | None = Field(
        None, description="folder of files that each hold one setting, named like it in lower case"
    )
    redis_url: str = Field("", description="queue; empty: an embedded valkey-server")
    redis_password: str = Field("", description="its password, where the URL has none")
    redis_ca: Path | None = Field(
        None, description="file with the certificate authority of a `rediss://` server; empty: the system's"
    )
    redis_replicas: int | None = Field(
        None,
        ge=0,
        le=10,
        description="replicas that have a receipt before its 200; empty: 1 where Sentinel is used, else 0",
    )
    s3_endpoint: str = Field("", description="bucket server as `host:port` or URL; empty: an embedded rclone")
    s3_access_key: str = Field("", description="its access key")
    s3_secret_key: str = Field("", description="its secret key")
    s3_bucket: str = Field(
        "mms-vault", pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", description="the bucket's name"
    )
    s3_region: str = Field("us-east-1", description="its region")
    s3_secure: bool = Field(True, description="use TLS where `S3_ENDPOINT` is no URL")
    s3_ca: Path | None = Field(
        None,
        description="file with the certificate authority of a server with TLS; empty: the system's",
    )
    s3_style: Style = Field(
        Style.AUTO, description="where the bucket's name stands: in the `path`, in the `host`, or `auto`"
    )
    s3_encryption: Encryption = Field(
        Encryption.NONE, description="have the server encrypt what it keeps: `none` or `sse-s3`"
    )
    s3_object_lock: bool = Field(
        False, description="make the bucket with Object Lock; one that is there without it is refused"
    )
    s3_lock_mode: LockMode = Field(
        LockMode.NONE,
        description="keep originals and raw postbacks unchanged: `none`, `governance` or `compliance`",
    )
    s3_lock_days: int | None = Field(
        None, ge=1, le=36500, description="for so many days after they were written"
    )
    s3_lock_until: date | None = Field(None, description="or to the end of this day (UTC)")
    s3_public_endpoint: str = Field(
        "",
        pattern=r"^(https?://[^/?#]+)?$",
        description="address under which browsers reach the bucket, like `https://media.example.org`:"
        " they get large files from there",
    )
    backup_s3_endpoint: str = Field(
        "",
        description="server of the bucket that `mmsvault backup s3://...` writes to, as `host:port` or URL",
    )
    backup_s3_access_key: str = Field("", description="its access key")
    backup_s3_secret_key: str = Field("", description="its secret key")
    backup_s3_region: str = Field("us-east-1", description="its region")
    database_url: str = Field("", description="catalog; empty: `sqlite:///{DATA_DIR}/catalog.sqlite`")
    database_password: str = Field("", description="its password, where the URL has none")
    database_connections: int = Field(
        10, ge=2, le=200, description="most connections that one program has to PostgreSQL"
    )
    database_lock_seconds: float = Field(
        20,
        ge=0,
        le=3600,
        description="how long a statement waits in PostgreSQL for what another program is changing;"
        " 0: without end",
    )
    database_statement_seconds: float = Field(
        120,
        ge=0,
        le=86400,
        description="how long a statement may take in PostgreSQL; 0: without end",
    )
    receiver_host: str = Field("127.0.0.1", description="address that the receiver listens on")
    receiver_port: Port = Field(8080, description="port that the receiver listens on")
    receiver_public_url: str = Field(
        "",
        pattern=r"^(https?://[^/?#]+(/[^?#]*)?)?$",
        description="address under which the provider reaches the receiver, like `https://mms.example.org`;"
        " empty: its host and port",
    )
    dashboard_host: str = Field("127.0.0.1", description="address that the dashboard listens on")
    dashboard_port: Port = Field(8501, description="port that the dashboard listens on")
    dashboard_public_url: str = Field(
        "",
        pattern=r"^(https?://[^/?#]+(/[^?#]*)?)?$",
        description="address under which people reach the dashboard, like `https://gallery.example.org`:"
        " alerts link to it; empty: no link",
    )
    dashboard_tls: bool = Field(
        False, description="browsers reach the dashboard by TLS: its cookie is sent over TLS only"
    )
    session_hours: float = Field(12, gt=0, le=720, description="hours after which a login ends")
    session_idle_minutes: float = Field(
        480,
        ge=0,
        le=43200,
        description="minutes without anything done by the person after which a login ends; 0: it does not",
    )
    second_factor_roles: Names = Field(
        (),
        description="roles whose people need a second factor, like `admin, manager`; empty: none,"
        " and everybody may set one up",
    )
    proxy_login_header: str = Field(
        "",
        pattern=r"^[A-Za-z0-9-]*$",
        description="header by which a proxy that logs people in names them; empty: people have passwords",
    )
    proxy_secret: str = Field(
        "", description="secret that this proxy sends as `X-MMSVault-Proxy-Secret` (16 characters or more)"
    )
    oidc_issuer: str = Field(
        "",
        description="address of an OpenID Connect provider that logs people in; empty: they have passwords",
    )
    oidc_client_id: str = Field("", description="what this provider calls the dashboard")
    oidc_client_secret: str = Field("", description="the secret that goes with it; empty: a public client")
    oidc_claim: str = Field(
        "email", min_length=1, description="what of its token is the name that `mmsvault user add` let in"
    )
    postback_token: str = Field(
        "", description="the provider's secret: path, query or Basic password; empty: made at the first start"
    )
    postback_tokens_old: Names = Field(
        (), description="tokens that are taken as well, while the provider changes to a new one"
    )
    postback_networks: Networks = Field((), description="source networks that may post; empty: any")
    trusted_proxies: Networks = Field(
        (), description="networks of proxies whose `X-Forwarded-For` is believed; empty: none"
    )
    retention_days: int = Field(
        30, ge=1, le=36500, description="how long the provider keeps files (contract)"
    )
    keep_days: Days = Field(
        0, description="days after which the archive deletes a message for good; 0: it keeps them for ever"
    )
    keep_days_by_keyword: DaysByName = Field(
        {},
        description="the same for single keywords: `storm=90, harbor=0` (`none`: messages without a keyword)",
    )
    fetch_hosts: Names = Field((), description="hosts that media may be fetched from; empty: any public host")
    fetch_private_networks: Networks = Field(
        (), description="private networks that may be fetched from (tests, demo)"
    )
    fetch_ports: Ports = Field(
        (), description="ports that media may be fetched from besides 80 and 443; private networks: any"
    )
    retry_rate: int = Field(
        500,
        ge=0,
        le=100_000,
        description="attempts a second that are made again at one host's files, by all workers together;"
        " 0: as many as they make",
    )
    max_postback_bytes: int = Field(1 << 20, ge=1024, description="largest postback body")
    max_media_bytes: int = Field(100 << 20, ge=1024, description="largest file")
    max_media_pixels: int = Field(100_000_000, ge=1, description="largest picture that is decoded")
    mask_numbers: bool = Field(True, description="write phone numbers into logs without their last digits")
    default_region: str = Field(
        "US",
        pattern="^[A-Z]{2}$",
        description="country (ISO 3166) that numbers without a country code are searched in",
    )
    workers: int = Field(
        default_factory=lambda: 2 * (os.cpu_count() or 1),
        ge=1,
        le=256,
        description="worker processes of `up`",
    )
    export_schedule: Schedule = Field(
        Schedule.NEVER, description="export to the bucket by itself: `never`, `daily` or `monthly`"
    )
    export_query: str = Field("", description="which messages scheduled exports hold; empty: all")
    timezone: ZoneName = Field(
        "UTC", description="time zone of the days and months of scheduled exports, like `Europe/Berlin`"
    )

    metrics_token: str = Field(
        "",
        description="secret for the receiver's `/metrics` and the details of `/readyz`, sent as"
        " `Authorization: Bearer ...`; empty: made at the first start",
    )
    metrics_host: str = Field("127.0.0.1", description="address that the sweep tells its metrics on")
    metrics_port: int = Field(
        0, ge=0, le=65535, description="port that the sweep tells its metrics on; 0: nowhere"
    )
    tracing_url: str = Field(
        "",
        pattern=r"^(https?://.+)?$",
        description="OTLP receiver (HTTP) that receivers and workers send traces to; empty: none",
    )

    alert_webhook: str = Field(
        "",
        pattern=r"^(https?://.+)?$",
        description="address that alerts are posted to as JSON; empty: none",
    )
    alert_email: Names = Field((), description="addresses that alerts are mailed to; empty: none")
    alert_sender: str = Field("mms-vault@localhost", description="address that such mail comes from")
    alert_reminder_hours: float = Field(24, gt=0, description="hours until an alert that lasts is sent again")
    alert_disk_low_bytes: int = Field(
        5 << 30, ge=0, description="free bytes of a disk below which it is nearly full; 0: never"
    )
    alert_disk_full_bytes: int = Field(
        1 << 30, ge=0, description="free bytes of a disk below which it is as good as full; 0: never"
    )
    alert_refused: int = Field(
        5, ge=0, description="postbacks refused in an hour (token, signature, network) that alert; 0: never"
    )
    alert_silent_by_habit: bool = Field(
        True, description="alert when a number of yours has no message for longer than is usual for it"
    )
    alert_silent_hours: float = Field(
        0, ge=0, description="hours without a message to a number that alert whatever is usual; 0: none"
    )
    alert_backup_days: float | None = Field(
        None,
        ge=0,
        description="days after which a backup is old; 0: never; empty: 8, once a backup was made",
    )
    smtp_url: str = Field(
        "",
        pattern=r"^(smtps?://.+)?$",
        description="mail server for alerts: `smtp://host:25` or `smtps://user:password@host:465`",
    )

    @classmethod
    def load(cls, **given: object) -> Self:
        """Read the environment, check it, make what the first start makes.

        Raises ConfigurationError that names the setting.
        """
        folder = secrets_folder(given.get("secrets_dir"))
        refuse_unknown(cls.model_fields, secrets_folder=folder)
        try:
            settings = cls(_secrets_dir=folder, **given)  # type: ignore[arg-type, call-arg]  # checked by pydantic, not by mypy
        except ValidationError as error:
            first = error.errors()[0]
            name = str(first["loc"][0])
            quoted = "" if may_hold_secret(name) else f" (it is {first['input']!r})"
            raise ConfigurationError(PREFIX + name.upper(), f"{first['msg']}{quoted}") from error
        check_addresses(settings)
        check_path(settings.data_dir, setting=PREFIX + "DATA_DIR", most_bytes=MAX_PATH_BYTES)
        if catalog := settings.catalog_file:
            name = PREFIX + ("DATABASE_URL" if settings.database_url else "DATA_DIR")
            check_path(catalog, setting=name, most_bytes=MAX_CATALOG_PATH_BYTES)
        try:
            prepare_data_dir(settings.data_dir)
            _ = settings.generated
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                text = "a name in its path is too long for the file system; choose a shorter one"
                raise ConfigurationError(PREFIX + "DATA_DIR", text) from error
            raise ConfigurationError(PREFIX + "DATA_DIR", f"cannot be used: {error}") from error
        except ValidationError as error:
            raise ConfigurationError(PREFIX + "DATA_DIR", f"cannot be used: {error}") from error
        check(settings)
        return settings

    @property
    def session_idle(self) -> timedelta:
        """How long somebody may do nothing and stay logged in; zero: as long as they like."""
        return timedelta(minutes=self.session_idle_minutes)

    @property
    def has_passwords(self) -> bool:
        """Whether people log in by passwords of the vault's own; else a proxy or a provider names them."""
        return not (self.proxy_login_header or self.oidc_issuer)

    @property
    def names_are_subjects(self) -> bool:
        """Whether people are called as their login provider calls them: such names have a case."""
        return bool(self.oidc_issuer) and self.oidc_claim == "sub"

    @property
    def receiver_address(self) -> str:
        """Where the provider reaches the receiver; without a public address, where this machine does."""
        if self.receiver_public_url:
            return self.receiver_public_url.rstrip("/")
        host = from_here(self.receiver_host)
        return f"http://{f'[{host}]' if ':' in host else host}:{self.receiver_port}"

    def page(self, path: str) -> str:
        """Return the public address of a page of the dashboard; empty where none is set."""
        public = self.dashboard_public_url.rstrip("/")
        return f"{public}/{path}" if public else ""

    def origin(self, name: str) -> Origin:
        """Return where a setting comes from, as this process finds it."""
        return origin(name, secrets_folder=self.secrets_dir, is_given=name in self.model_fields_set)

    @property
    def generated_path(self) -> Path:
        """Where the values of the first start are kept."""
        return self.data_dir / "generated.json"

    @cached_property
    def generated(self) -> Generated:
        """The values of the first start."""
        return Generated.load(self.generated_path)

    @property
    def embeds_redis(self) -> bool:
        """Whether `up` starts a queue server of its own."""
        return not self.redis_url

    @property
    def embeds_bucket(self) -> bool:
        """Whether `up` starts a bucket server of its own."""
        return not self.s3_endpoint

    @property
    def effective_redis_url(self) -> str:
        """The queue's address, embedded or given, with where its certificate comes from."""
        made = self.generated
        if self.embeds_redis:
            if sys.platform == "win32":
                return f"redis://:{made.redis_password}@127.0.0.1:{made.redis_port}/0"
            return f"unix://:{made.redis_password}@{quote(str(queue_socket(self.data_dir)))}?db=0"
        url = with_password(self.redis_url, self.redis_password)
        if self.redis_ca is None:
            return url
        authority = urlencode({"ssl_ca_certs": self.redis_ca.absolute()})
        return f"{url}{'&' if '?' in url else '?'}{authority}"

    @property
    def effective_redis_replicas(self) -> int:
        """How many replicas have a receipt before its 200."""
        if self.redis_replicas is None:
            return int("+sentinel://" in self.redis_url)
        return self.redis_replicas

    @property
    def effective_database_url(self) -> str:
        """The catalog's address, embedded or given."""
        if not self.database_url:
            from sqlalchemy import URL  # noqa: PLC0415 - a start does without

            made = URL.create("sqlite", database=str(self.catalog_file))
            return made.render_as_string(hide_password=False)
        return with_password(self.database_url, self.database_password)

    @property
    def catalog_file(self) -> Path | None:
        """The file of an SQLite catalog; None for a server, and for a URL that cannot be read."""
        if not self.database_url:
            return self.data_dir.absolute() / "catalog.sqlite"
        if not self.database_url.startswith("sqlite"):
            return None
        from sqlalchemy.engine import make_url  # noqa: PLC0415 - a start does without
        from sqlalchemy.exc import ArgumentError  # noqa: PLC0415

        try:
            named = make_url(self.database_url).database
        except ArgumentError:
            return None
        return Path(named).absolute() if named and named != ":memory:" else None

    @property
    def effective_token(self) -> str:
        """The provider's secret, given or made at the first start."""
        return self.postback_token or self.generated.postback_token

    @property
    def effective_metrics_token(self) -> str:
        """The secret of those who watch the receiver, given or following from what the first start made."""
        made = hmac.digest(self.generated.link_secret.encode(), b"receiver metrics", "sha256")
        return self.metrics_token or made.hex()

    @property
    def bucket_address(self) -> tuple[str, bool]:
        """Host and port of the bucket server, and whether it speaks TLS."""
        if self.embeds_bucket:
            return f"127.0.0.1:{self.generated.s3_port}", False
        return address_of(self.s3_endpoint, secure=self.s3_secure)

    @property
    def bucket_keys(self) -> tuple[str, str]:
        """Access key and secret key of the bucket server.

        Raises ConfigurationError where they are not set; programs without a bucket need none.
        """
        if self.embeds_bucket:
            return self.generated.s3_access_key, self.generated.s3_secret_key
        if not (self.s3_access_key and self.s3_secret_key):
            raise ConfigurationError(
                PREFIX + "S3_ACCESS_KEY", "give S3_ACCESS_KEY and S3_SECRET_KEY together with S3_ENDPOINT"
            )
        return self.s3_access_key, self.s3_secret_key

    @property
    def embedded_bucket_dir(self) -> Path | None:
        """Where the embedded server keeps the bucket's files; None for a real server."""
        return self.data_dir / "bucket" / self.s3_bucket if self.embeds_bucket else None

    @property
    def temporary_dir(self) -> Path:
        """Where files stand while they are downloaded and looked into."""
        return self.data_dir / "tmp"

    @property
    def spool_dir(self) -> Path:
        """Where receipts stand while the queue is away."""
        return self.data_dir / "spool"
