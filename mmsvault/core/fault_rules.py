"""The table of server faults: how each is recognised, what it means, which setting, what to do.

A rule's pattern is looked for in the lines of `server_faults.evidence`: the name of each exception in
the chain, its code in brackets where the server gave one, and its text where only the server wrote it.
The first rule that fits counts, so the specific ones come first.
"""

from dataclasses import dataclass
from enum import StrEnum


class Server(StrEnum):
    """Which of the three servers a fault is about, as people call it."""

    QUEUE = "Redis"
    BUCKET = "the bucket's server"
    CATALOG = "PostgreSQL"


class Kind(StrEnum):
    """What is wrong."""

    FULL = "full"
    DISK_FULL = "disk full"
    MAY_EVICT = "may evict"
    NO_PASSWORD = "no password"  # noqa: S105 - a name of a fault
    WRONG_PASSWORD = "wrong password"  # noqa: S105 - likewise
    WRONG_USER = "wrong user"
    NOT_LET_IN = "not let in"
    NO_PERMISSION = "no permission"
    WRONG_CLOCK = "wrong clock"
    WRONG_REGION = "wrong region"
    UNKNOWN_KEY = "unknown key"
    UNKNOWN_BUCKET = "unknown bucket"
    UNKNOWN_DATABASE = "unknown database"
    UNKNOWN_AUTHORITY = "unknown certificate authority"
    NO_AUTHORITY_FILE = "no file of certificate authorities"
    WRONG_HOST_NAME = "wrong host name"
    CERTIFICATE_TIME = "certificate not valid now"
    NEEDS_TLS = "needs TLS"
    SPEAKS_NO_TLS = "speaks no TLS"
    READ_ONLY = "read only"
    LOADING = "loading"
    TOO_MANY_CONNECTIONS = "too many connections"
    NO_MASTER = "no master"
    OTHER_SERVICE = "another service"
    LOCKED = "locked"
    TOO_SLOW = "statement too slow"
    POOLED = "pooled"
    REFUSED = "refused"
    UNKNOWN_HOST = "unknown host"
    NO_ROUTE = "no answer to a connection"
    SLOW = "no answer in time"
    CUT_OFF = "connection cut off"
    OVERLOADED = "overloaded"
    OTHER = "other"


@dataclass(frozen=True)
class Rule:
    """How a fault is recognised (a regular expression), and what is said of it.

    `setting` is without its prefix. `advice` may hold `{setting}`, and like `problem` `{name}` for the
    server's name and the groups that the pattern names.
    """

    kind: Kind
    pattern: str
    problem: str
    setting: str
    advice: str


ADDRESS = {Server.QUEUE: "REDIS_URL", Server.BUCKET: "S3_ENDPOINT", Server.CATALOG: "DATABASE_URL"}
AUTHORITY = {Server.QUEUE: "REDIS_CA", Server.BUCKET: "S3_CA", Server.CATALOG: "DATABASE_URL"}
PASSWORD = {
    Server.QUEUE: "REDIS_PASSWORD",
    Server.BUCKET: "S3_SECRET_KEY",
    Server.CATALOG: "DATABASE_PASSWORD",
}
_TRUST = {
    Server.QUEUE: "Name the file with your authority's certificate in {setting}.",
    Server.BUCKET: "Name the file with your authority's certificate in {setting}.",
    Server.CATALOG: "Add `sslrootcert=/path/to/authority.pem` to {setting}.",
}
_WITH_TLS = {
    Server.QUEUE: "Begin {setting} with `rediss://`, or name the port without TLS.",
    Server.BUCKET: "Begin {setting} with `https://`, or name the port without TLS.",
    Server.CATALOG: "Add `sslmode=verify-full` to {setting}, or change `pg_hba.conf`.",
}
_WITHOUT_TLS = {
    Server.QUEUE: "Begin {setting} with `redis://`, or name the port with TLS.",
    Server.BUCKET: "Begin {setting} with `http://`, or name the port with TLS.",
    Server.CATALOG: "Turn on `ssl` in PostgreSQL, or remove `sslmode` from {setting}.",
}

