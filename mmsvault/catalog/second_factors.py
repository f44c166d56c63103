"""Second factors of local people: codes of an authenticator app (TOTP, RFC 6238), and recovery codes.

The app's secret is sealed in the catalog; recovery codes are kept as hashes. Each code is good once,
also where several dashboards are asked at the same moment.
"""

import base64
import hashlib
import hmac
import secrets
from datetime import datetime
from enum import StrEnum

import pyotp
from sqlalchemy import Connection, Engine, delete, func, insert, select, update

from mmsvault import seals
from mmsvault.catalog.connection import reading, writing
from mmsvault.catalog.tables import recovery_codes, users
from mmsvault.errors import NotFoundError, RejectedInputError
from mmsvault.message import utc_now

ISSUER = "MMS Vault"
STEP_SECONDS, DRIFT_STEPS = 30, 1
RECOVERY_CODES, RECOVERY_BYTES = 10, 10
_PURPOSE = b"mmsvault: second factor"


class Means(StrEnum):
    """What somebody proved to be themselves with."""

    APP = "a code of the app"
    RECOVERY_CODE = "a recovery code"


def new_secret() -> str:
    """Return a secret for an authenticator app, in base 32."""
    return pyotp.random_base32()


def app_address(secret: str, name: str) -> str:
    """Return the address that an authenticator app reads from a QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=ISSUER)


def step_of(secret: str, code: str, *, now: datetime, after_step: int = 0) -> int | None:
    """Return the time step that this is the code of, or None for a code that is wrong, old or used.

    A clock may be one step off. Codes of `after_step` and before do not count.
    """
    digits = "".join(code.split())
    present = int(now.timestamp()) // STEP_SECONDS
    for step in range(present - DRIFT_STEPS, present + DRIFT_STEPS + 1):
        right = pyotp.TOTP(secret).generate_otp(step)
        if hmac.compare_digest(right.encode(), digits.encode("utf-8", "replace")) and step > after_step:
            return step
    return None


def seal(key: str, secret: str, name: str) -> str:
    """Return an app's secret as only the vault's own programs read it. `key` is the bucket's secret key."""
    return seals.seal(key, secret, purpose=_PURPOSE, identity=name)


def unseal(key: str, sealed: str, name: str) -> str:
    """Return the app's secret. Raises RejectedInputError where the bucket has another secret key since."""
    try:
        return seals.unseal(key, sealed, purpose=_PURPOSE, identity=name)
    except ValueError:
        raise RejectedInputError(
            "Your second factor cannot be read any more: the bucket's secret key is another one since. "
            "Use a recovery code, or ask an admin to reset your second factor."
        ) from None


def set_up(engine: Engine, key: str, name: str, *, secret: str, code: str, now: datetime) -> list[str] | None:
    """Give a person this second factor and return their recovery codes; None for a wrong code.

    Raises NotFoundError, and RejectedInputError for a person who has one.
    """
    step = step_of(secret, code, now=now)
    if step is None:
        return None
    given = {"second_factor": seal(key, secret, name), "second_factor_step": step, "changed_at": now}
    with writing(engine) as connection:
        if _sealed(connection, name)[0]:
            raise RejectedInputError("You have a second factor already; turn it off first.")
        connection.execute(update(users).where(users.c.name == name).values(given))
        return _renew(connection, name)


def accept(engine: Engine, key: str, name: str, code: str, *, now: datetime) -> Means | None:
    """Use a code of a person up and return what it was; None for a wrong one.

    Raises NotFoundError, and RejectedInputError where the app's secret cannot be read.
    """
    with writing(engine) as connection:
        sealed, used_step = _sealed(connection, name)
        if not sealed:
            return None
        used = delete(recovery_codes).where(
            recovery_codes.c.name == name, recovery_codes.c.digest == _digest(code)
        )
        if connection.execute(used).rowcount:
            _note_change(connection, name)
            return Means.RECOVERY_CODE
        step = step_of(unseal(key, sealed, name), code, now=now, after_step=used_step)
        if step is None:
            return None
        taken = update(users).where(users.c.name == name, users.c.second_factor_step < step)
        if not connection.execute(taken.values(second_factor_step=step)).rowcount:
            return None  # somebody was quicker with the same code
    return Means.APP


