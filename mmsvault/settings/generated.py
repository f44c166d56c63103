"""What the first start makes, and every later one finds."""

import os
import secrets
import socket
from pathlib import Path
from typing import Self

from pydantic import BaseModel, Field

from mmsvault.core.durable_files import force, give_name


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Generated(BaseModel):
    """What the first start made. Ports are those of the embedded servers on 127.0.0.1."""

    postback_token: str = Field(default_factory=lambda: secrets.token_urlsafe(24))
    link_secret: str = Field(default_factory=lambda: secrets.token_urlsafe(32))
    demo_password: str = Field(default_factory=lambda: secrets.token_urlsafe(12))
    redis_port: int = Field(default_factory=free_port)
    redis_password: str = Field(default_factory=lambda: secrets.token_urlsafe(24))
    s3_port: int = Field(default_factory=free_port)
    s3_access_key: str = Field(default_factory=lambda: secrets.token_hex(10))
    s3_secret_key: str = Field(default_factory=lambda: secrets.token_hex(20))

    def save(self, path: Path) -> None:
        """Write it whole or not at all, readable by its owner only."""
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(self.model_dump_json(indent=2))
            file.flush()
            os.fsync(file.fileno())
        give_name(draft, path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what the first start kept, or be the first start. Two at once agree on one."""
        if not path.exists():
            made = path.with_name(f"{path.name}.first.{os.getpid()}")
            cls().save(made)
            try:
                os.link(made, path)  # fails where the other first start was quicker
            except FileExistsError:
                pass
            finally:
                made.unlink()
            force(path.parent)
        return cls.model_validate_json(path.read_bytes())