QUEUE_RULES = (
    Rule(
        Kind.REFUSED,
        r"connecting to (unix|[^\n]*\.sock)",
        "Nothing listens where Redis should.",
        "REDIS_URL",
        "Start `mmsvault up`, or the Redis of {setting}.",
    ),
    Rule(
        Kind.FULL,
        "OutOfMemoryError",
        "Redis is full: it has reached its `maxmemory` and takes nothing more.",
        "REDIS_URL",
        "Raise `maxmemory` in Redis (`CONFIG SET maxmemory 2gb`, and in its configuration), or start more"
        " workers so that the queue gets shorter. Postbacks are kept in the receiver's spool meanwhile.",
    ),
    Rule(
        Kind.DISK_FULL,
        "MISCONF",
        "Redis cannot write to its disk and takes nothing more.",
        "REDIS_URL",
        "Make room on the disk of Redis and read its log; it goes on by itself then.",
    ),
    Rule(
        Kind.NO_PASSWORD,
        "HELLO must be called|NOAUTH|Authentication required",
        "Redis wants a password and got none.",
        "REDIS_PASSWORD",
        "Set {setting}, or write it into MMSVAULT_REDIS_URL (`redis://:password@host:6379/0`).",
    ),
    Rule(
        Kind.WRONG_PASSWORD,
        "AuthenticationError|WRONGPASS|invalid password|invalid username-password",
        "Redis refuses the password or the user.",
        "REDIS_PASSWORD",
        "Correct {setting}, or the user and password in MMSVAULT_REDIS_URL (`ACL LIST` shows users).",
    ),
    Rule(
        Kind.NO_PERMISSION,
        r"NoPermissionError[^\n]*?(?P<what>run the '[^']*' command|access one of the (keys|channels))",
        "Redis does not let this user {what}.",
        "REDIS_URL",
        "Give the user of {setting} the rights in docs/real-servers.md (`ACL SETUSER`).",
    ),
    Rule(
        Kind.NO_PERMISSION,
        "NoPermissionError|AuthorizationError|NOPERM",
        "Redis does not let this user do what is needed.",
        "REDIS_URL",
        "Give the user of {setting} the rights in docs/real-servers.md (`ACL SETUSER`).",
    ),
    Rule(
        Kind.UNKNOWN_DATABASE,
        "DB index is out of range|invalid DB index",
        "Redis has no database of that number.",
        "REDIS_URL",
        "Correct the number at the end of {setting}; Redis has 0 to 15 unless `databases` says otherwise.",
    ),
    Rule(
        Kind.READ_ONLY,
        "ReadOnlyError|READONLY",
        "This Redis is a replica and takes no writes.",
        "REDIS_URL",
        "Name the master in {setting}, or the Sentinels (`redis+sentinel://...`), which know it.",
    ),
    Rule(
        Kind.LOADING,
        "BusyLoadingError|LOADING",
        "Redis is still loading what it keeps.",
        "REDIS_URL",
        "Wait: it goes on by itself. The log of Redis shows how far it is.",
    ),
    Rule(
        Kind.TOO_MANY_CONNECTIONS,
        "max number of clients|MaxClientsError",
        "Redis has no connection left.",
        "REDIS_URL",
        "Raise `maxclients` in Redis, or run fewer programs on it (`CLIENT LIST` shows who is connected).",
    ),
    Rule(
        Kind.NO_MASTER,
        "MasterNotFoundError|SlaveNotFoundError",
        "No Sentinel answers, or none knows a master by that name.",
        "REDIS_URL",
        "Check hosts and service name in {setting} (`redis-cli -p 26379 sentinel masters` lists the names).",
    ),
    Rule(
        Kind.OTHER_SERVICE,
        "InvalidResponse|Protocol [Ee]rror",
        "What answers at this address is not Redis.",
        "REDIS_URL",
        "Correct host and port in {setting}.",
    ),
    Rule(
        Kind.SPEAKS_NO_TLS,
        "handshake operation timed out",
        "Redis does not answer with TLS at this port.",
        "REDIS_URL",
        _WITHOUT_TLS[Server.QUEUE],
    ),
    Rule(
        Kind.NEEDS_TLS,
        r"Connection reset by peer|Connection closed by server",
        "Redis closes the connection without an answer: it ended, or this port wants TLS.",
        "REDIS_URL",
        "Check that it runs. If the port speaks TLS, begin {setting} with `rediss://`.",
    ),
)

