"""The archive looked after by the commands while the vault runs."""

import json
from functools import partial
from pathlib import Path

import httpx
import psycopg

from mmsvault.catalog import queries
from mmsvault.sample import media
from mmsvault.sample.notices import lower_case_xml
from mmsvault.sample.provider import SampleProvider
from tests.flow.test_archive import notice
from tests.house import House
from tests.servers import until


def lose_catalog(house: House) -> None:
    """Delete the catalog behind the backs of all the programs that have it open."""
    url = house.env.get("MMSVAULT_DATABASE_URL")
    if url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")
    else:
        for path in Path(house.env["MMSVAULT_DATA_DIR"]).glob("catalog.sqlite*"):
            path.unlink()


def damage(house: House, key: str, data: bytes | None) -> None:
    """Change or lose an object behind the vault's back: on the disk, where there is one."""
    with house.vault() as vault:
        folder = vault.settings.embedded_bucket_dir
        if data is not None and folder:
            (folder / key).write_bytes(data)
        elif data is not None:
            vault.bucket.put(key, data, content_type="application/octet-stream")
        elif folder:
            (folder / key).unlink()
        else:
            vault.bucket.remove(key)


def test_rebuild_after_the_catalog_was_deleted_changes_no_byte_of_what_search_says(
    house: House, provider: SampleProvider, tmp_path: Path
) -> None:
    for number, files in enumerate(((media.drawing(0), media.text("Grüße 🐟")), (media.photograph(1),), ())):
        offered = (provider.offer(file) for file in files)
        provider.send(house.postbacks, notice(f"kept-{number}", *offered, keyword="Störm"))
        house.archived(f"sinch-kept-{number}")
    repeat = lower_case_xml(notice("kept-0", provider.offer(media.text("more")), copy_to=("14085550199",)))
    assert httpx.post(house.postbacks, content=repeat, trust_env=False).status_code == 200
    with house.vault() as vault:
        grown = partial(queries.load, vault.catalog, "sinch-kept-0")
        until(lambda: len(grown().media) == 3 and grown().state == "archived", what="the repeat's file")
    assert house.json("hold", "sinch-kept-1") == {"messages": 1, "changed": 1}
    before = house.call("search", "", "--json").stdout
    assert len(json.loads(before)["messages"]) == 3

    lose_catalog(house)
    rebuilt = house.call("rebuild", "--json")
    assert rebuilt.returncode == 0, rebuilt.stderr
    people = [{"name": "admin", "role": "admin"}]
    told = {"messages": 3, "problems": [], "people": people, "removed_people": []}
    assert json.loads(rebuilt.stdout) == told
    assert house.call("search", "", "--json").stdout == before

    file = tmp_path / "postback.xml"
    file.write_bytes(lower_case_xml(notice("after", provider.offer(media.drawing(2)))))
    came_of = {"messages": 1, "duplicates": 0, "other": 0, "quarantined": 0, "waiting": 0}
    assert house.json("replay", str(file)) == {"sent": 1, **came_of, "skipped": []}
    house.archived("sinch-after")
    assert house.json("verify")["problems"] == []


def test_verify_finds_each_kind_of_damage_and_repair_mends_what_can_be_mended(
    house: House, provider: SampleProvider
) -> None:
    keys, thumbnails = {}, {}
    for seed, name in enumerate(("flipped", "cut", "bare", "gone")):
        provider.send(house.postbacks, notice(name, provider.offer(media.drawing(seed))))
        item = house.archived(f"sinch-{name}").media[0]
        keys[name], thumbnails[name] = item.key, item.thumbnail_key
    provider.send(house.postbacks, notice("row", provider.offer(media.text("all of it"))))
    row = house.archived("sinch-row").prefix
    clean = house.call("verify", "--json")
    assert clean.returncode == 0, clean.stdout
    answer = json.loads(clean.stdout)
    assert (answer["ok"], answer["problems"]) == (True, [])
    assert answer["checked"] >= 4 * 4 + 3, "two objects and two of each file; a text has no thumbnail"

    with house.vault() as vault:
        right = vault.bucket.read(keys["flipped"])
        of_row = [found.key for found in vault.bucket.list(row)]
    damage(house, keys["flipped"], bytes([right[0] ^ 1]) + right[1:])
    damage(house, keys["cut"], right[:100])
    damage(house, thumbnails["bare"], None)
    damage(house, keys["gone"], None)
    for key in of_row:
        damage(house, key, None)
    stray = keys["bare"].replace("00.png", "77.png")
    damage(house, stray, b"of nothing")

    found = house.call("verify", "--json")
    assert found.returncode == 1
    assert {problem["key"] for problem in json.loads(found.stdout)["problems"]} == {
        keys["flipped"],
        keys["cut"],
        thumbnails["bare"],
        keys["gone"],
        row,
        stray,
    }

    mended = house.call("verify", "--repair", "--json")
    assert mended.returncode == 1
    answer = json.loads(mended.stdout)
    left = {problem["key"]: problem["problem"] for problem in answer["problems"]}
    assert set(left) == {stray, f"{row}postback.xml"}
    assert "not mended" in left[f"{row}postback.xml"]
    assert len(answer["repaired"]) == 6, "four objects, and original and record of the row"
    with house.vault() as vault:
        assert vault.bucket.read(keys["flipped"]) == right
    # What is left is for a person: the stray object is removed, the message without its postback deleted.
    damage(house, stray, None)
    assert house.json("delete", "sinch-row", "--yes") == {"deleted": 1, "refused": [], "exports": []}
    assert house.call("verify", "--json").returncode == 0


def test_status_tells_of_quarantine_and_a_corrected_body_is_replayed_by_a_command(
    house: House, provider: SampleProvider, tmp_path: Path
) -> None:
    right = lower_case_xml(notice("mended", provider.offer(media.drawing(7))))
    raw = right.replace(b"tracking-id>", b"tracking-if>")
    assert httpx.post(house.postbacks, content=raw, trust_env=False).status_code == 200
    until(lambda: house.receipts()["quarantined"], what="the postback being in quarantine")
    told = house.json("status")["quarantine"]
    assert told["waiting"] == 1
    assert "tracking id" in told["newest_reason"]
    key = told["newest_key"]
    said = house.call("status").stdout
    assert "1 not understood; the newest, of " in said
    assert key in said

    file = tmp_path / "corrected.xml"
    file.write_bytes(right)
    refused = house.call("replay", key, str(file), "--body", str(file))
    assert (refused.returncode, "one key of a postback in quarantine" in refused.stderr) == (2, True)
    came_of = {"messages": 1, "duplicates": 0, "other": 0, "quarantined": 0, "waiting": 0}
    assert house.json("replay", key, "--body", str(file)) == {"sent": 1, **came_of, "skipped": []}
    message = house.archived("sinch-mended")
    assert [one.corrected_by.partition(":")[0] for one in message.postbacks] == ["", "command"]
    assert house.json("status")["quarantine"] == {
        "waiting": 0,
        "newest_at": None,
        "newest_reason": None,
        "newest_key": None,
    }
    (entry,) = house.json("audit", "list", "--action", "corrected a postback")["entries"]
    assert entry["subject"] == key
    assert house.json("verify")["problems"] == []
