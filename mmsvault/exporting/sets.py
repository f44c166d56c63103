"""Proving a set: every volume that the set manifest names is there, the same file, and a whole bag."""

import hashlib
import json
from pathlib import Path
from typing import Any

from mmsvault.exporting import opening, signing
from mmsvault.exporting.bags import PIECE_BYTES
from mmsvault.exporting.opening import BrokenArchiveError
from mmsvault.exporting.verifying import Flaw, Progress, Proof, verify
from mmsvault.message import pretty_json

LARGEST_MANIFEST_BYTES = 64 << 20


def verify_any(
    path: Path, *, password: str = "", trusted: str = "", progress: Progress = lambda _: None
) -> Proof:
    """Return the proof of an archive, of the folder it was unpacked to, or of a whole set by its manifest."""
    if path.suffix != ".json":
        return verify(path, password=password, trusted=trusted, progress=progress)
    proof = Proof()
    try:
        told = _read(path)
        _check_signature(told, proof)
        for volume in told["volumes"]:
            _check_volume(path.parent, volume, proof, password=password, progress=progress)
    except (BrokenArchiveError, OSError, ValueError, KeyError, TypeError) as error:
        proof.problems.append(Flaw(path.name, f"It is no set manifest that can be read: {error}"))
    if trusted and not (proof.signature == "valid" and proof.fingerprint == trusted.lower()):
        proof.problems.append(Flaw(path.name, "It is not signed by the key that you trust."))
    return proof


def _read(path: Path) -> dict[str, Any]:
    if path.stat().st_size > LARGEST_MANIFEST_BYTES:
        raise BrokenArchiveError("it is larger than such a file can be")
    told: dict[str, Any] = json.loads(path.read_bytes())
    return told


def _check_signature(told: dict[str, Any], proof: Proof) -> None:
    if not ("signature" in told or "public_key" in told):
        return
    signature, key = str(told.get("signature", "")), str(told.get("public_key", "")).encode()
    body = pretty_json({name: value for name, value in told.items() if name != "signature"}).encode()
    valid = signing.is_authentic(body, signature.encode(), key)
    proof.signature = "valid" if valid else "invalid"
    if valid:
        proof.fingerprint = signing.fingerprint(key)
    else:
        proof.problems.append(Flaw("signature", "The signature is not of this manifest and key."))


def _check_volume(
    folder: Path, told: dict[str, Any], proof: Proof, *, password: str, progress: Progress
) -> None:
    name = str(told["name"])
    if not opening.is_inside(name) or "/" in name:
        raise BrokenArchiveError(f"the name {name!r} leads out of its folder")
    path = folder / name
    if not path.is_file():
        proof.problems.append(Flaw(name, "This volume is missing."))
        return
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            digest.update(piece)
            progress(len(piece))
    if digest.hexdigest() != told["sha256"]:
        proof.problems.append(Flaw(name, "This volume is another file than the set manifest names."))
    found = verify(path, password=password)
    proof.problems += [Flaw(f"{name}: {flaw.path}", flaw.problem) for flaw in found.problems]
    proof.warnings += [Flaw(f"{name}: {flaw.path}", flaw.problem) for flaw in found.warnings]
    proof.files += found.files
    proof.bytes += found.bytes