BUCKET_RULES = (
    Rule(
        Kind.WRONG_CLOCK,
        r"\[RequestTimeTooSkewed\]|\[RequestExpired\]",
        "This machine's clock and that of the bucket's server differ by more than it allows.",
        "S3_ENDPOINT",
        "Set the clock right and run NTP on both machines (`timedatectl` shows whether it is in step).",
    ),
    Rule(
        Kind.WRONG_PASSWORD,
        r"\[SignatureDoesNotMatch\]",
        "The bucket's secret key is wrong.",
        "S3_SECRET_KEY",
        "Correct {setting}.",
    ),
    Rule(
        Kind.UNKNOWN_KEY,
        r"\[InvalidAccessKeyId\]",
        "The bucket's server does not know the access key.",
        "S3_ACCESS_KEY",
        "Correct {setting}, or make the key there.",
    ),
    Rule(
        Kind.UNKNOWN_KEY,
        r"\[ExpiredToken\]|\[InvalidTokenId\]",
        "The bucket's access key has expired.",
        "S3_ACCESS_KEY",
        "Make a new key and set {setting} and MMSVAULT_S3_SECRET_KEY.",
    ),
    Rule(
        Kind.NO_PERMISSION,
        r"\[AllAccessDisabled\]|\[AccountProblem\]",
        "The account of the bucket is closed.",
        "S3_ACCESS_KEY",
        "Ask whoever runs the bucket's server.",
    ),
    Rule(
        Kind.NO_PERMISSION,
        r"\[AccessDenied\]",
        "The bucket's access key may not do this.",
        "S3_ACCESS_KEY",
        "Give the key of {setting} the rights in docs/real-servers.md, or use another key.",
    ),
    Rule(
        Kind.WRONG_REGION,
        r"\[(AuthorizationHeaderMalformed|IllegalLocationConstraintException|InvalidRegion)\]",
        "The bucket is in another region.",
        "S3_REGION",
        "Correct {setting}.",
    ),
    Rule(
        Kind.WRONG_REGION,
        r"\[PermanentRedirect\]|\[TemporaryRedirect\]",
        "The bucket is reached at another address or in another region.",
        "S3_REGION",
        "Correct {setting} or MMSVAULT_S3_ENDPOINT.",
    ),
    Rule(
        Kind.UNKNOWN_BUCKET,
        r"\[NoSuchBucket\]",
        "There is no such bucket.",
        "S3_BUCKET",
        "Correct {setting}; a worker makes the bucket where the key may.",
    ),
    Rule(
        Kind.FULL,
        r"\[(XMinio)?(Admin)?(Bucket)?QuotaExceeded\]",
        "The bucket is full: it has reached its quota.",
        "S3_BUCKET",
        "Raise the quota of the bucket (`mc quota set`), or delete what is not needed.",
    ),
    Rule(
        Kind.DISK_FULL,
        r"\[XMinioStorageFull\]|\[InsufficientCapacity\]",
        "The disks of the bucket's server are full.",
        "S3_ENDPOINT",
        "Give it more room. The workers go on by themselves then.",
    ),
    Rule(
        Kind.FULL,
        r"\[EntityTooLarge\]",
        "The object is larger than the bucket's server takes.",
        "S3_ENDPOINT",
        "Raise its limit, or lower MMSVAULT_MAX_MEDIA_BYTES.",
    ),
    Rule(
        Kind.OVERLOADED,
        r"\[(SlowDown|SlowDownRead|SlowDownWrite|ServiceUnavailable|TooManyRequests|RequestTimeout)\]",
        "The bucket's server is overloaded and asks for fewer requests.",
        "S3_ENDPOINT",
        "Wait, or run fewer workers (MMSVAULT_WORKERS).",
    ),
    Rule(
        Kind.LOADING,
        r"\[XMinioServerNotInitialized\]",
        "The bucket's server is still starting.",
        "S3_ENDPOINT",
        "Wait: it goes on by itself.",
    ),
    Rule(
        Kind.OTHER,
        r"\[InternalError\]",
        "The bucket's server has a fault of its own.",
        "S3_ENDPOINT",
        "Wait whether it passes, and read its log.",
    ),
    Rule(
        Kind.NEEDS_TLS,
        r"HTTP request to an HTTPS server|plain HTTP request was sent to HTTPS|\[BadRequest\]",
        "The bucket's server wants TLS at this port.",
        "S3_ENDPOINT",
        _WITH_TLS[Server.BUCKET],
    ),
    Rule(
        Kind.OTHER_SERVICE,
        "InvalidResponseError|ServerError",
        "What answers at this address is not an S3 server.",
        "S3_ENDPOINT",
        "Correct host and port in {setting}.",
    ),
)

