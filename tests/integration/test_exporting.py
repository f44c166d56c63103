"""Archives made of real buckets and catalogs, opened and proved by the programs of others, brought back."""

import csv
import email
import io
import json
import os
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from email.policy import default
from pathlib import Path
from typing import Any

import bagit
import pytest
from sqlalchemy import update

from mmsvault import disposition, erasing, importing
from mmsvault.catalog.connection import writing
from mmsvault.catalog.tables import exports
from mmsvault.errors import DamagedError, RejectedInputError
from mmsvault.exporting import delivering, register, verifying, working
from mmsvault.exporting.outputs import to_bucket, to_file
from mmsvault.exporting.planning import Choice
from mmsvault.exporting.register import Export, State
from mmsvault.exporting.sealing import seal
from mmsvault.exporting.sets import verify_any
from mmsvault.exporting.verifying import verify
from mmsvault.message import utc_now
from mmsvault.vault import Vault
from tests.integration.archive import Archive, picture, sha256, words
from tests.integration.exports import kept, made, order
from tests.servers import require

AWKWARD = (
    "plain",
    "emoji 🐟 名前",
    "\u202eright-to-left",
    "../../etc/passwd",
    "CON",
    "ends with a dot.",
    "a" * 255,
    "Case",
    "case",
)


@pytest.fixture
def vault(archive: Archive) -> Vault:
    return archive.vault


def names(path: Path) -> set[str]:
    with zipfile.ZipFile(path) as archive:
        return set(archive.namelist())


def test_an_archive_opens_in_the_programs_of_others_and_each_calls_it_whole(
    vault: Vault, tmp_path: Path
) -> None:
    message = kept(vault, "one", b"first", b"second " * 100_000, subject="Grüße 🐟")
    path = made(vault, tmp_path / "out.zip")
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert archive.read(f"data/{message.media[0].key}") == b"first"
        assert archive.read(f"data/{message.prefix}message.json") == message.as_record()
        archive.extractall(tmp_path / "unpacked")
    bagit.Bag(str(tmp_path / "unpacked")).validate()
    unzip, seven = shutil.which("unzip"), shutil.which("7zz") or shutil.which("7z")
    require("unzip", found=unzip)
    require("7zip", found=seven)
    for command in ([str(unzip), "-t", "-q", str(path)], [str(seven), "t", str(path)]):
        assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    assert {f"data/{name}" for name in ("messages.csv", "messages.jsonl", "index.html")} < names(path)
    proof = verify(path)
    assert proof.ok
    assert proof.warnings == []
    assert proof.info["messages"] == "1"
    assert verify(tmp_path / "unpacked").ok


def test_awkward_names_survive_or_are_made_safe_on_every_system(
    archive: Archive, other: Archive, tmp_path: Path
) -> None:
    for minute, name in enumerate(AWKWARD):
        kept(archive.vault, name, name.encode(), subject=name, minutes=minute)
    path = made(archive.vault, tmp_path / "out.zip")
    for name in names(path):
        assert name.isascii()
        assert len(name) < 200
        assert not set(name) & set('<>:"\\|?*')
        assert all(part and not part.endswith((".", " ")) for part in name.split("/"))
    assert len({name.casefold() for name in names(path)}) == len(names(path))
    assert verify(path).ok
    assert importing.import_archive(other.vault, path).new == len(AWKWARD)
    assert other.everything() == archive.everything()


def test_what_came_out_of_one_vault_makes_another_that_is_equal_and_whole(
    archive: Archive, other: Archive, tmp_path: Path
) -> None:
    archive.receive("real", picture(), words(), subject="old harbor", keyword="Störm")
    archive.receive("textless")
    path = made(archive.vault, tmp_path / "out.zip")
    first = importing.import_archive(other.vault, path)
    again = importing.import_archive(other.vault, path)
    assert (first.messages, first.new, first.known, first.problems) == (2, 2, 0, [])
    assert (again.messages, again.new, again.known, again.problems) == (2, 0, 2, [])
    assert other.everything() == archive.everything()
    assert other.problems() == {}
    assert other.keys("messages/") == archive.keys("messages/")