def renew_recovery_codes(engine: Engine, name: str) -> list[str]:
    """Return new recovery codes of a person; the old ones are worth nothing. Raises NotFoundError."""
    with writing(engine) as connection:
        if not _sealed(connection, name)[0]:
            raise NotFoundError("Set up a second factor first.")
        _note_change(connection, name)
        return _renew(connection, name)


def recovery_codes_left(engine: Engine, name: str) -> int:
    """Return how many recovery codes of a person were not used yet."""
    with reading(engine) as connection:
        found = select(func.count()).select_from(recovery_codes).where(recovery_codes.c.name == name)
        return connection.scalar(found) or 0


def remove(engine: Engine, name: str) -> bool:
    """Take a person's second factor away; return whether they had one. Raises NotFoundError."""
    with writing(engine) as connection:
        had_one = bool(_sealed(connection, name)[0])
        connection.execute(delete(recovery_codes).where(recovery_codes.c.name == name))
        connection.execute(
            update(users).where(users.c.name == name).values(second_factor="", second_factor_step=0)
        )
        _note_change(connection, name)
    return had_one


def unreadable(engine: Engine, key: str) -> list[str]:
    """Return who has a second factor that cannot be read with this key."""
    with reading(engine) as connection:
        rows = connection.execute(select(users.c.name, users.c.second_factor).order_by(users.c.name)).all()
    return [row.name for row in rows if row.second_factor and not _opens(key, row.second_factor, row.name)]


def seal_anew(engine: Engine, *, old_key: str, new_key: str) -> None:
    """Seal all that the old key opens with the new one. Twice is no harm."""
    with writing(engine) as connection:
        for row in connection.execute(select(users.c.name, users.c.second_factor)).all():
            if row.second_factor and _opens(old_key, row.second_factor, row.name):
                sealed = seal(new_key, unseal(old_key, row.second_factor, row.name), row.name)
                connection.execute(update(users).where(users.c.name == row.name).values(second_factor=sealed))


def _opens(key: str, sealed: str, name: str) -> bool:
    try:
        unseal(key, sealed, name)
    except RejectedInputError:
        return False
    return True


def _sealed(connection: Connection, name: str) -> tuple[str, int]:
    """Return a person's sealed secret and the last step that was used. Raises NotFoundError."""
    row = connection.execute(
        select(users.c.second_factor, users.c.second_factor_step).where(users.c.name == name)
    ).first()
    if row is None:
        raise NotFoundError(f"There is no person {name!r}.")
    return row.second_factor, row.second_factor_step


def _note_change(connection: Connection, name: str) -> None:
    connection.execute(update(users).where(users.c.name == name).values(changed_at=utc_now()))


def _renew(connection: Connection, name: str) -> list[str]:
    codes = [_recovery_code() for _ in range(RECOVERY_CODES)]
    connection.execute(delete(recovery_codes).where(recovery_codes.c.name == name))
    connection.execute(insert(recovery_codes), [{"name": name, "digest": _digest(code)} for code in codes])
    return codes


def _recovery_code() -> str:
    """Return 80 random bits in four groups of four letters and digits."""
    letters = base64.b32encode(secrets.token_bytes(RECOVERY_BYTES)).decode().lower()
    return "-".join(letters[start : start + 4] for start in range(0, len(letters), 4))


def _digest(code: str) -> str:
    typed = "".join(sign for sign in code.lower() if sign.isalnum())
    return hashlib.sha256(typed.encode("utf-8", "replace")).hexdigest()