CATALOG_RULES = (
    Rule(
        Kind.LOCKED,
        r"\[55P03\]",
        "The catalog waited too long for a row that another program is changing.",
        "DATABASE_LOCK_SECONDS",
        "It is tried again. If it lasts, look for an open transaction in `pg_stat_activity`,"
        " or raise {setting}.",
    ),
    Rule(
        Kind.TOO_SLOW,
        r"\[57014\]",
        "PostgreSQL ended a statement that took too long.",
        "DATABASE_STATEMENT_SECONDS",
        "If it lasts, run `ANALYZE`, give PostgreSQL more memory, or raise {setting}"
        " (or its own `statement_timeout`).",
    ),
    Rule(
        Kind.POOLED,
        r"\[26000\]|\[42P05\]|unsupported startup parameter",
        "A connection pooler between here and PostgreSQL does not pass on what this connection needs.",
        "DATABASE_URL",
        "Remove `options` from {setting}; docs/real-servers.md shows the settings of PgBouncer.",
    ),
    Rule(
        Kind.NO_PASSWORD,
        r"no password supplied",
        "PostgreSQL wants a password and got none.",
        "DATABASE_PASSWORD",
        "Set {setting}, or write it into MMSVAULT_DATABASE_URL.",
    ),
    Rule(
        Kind.WRONG_PASSWORD,
        r"\[28P01\]|(password|SASL) authentication failed|wrong password",
        "PostgreSQL refuses the password or the user.",
        "DATABASE_PASSWORD",
        "Correct {setting}, or the user and password in MMSVAULT_DATABASE_URL.",
    ),
    Rule(
        Kind.WRONG_USER,
        r"role \"[^\"]*\" does not exist|no such user",
        "PostgreSQL has no such user.",
        "DATABASE_URL",
        "Correct the user in {setting}, or make it (`CREATE ROLE vault LOGIN PASSWORD ...`).",
    ),
    Rule(
        Kind.UNKNOWN_DATABASE,
        r"\[3D000\]|database \"[^\"]*\" does not exist|no such database",
        "PostgreSQL has no such database.",
        "DATABASE_URL",
        "Correct the name at the end of {setting}, or make it (`CREATE DATABASE vault OWNER vault`).",
    ),
    Rule(
        Kind.NEEDS_TLS,
        r"(?s)\A(?!.*entry[^\n]*SSL encryption).*no pg_hba\.conf entry[^\n]*no encryption|SSL required",
        "PostgreSQL lets this user in by TLS only.",
        "DATABASE_URL",
        _WITH_TLS[Server.CATALOG],
    ),
    Rule(
        Kind.NOT_LET_IN,
        r"\[28000\]|no pg_hba\.conf entry|pg_hba\.conf rejects",
        "PostgreSQL does not let this user in from this machine.",
        "DATABASE_URL",
        "Add a line for it to `pg_hba.conf` and reload PostgreSQL, or correct {setting}.",
    ),
    Rule(
        Kind.NO_PERMISSION,
        r"\[42501\]",
        "The user of the catalog may not do this in PostgreSQL.",
        "DATABASE_URL",
        "Make the user of {setting} the owner of the database (`ALTER DATABASE vault OWNER TO vault`).",
    ),
    Rule(
        Kind.DISK_FULL,
        r"\[53100\]|No space left on device",
        "PostgreSQL's disk is full.",
        "DATABASE_URL",
        "Give it more room. The workers go on by themselves then.",
    ),
    Rule(
        Kind.FULL,
        r"\[53200\]",
        "PostgreSQL is out of memory.",
        "DATABASE_URL",
        "Give it more memory, or lower `work_mem` and MMSVAULT_DATABASE_CONNECTIONS.",
    ),
    Rule(
        Kind.TOO_MANY_CONNECTIONS,
        r"\[53300\]|too many clients|connection slots are reserved|too many connections"
        r"|no more connections allowed|query_wait_timeout",
        "PostgreSQL has no connection left.",
        "DATABASE_CONNECTIONS",
        "Raise `max_connections` in PostgreSQL (or the pooler's limits), or lower {setting}.",
    ),
    Rule(
        Kind.READ_ONLY,
        r"\[25006\]|session is (not )?read-only|server is in hot standby mode",
        "This PostgreSQL is a replica and takes no writes.",
        "DATABASE_URL",
        "Name the primary in {setting}, or all hosts with `target_session_attrs=read-write`.",
    ),
    Rule(
        Kind.LOADING,
        r"\[57P03\]|the database system is (starting up|not yet accepting|in recovery)",
        "PostgreSQL is still starting.",
        "DATABASE_URL",
        "Wait: it goes on by itself. The log of PostgreSQL shows how far it is.",
    ),
    Rule(
        Kind.SPEAKS_NO_TLS,
        r"does not support SSL",
        "PostgreSQL does not speak TLS.",
        "DATABASE_URL",
        _WITHOUT_TLS[Server.CATALOG],
    ),
    Rule(
        Kind.NO_AUTHORITY_FILE,
        r"root certificate file[^\n]*does not exist",
        "The file with the certificate authority of PostgreSQL is not there.",
        "DATABASE_URL",
        "Name it in {setting} (`sslrootcert=/path/to/authority.pem`, or `sslrootcert=system`).",
    ),
    Rule(
        Kind.WRONG_HOST_NAME,
        r"does not match host name",
        "The certificate of PostgreSQL is for another host name.",
        "DATABASE_URL",
        "Use the name in the certificate in {setting}, or give PostgreSQL one for this name.",
    ),
    Rule(
        Kind.OTHER_SERVICE,
        r"invalid response to SSL negotiation|expected authentication request|unsupported frontend protocol",
        "What answers at this address is not PostgreSQL.",
        "DATABASE_URL",
        "Correct host and port in {setting}.",
    ),
    Rule(
        Kind.REFUSED,
        r"server_login_retry|server login has been failing|cannot connect to server|pgbouncer cannot",
        "The connection pooler cannot reach PostgreSQL.",
        "DATABASE_URL",
        "Start PostgreSQL, and read the log of the pooler.",
    ),
    Rule(
        Kind.LOCKED,
        r"\[40001\]|\[40P01\]",
        "The catalog's transaction met another one.",
        "DATABASE_URL",
        "It is tried again by itself.",
    ),
    Rule(
        Kind.CUT_OFF,
        r"\[57P0[12]\]|server closed the connection|terminating connection|the database system is shutting",
        "PostgreSQL ended the connection.",
        "DATABASE_URL",
        "It is tried again. If it lasts, start PostgreSQL and read its log.",
    ),
)