def test_a_message_that_was_deleted_here_is_not_brought_back(archive: Archive, tmp_path: Path) -> None:
    message = kept(archive.vault, "gone", b"x")
    path = made(archive.vault, tmp_path / "out.zip")
    disposition.delete(archive.vault, message.id)
    came_of = importing.import_archive(archive.vault, path)
    assert (came_of.new, came_of.known) == (0, 0)
    assert "was deleted here" in came_of.problems[0].problem
    assert archive.keys("messages/") == set()


def test_the_lists_say_what_the_archive_has_and_no_cell_is_a_formula(vault: Vault, tmp_path: Path) -> None:
    message = kept(vault, "one", b"x", subject="=HYPERLINK(1)", sender="+14085550123", keyword="\t@x")
    with zipfile.ZipFile(made(vault, tmp_path / "out.zip")) as archive:
        rows = list(csv.DictReader(io.StringIO(archive.read("data/messages.csv").decode("utf-8-sig"))))
        lines = [json.loads(line) for line in archive.read("data/messages.jsonl").splitlines()]
    assert rows[0]["subject"] == "'=HYPERLINK(1)"
    assert rows[0]["from"] == "'+14085550123"
    assert rows[0]["keyword"].startswith("'")
    assert rows[0]["path"] == message.media[0].key
    assert lines == [message.as_json()]


def test_a_changed_or_missing_object_stops_the_export_and_is_named(archive: Archive, tmp_path: Path) -> None:
    message = kept(archive.vault, "one", b"right")
    key = message.media[0].key
    archive.overwrite(key, b"wrong")
    with pytest.raises(DamagedError, match="is not what was archived") as raised:
        made(archive.vault, tmp_path / "out.zip")
    assert raised.value.key == key
    archive.lose(key)
    with pytest.raises(DamagedError, match="is missing"):
        made(archive.vault, tmp_path / "out.zip")
    assert not list(tmp_path.glob("*.zip*")) + list(tmp_path.glob(".*"))


def test_volumes_keep_within_their_size_and_the_set_names_each(vault: Vault, tmp_path: Path) -> None:
    for minute in range(7):
        kept(vault, f"m{minute}", bytes([minute]) * 100_000, minutes=minute)
    wanted = order(vault, volume_bytes=300_000)
    written = delivering.to_folder(vault, wanted, tmp_path / "set", progress=lambda *_: None)
    told = json.loads((tmp_path / "set" / "case-set.json").read_text())
    assert [volume["name"] for volume in told["volumes"]] == [one.name for one in written]
    assert sum(one.messages for one in written) == 7
    assert len(written) == 4
    for number, volume in enumerate(written, start=1):
        path = tmp_path / "set" / volume.name
        assert path.stat().st_size == volume.bytes < 300_000
        assert sha256(path.read_bytes()) == volume.sha256
        proof = verify(path)
        assert proof.ok
        assert proof.info["bag-count"] == f"{number} of 4"


def test_a_set_is_proved_by_its_manifest_and_no_volume_can_be_missing_or_another(
    vault: Vault, tmp_path: Path
) -> None:
    for minute in range(4):
        kept(vault, f"m{minute}", bytes([minute]) * 100_000, minutes=minute)
    wanted = order(vault, volume_bytes=200_000, signed=True)
    written = delivering.to_folder(vault, wanted, tmp_path / "set", progress=lambda *_: None)
    manifest = tmp_path / "set" / "case-set.json"
    proof = verify_any(manifest)
    assert (proof.ok, proof.signature) == (True, "valid")
    assert verify_any(manifest, trusted=proof.fingerprint).ok
    first, second = (tmp_path / "set" / one.name for one in written[:2])
    shutil.copy(second, first)
    assert "another file" in verify_any(manifest).problems[0].problem
    first.unlink()
    assert [flaw.problem for flaw in verify_any(manifest).problems] == ["This volume is missing."]
    told = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(told | {"volumes": told["volumes"][1:]}))
    assert verify_any(manifest).signature == "invalid"
    manifest.write_text(json.dumps(told | {"volumes": [{"name": "../x.zip", "sha256": ""}]}))
    assert "leads out" in verify_any(manifest).problems[-1].problem


def test_a_file_that_is_there_is_replaced_only_where_that_is_said(vault: Vault, tmp_path: Path) -> None:
    kept(vault, "one", b"x")
    path = tmp_path / "out.zip"
    path.write_bytes(b"somebody's own")
    with pytest.raises(RejectedInputError, match=r"exists already.*--replace"):
        made(vault, path)
    assert path.read_bytes() == b"somebody's own"
    delivering.to_one_file(vault, order(vault), path, progress=lambda *_: None, replace=True)
    assert verify(path).ok
    assert [found.name for found in tmp_path.glob("*out.zip*")] == ["out.zip"]


