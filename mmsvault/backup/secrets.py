"""What a vault made for itself in its DATA_DIR, and what another one must have to go on as it does.

The provider's token is known to the provider, links and logins rest on the link secret, exports are signed
by a key whose fingerprint may be published. Ports and keys of embedded servers stay with their folder.
"""

import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from mmsvault.core.durable_files import give_name
from mmsvault.exporting.signing import KEY_FILE
from mmsvault.settings import Settings


class VaultSecrets(BaseModel):
    """`signing_key` is PEM, empty where no export was signed; `bucket_secret` opens the sealed accounts."""

    model_config = ConfigDict(frozen=True)

    postback_token: str
    link_secret: str
    demo_password: str
    signing_key: str
    bucket_secret: str


def secrets_of(settings: Settings) -> VaultSecrets:
    """Return the secrets of a vault. The token is the one that it takes, wherever that is set."""
    made, key = settings.generated, settings.data_dir / KEY_FILE
    return VaultSecrets(
        postback_token=settings.effective_token,
        link_secret=made.link_secret,
        demo_password=made.demo_password,
        signing_key=key.read_text() if key.exists() else "",
        bucket_secret=settings.bucket_keys[1],
    )


def take_over(secrets: VaultSecrets, settings: Settings) -> None:
    """Have the vault of these settings go on with the secrets; a signing key of its own stays."""
    kept = secrets.model_dump(include={"postback_token", "link_secret", "demo_password"})
    changed = settings.generated.model_copy(update=kept)
    changed.save(settings.generated_path)
    settings.__dict__["generated"] = changed  # what was read before is not what is there now
    key = settings.data_dir / KEY_FILE
    if secrets.signing_key and not key.exists():
        write_secret(key, secrets.signing_key)


def write_secret(path: Path, text: str) -> None:
    """Write a file that its owner alone can read, whole or not at all."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    give_name(draft, path)