SERVER_RULES = {Server.QUEUE: QUEUE_RULES, Server.BUCKET: BUCKET_RULES, Server.CATALOG: CATALOG_RULES}


def network_rules(server: Server) -> tuple[Rule, ...]:
    """Return what is the same for all three: names, ports, TLS and silence."""
    address, authority = ADDRESS[server], AUTHORITY[server]
    return (
        Rule(
            Kind.WRONG_HOST_NAME,
            r"(Hostname|IP address) mismatch|doesn't match",
            "The certificate of {name} is for another host name.",
            address,
            "Use the name in the certificate in {setting}, or give the server one for this name.",
        ),
        Rule(
            Kind.CERTIFICATE_TIME,
            r"certificate has expired|certificate is not yet valid",
            "The certificate of {name} has expired, or this machine's clock is wrong.",
            address,
            "Renew the certificate, or set the clock right.",
        ),
        Rule(
            Kind.UNKNOWN_AUTHORITY,
            r"certificate verify failed|CERTIFICATE_VERIFY_FAILED",
            "The certificate of {name} is from an authority that this machine does not trust.",
            authority,
            _TRUST[server],
        ),
        Rule(
            Kind.SPEAKS_NO_TLS,
            r"WRONG_VERSION_NUMBER|wrong version number|RECORD_LAYER_FAILURE|UNEXPECTED_EOF",
            "{name} does not speak TLS at this port.",
            address,
            _WITHOUT_TLS[server],
        ),
        Rule(
            Kind.NO_AUTHORITY_FILE,
            r"FileNotFoundError(?![^\n]*\.sock)|\[Errno 2\]",
            "The file with the certificate authority of {name} is not there.",
            authority,
            _TRUST[server],
        ),
        Rule(
            Kind.UNKNOWN_HOST,
            r"gaierror|failed to resolve host|could not translate host name|NameResolutionError",
            "There is no such host as the one of {name}.",
            address,
            "Correct the host in {setting}, or its entry in DNS.",
        ),
        Rule(
            Kind.REFUSED,
            r"ConnectionRefusedError|Connection refused",
            "Nothing listens where {name} should.",
            address,
            "Start it, or correct host and port in {setting}.",
        ),
        Rule(
            Kind.NO_ROUTE,
            r"ConnectTimeoutError|Timeout connecting to server|connection timeout expired"
            r"|No route to host|unreachable|Connection timed out|timeout expired",
            "{name} does not answer a connection in time.",
            address,
            "Check that its machine runs and that no firewall is between; check host and port in {setting}.",
        ),
        Rule(
            Kind.SLOW,
            r"Timeout reading|ReadTimeoutError|Read timed out|TimeoutError|timed out",
            "{name} takes a connection and does not answer in time.",
            address,
            "Look at the load of its machine and at its log; restart it if it hangs.",
        ),
        Rule(
            Kind.CUT_OFF,
            r"reset by peer|closed by|Broken pipe|RemoteDisconnected|ProtocolError|IncompleteRead",
            "{name} ended the connection.",
            address,
            "Check that it runs, and read its log.",
        ),
    )