def test_a_file_that_appears_while_the_archive_is_made_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "out.zip"

    def write() -> None:
        with to_file(path) as output:
            output.write(b"an archive")
            path.write_bytes(b"somebody's own")

    with pytest.raises(RejectedInputError, match="by another program meanwhile"):
        write()
    assert path.read_bytes() == b"somebody's own"
    assert list(tmp_path.glob(".*")) == []


@pytest.mark.parametrize("replace", [False, True])
def test_what_is_no_file_is_never_replaced(tmp_path: Path, *, replace: bool) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("pipe", "link"):
        with (
            pytest.raises(RejectedInputError, match="no ordinary file"),
            to_file(tmp_path / name, replace=replace),
        ):
            pass
    assert (tmp_path / "pipe").is_fifo()
    assert (tmp_path / "link").is_symlink()


def test_a_set_is_refused_before_any_of_it_is_written_where_a_file_of_it_is_there(
    vault: Vault, tmp_path: Path
) -> None:
    for minute in range(4):
        kept(vault, f"m{minute}", b"x" * 100_000, minutes=minute)
    wanted = order(vault, volume_bytes=200_000)
    (tmp_path / "case-02.zip").write_bytes(b"somebody's own")
    with pytest.raises(RejectedInputError, match=r"case-02\.zip exists already"):
        delivering.to_folder(vault, wanted, tmp_path, progress=lambda *_: None)
    assert [found.name for found in tmp_path.glob("case*")] == ["case-02.zip"]
    assert (tmp_path / "case-02.zip").read_bytes() == b"somebody's own"


def test_a_set_that_fails_half_way_leaves_no_volume(archive: Archive, tmp_path: Path) -> None:
    for minute in range(4):
        message = kept(archive.vault, f"m{minute}", b"x" * 100_000, minutes=-minute)
    archive.overwrite(message.media[0].key, b"y" * 100_000)
    wanted = order(archive.vault, volume_bytes=200_000)
    with pytest.raises(DamagedError):
        delivering.to_folder(archive.vault, wanted, tmp_path / "set", progress=lambda *_: None)
    assert list((tmp_path / "set").iterdir()) == []


def test_messages_that_come_or_go_meanwhile_disturb_no_volume(archive: Archive, tmp_path: Path) -> None:
    for minute in range(6):
        kept(archive.vault, f"m{minute}", b"x" * 100_000, minutes=minute)
    wanted = order(archive.vault, volume_bytes=300_000)
    kept(archive.vault, "later", b"x", minutes=60)
    disposition.delete(archive.vault, "sinch-m4")  # the last of the first volume
    written = delivering.to_folder(archive.vault, wanted, tmp_path / "set", progress=lambda *_: None)
    assert [one.messages for one in written] == [1, 2, 2]
    assert not any("later" in name for name in names(tmp_path / "set" / written[0].name))


def test_the_same_messages_at_the_same_time_are_the_same_file_byte_for_byte(
    vault: Vault, tmp_path: Path
) -> None:
    kept(vault, "one", b"x", subject="first")
    everything = {"signed": True, "formats": ("eml", "pdf")}
    first = made(vault, tmp_path / "1.zip", **everything).read_bytes()
    assert made(vault, tmp_path / "2.zip", **everything).read_bytes() == first


def test_a_signature_holds_for_its_bag_and_key_alone(vault: Vault, tmp_path: Path) -> None:
    kept(vault, "one", b"x")
    path = made(vault, tmp_path / "out.zip", signed=True)
    proof = verify(path)
    assert proof.signature == "valid"
    assert verify(path, trusted=proof.fingerprint).ok
    assert not verify(path, trusted="0" * 64).ok
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "forged")
    listed = tmp_path / "forged" / "tagmanifest-sha256.txt"
    listed.write_bytes(listed.read_bytes() + b"\n")
    forged = verify(tmp_path / "forged")
    assert forged.signature == "invalid"
    assert not forged.ok


def test_a_password_is_needed_and_enough(vault: Vault, other: Archive, tmp_path: Path) -> None:
    kept(vault, "one", b"very secret")
    path = made(vault, tmp_path / "out.zip", password="höher 🐟")
    assert b"very secret" not in path.read_bytes()
    assert "has a password" in verify(path).problems[0].problem
    assert not verify(path, password="wrong").ok
    assert verify(path, password="höher 🐟").ok
    assert importing.import_archive(other.vault, path, password="höher 🐟").new == 1


def asked_for(vault: Vault, password: str) -> str:
    entered = working.request(
        vault, Choice(query=""), name="case", made_by="tests", made_at=utc_now(), password=password
    )
    assert entered
    return entered.id


def test_a_job_encrypts_with_a_password_that_nothing_keeps_afterwards(vault: Vault, tmp_path: Path) -> None:
    kept(vault, "one", b"very secret")
    identity = asked_for(vault, "höher 🐟 than the pier")
    waiting = register.find(vault.catalog, identity)
    assert waiting.choice.encrypted
    sealed = register.sealed_password(vault.catalog, identity)
    assert sealed
    assert "höher" not in str(waiting) + sealed
    working.export(vault, identity)
    done = register.find(vault.catalog, identity)
    assert (done.state, done.reason) == (State.DONE, "")
    assert register.sealed_password(vault.catalog, identity) == ""
    path = tmp_path / "out.zip"
    path.write_bytes(vault.bucket.read(done.prefix + done.volumes[0].name))
    assert b"very secret" not in path.read_bytes()
    assert verify(path, password="höher 🐟 than the pier").ok
    seven = shutil.which("7zz") or shutil.which("7z")
    require("7zip", found=seven)
    for password, code in (("höher 🐟 than the pier", 0), ("another", 2)):
        opened = subprocess.run(
            [str(seven), "t", f"-p{password}", str(path)], capture_output=True, check=False
        )
        assert opened.returncode == code


def test_what_was_to_be_encrypted_is_never_written_without_its_password(vault: Vault) -> None:
    kept(vault, "one", b"very secret")
    identity = asked_for(vault, "higher than the pier")
    other = seal(vault.settings, "of another export", identity="another")
    with writing(vault.catalog) as connection:
        connection.execute(update(exports).where(exports.c.id == identity).values(sealed=other))
    working.export(vault, identity)
    failed = register.find(vault.catalog, identity)
    assert failed.state is State.FAILED
    assert "Ask for the export again" in failed.reason
    assert not list(vault.bucket.list(failed.prefix))
    assert register.sealed_password(vault.catalog, identity) == ""


def test_a_cancelled_export_forgets_its_password_at_once(vault: Vault) -> None:
    identity = asked_for(vault, "higher than the pier")
    working.cancel(vault, identity)
    assert register.sealed_password(vault.catalog, identity) == ""
    working.export(vault, identity)
    assert register.find(vault.catalog, identity).state is State.CANCELLED


def test_thumbnails_stay_at_home_on_request(vault: Vault, tmp_path: Path) -> None:
    message = kept(vault, "one", b"x")
    path = made(vault, tmp_path / "out.zip", thumbnails=False)
    assert f"data/{message.media[0].key}" in names(path)
    assert not any("thumbs/" in name for name in names(path))


def test_letters_and_contact_sheets_come_along_on_request(archive: Archive, tmp_path: Path) -> None:
    archive.receive("one", picture(), words(), subject="Grüße 🐟", sender="14085550123")
    kept(archive.vault, "two", b"no picture at all", sender="14085550199", subject="other")
    path = made(archive.vault, tmp_path / "out.zip", formats=("eml", "pdf"))
    proof = verify(path)
    assert proof.ok
    with zipfile.ZipFile(path) as opened:
        letter = email.message_from_bytes(opened.read("data/eml/2026/11/20/sinch-one.eml"), policy=default)
        sheet = opened.read("data/contact-sheets/from-14085550123-01.pdf")
    assert letter["subject"] == "Grüße 🐟"
    assert sheet.startswith(b"%PDF-")
    assert b"/Subtype /Image" in sheet
    assert "data/contact-sheets/from-14085550199-01.pdf" in names(path)


def test_an_object_that_is_broken_off_never_appears(archive: Archive) -> None:
    def write(*, whole: bool) -> None:
        with to_bucket(archive.vault.bucket, "exports/x/a.zip", content_type="application/zip") as output:
            output.write(b"x" * (20 << 20))
            if not whole:
                raise RuntimeError("broken off")

    with pytest.raises(RuntimeError, match="broken off"):
        write(whole=False)
    assert archive.keys("exports/") == set()
    write(whole=True)
    assert archive.keys("exports/") == {"exports/x/a.zip"}
    assert archive.problems() == {}, "exports are no strangers to verify"


def forged(path: Path, into: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """Write the archive again with another record, as whole as the first."""
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    name = next(name for name in files if name.endswith("message.json"))
    record = json.loads(files[name])
    change(record)
    before, files[name] = sha256(files[name]), json.dumps(record).encode()
    listed = files["manifest-sha256.txt"]
    files["manifest-sha256.txt"] = listed.replace(before.encode(), sha256(files[name]).encode())
    del files["tagmanifest-sha256.txt"], files["bag-info.txt"]
    with zipfile.ZipFile(into, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    assert verify(into).ok
    return into


@pytest.mark.parametrize(
    "change",
    [
        lambda record: record.update(prefix="messages/2026/11/20/../../../../exports/"),
        lambda record: record.update(prefix="exports/"),
        lambda record: record.update(prefix="messages/2026/11/20/sinch-another/"),
        lambda record: record.update(id="../x"),
        lambda record: record["media"][0].update(key="messages/2026/11/20/sinch-one/../sinch-two/00.png"),
        lambda record: record["media"][0].update(key="messages/2026/11/20/sinch-two/00.png"),
        lambda record: record["media"][0].update(key=record["prefix"] + "message.json"),
        lambda record: record["media"][0].update(thumbnail_key=record["media"][0]["key"]),
        lambda record: record["media"][0].update(sha256="0" * 64),
        lambda record: record["postbacks"][0].update(name="../../postback.xml"),
        lambda record: record.update(schema=999),
        lambda record: record.pop("sender"),
    ],
)
def test_a_record_that_reaches_out_of_its_folder_is_refused(
    archive: Archive, other: Archive, tmp_path: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    kept(archive.vault, "one", b"x")
    path = forged(made(archive.vault, tmp_path / "out.zip"), tmp_path / "forged.zip", change)
    came_of = importing.import_archive(other.vault, path)
    assert (came_of.new, len(came_of.problems)) == (0, 1)
    assert other.everything() == []
    assert other.keys() == set()


def test_tags_and_a_note_that_are_too_long_are_cut_and_the_message_comes_in(
    archive: Archive, other: Archive, tmp_path: Path
) -> None:
    kept(archive.vault, "one", b"x")

    def change(record: dict[str, Any]) -> None:
        record.update(tags=["fine", "x" * 5000, "\0"], note="y" * 20_000)

    path = forged(made(archive.vault, tmp_path / "out.zip"), tmp_path / "forged.zip", change)
    came_of = importing.import_archive(other.vault, path)
    assert (came_of.new, came_of.problems) == (1, [])
    assert any("the rest was left out" in flaw.problem for flaw in came_of.remarks)
    message = other.load("sinch-one")
    assert (message.tags, message.note) == (("fine", "x" * 100, "\ufffd"), "y" * 10_000)
    assert other.problems() == {}


def test_nothing_of_a_damaged_archive_is_imported(archive: Archive, tmp_path: Path) -> None:
    kept(archive.vault, "one", b"a whole picture")
    path = made(archive.vault, tmp_path / "out.zip")
    disposition.delete(archive.vault, "sinch-one")
    raw = bytearray(path.read_bytes())
    raw[raw.index(b"a whole picture")] ^= 1
    path.write_bytes(raw)
    with pytest.raises(RejectedInputError, match="nothing was imported"):
        importing.import_archive(archive.vault, path)
    assert archive.keys("messages/") == set()
    assert verifying.verify(path).problems[0].path.endswith("00.png")


CRAFTED: dict[str, Any] = {
    "perceptual_hash": "not one",
    "content_type": "image/png\r\nSet-Cookie: x=1",
    "sha256": "",
    "height": 10**30,
    "width": -1,
    "size": -7,
}


def test_a_crafted_record_is_imported_by_what_its_bytes_say_and_can_be_exported_again(
    archive: Archive, other: Archive, tmp_path: Path
) -> None:
    right = archive.receive("one", picture()).media[0]
    path = forged(
        made(archive.vault, tmp_path / "out.zip"),
        tmp_path / "forged.zip",
        lambda record: record["media"][0].update(CRAFTED),
    )
    came_of = importing.import_archive(other.vault, path)
    assert came_of.new == 1
    told = " ".join(flaw.problem for flaw in came_of.remarks)
    for name in ("perceptual_hash", "content_type", "SHA-256", "height", "width", "size"):
        assert name in told
    (item,) = other.load("sinch-one").media
    assert (item.sha256, item.size, item.content_type) == (right.sha256, right.size, "image/png")
    assert other.problems() == {}
    assert verify(made(other.vault, tmp_path / "again.zip")).ok


@pytest.mark.parametrize(
    "change",
    [
        lambda record: record.update(provider="nobody"),
        lambda record: record.update(media=record["media"] * 2),
        lambda record: record["media"][0].update(position=10**30),
        lambda record: record["media"][0].update(thumbnail_key="names/x.json"),
        lambda record: record["media"][0].update(evidence=["names/x.json"]),
        lambda record: record.update(to=["14085550123"] * 2000),
    ],
)
def test_a_crafted_record_that_matters_is_refused_and_named(
    archive: Archive, other: Archive, tmp_path: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    archive.receive("one", words())
    path = forged(made(archive.vault, tmp_path / "out.zip"), tmp_path / "forged.zip", change)
    came_of = importing.import_archive(other.vault, path)
    assert (came_of.new, len(came_of.problems)) == (0, 1)
    assert (other.everything(), other.keys()) == ([], set())


def test_times_that_cannot_be_and_broken_texts_are_put_right_at_import(
    archive: Archive, other: Archive, tmp_path: Path
) -> None:
    right = archive.receive("one", words())
    wrong = {"received_at": "9999-12-31T23:59:59-12:00", "deadline_at": "0001-01-01T00:00:00Z"}
    path = forged(
        made(archive.vault, tmp_path / "out.zip"),
        tmp_path / "forged.zip",
        lambda record: record.update(wrong, subject="a\0b\ud83d"),
    )
    came_of = importing.import_archive(other.vault, path)
    assert (came_of.new, len(came_of.remarks)) == (1, 3)
    message = other.load("sinch-one")
    assert message.received_at == right.recorded_at
    assert message.subject == "a\ufffdb\ufffd"


def test_a_file_is_what_its_bytes_are_whatever_its_record_says(
    archive: Archive, other: Archive, tmp_path: Path
) -> None:
    archive.receive("one", words())
    path = forged(
        made(archive.vault, tmp_path / "out.zip"),
        tmp_path / "forged.zip",
        lambda record: record["media"][0].update(content_type="image/jpeg"),
    )
    came_of = importing.import_archive(other.vault, path)
    assert [flaw.problem for flaw in came_of.remarks] == ["file 0: it is text/plain, and not image/jpeg"]
    assert other.load("sinch-one").media[0].content_type == "text/plain"


def test_a_thumbnail_that_is_not_what_the_record_says_is_left_out_and_made_again(
    archive: Archive, other: Archive, tmp_path: Path
) -> None:
    archive.receive("one", picture())
    path = forged(
        made(archive.vault, tmp_path / "out.zip"),
        tmp_path / "forged.zip",
        lambda record: record["media"][0].update(thumbnail_sha256="0" * 64),
    )
    came_of = importing.import_archive(other.vault, path)
    assert (came_of.new, len(came_of.remarks)) == (1, 1)
    (item,) = other.load("sinch-one").media
    assert other.problems() == {item.thumbnail_key: "the thumbnail is missing"}
    assert other.problems(repair=True) == {}


ERASED = "14085550777"


def exported_while(
    vault: Vault, monkeypatch: pytest.MonkeyPatch, name: str, deed: Callable[[], None]
) -> Export:
    """Export six messages as a job, with `deed` done once before `working` calls what has this name."""
    for minute in range(6):
        sender = ERASED if minute in (1, 4) else "14085550123"
        kept(vault, f"m{minute}", f"{minute}".encode() * 100_000, minutes=minute, sender=sender)
    monkeypatch.setattr(working, "queue_up", lambda *_: None)
    choice = Choice(query="", volume_bytes=300_000)
    entered = working.request(vault, choice, name="case", made_by="tests", made_at=utc_now())
    assert entered
    original, calls = getattr(working, name), []

    def hooked(*args: Any, **more: Any) -> Any:
        calls.append(name)
        if len(calls) == (2 if name == "pack" else 1):
            deed()
        return original(*args, **more)

    monkeypatch.setattr(working, name, hooked)
    working.export(vault, entered.id)
    return register.find(vault.catalog, entered.id)


def members(vault: Vault, found: Export) -> set[str]:
    """Return the ids of the messages in the volumes of an export, each proved."""
    ids: set[str] = set()
    for volume in found.volumes:
        data = vault.bucket.read(found.prefix + volume.name)
        assert sha256(data) == volume.sha256
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            ids |= {name.split("/")[5] for name in archive.namelist() if name.endswith("message.json")}
    return ids


@pytest.mark.parametrize("name", ["pack", "set_manifest"])
def test_a_message_erased_while_an_export_is_made_is_left_out_and_the_export_says_so(
    vault: Vault, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    receipts = []
    found = exported_while(
        vault, monkeypatch, name, lambda: receipts.append(erasing.erase(vault, ERASED, who="tests"))
    )
    assert (found.state, found.reason) == (State.DONE, "")
    assert members(vault, found) == {f"sinch-m{number}" for number in (0, 2, 3, 5)}
    assert (found.messages, found.left_out) == (4, 2)
    told = json.loads(vault.bucket.read(f"{found.prefix}case-set.json"))
    assert (told["messages"], told["left_out"]) == (4, 2)
    (receipt,) = receipts
    assert [one["key"] for one in receipt["exports"]] == [found.prefix]
    assert "it is being made" in receipt["exports"][0]["problem"]
    assert [one["id"] for one in receipt["erased"]] == ["sinch-m1", "sinch-m4"]


def test_an_object_that_goes_while_its_volume_is_written_has_the_volume_made_again(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    deleted = []
    original = vault.bucket.read

    def read(key: str) -> bytes:
        if "sinch-m4" in key and not deleted:
            deleted.append(key)
            disposition.delete(vault, "sinch-m4")
        return original(key)

    monkeypatch.setattr(vault.bucket, "read", read)
    found = exported_while(vault, monkeypatch, "pack", lambda: None)
    assert (found.state, found.left_out) == (State.DONE, 1)
    assert members(vault, found) == {f"sinch-m{number}" for number in (0, 1, 2, 3, 5)}
    about = [
        zipfile.ZipFile(io.BytesIO(original(found.prefix + volume.name))).read("bag-info.txt").decode()
        for volume in found.volumes
    ]
    assert sum("Messages-Left-Out: 1 (deleted" in one for one in about) == 1


def test_a_damaged_message_that_was_not_deleted_still_stops_the_export(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = exported_while(
        archive.vault,
        monkeypatch,
        "pack",
        lambda: [archive.lose(key) for key in archive.keys("messages/2026/11/20/sinch-m0/") if "/00." in key],
    )
    assert found.state is State.FAILED
    assert "verify --repair" in found.reason


def test_messages_of_the_same_moment_stay_when_the_first_of_their_volume_goes(
    archive: Archive, tmp_path: Path
) -> None:
    for number in range(6):
        kept(archive.vault, f"m{number}", b"x" * 100_000)
    wanted = order(archive.vault, volume_bytes=300_000)
    for volume in wanted.plan.volumes:
        disposition.delete(archive.vault, volume.first_id)
    written = delivering.to_folder(archive.vault, wanted, tmp_path / "set", progress=lambda *_: None)
    assert sum(one.messages for one in written) == 6 - len(wanted.plan.volumes)
    assert sum(one.left_out for one in written) == len(wanted.plan.volumes)


def test_a_message_deleted_while_a_file_is_written_is_not_in_it(vault: Vault, tmp_path: Path) -> None:
    for minute in range(4):
        kept(vault, f"m{minute}", b"x" * 1000, minutes=minute)
    deleted: list[int] = []

    def progress(messages: int, _: int) -> None:
        deleted.append(messages)
        if len(deleted) == 4:
            disposition.delete(vault, "sinch-m3")  # the newest, which is written already

    path = tmp_path / "out.zip"
    (written,) = delivering.to_one_file(vault, order(vault), path, progress=progress)
    assert (written.messages, written.left_out) == (3, 1)
    assert not any("sinch-m3" in name for name in names(path))
    assert verify(path).ok
