"""Postbacks with slips go the whole way: archived, noted in the record, found by plain numbers."""

import importlib
from datetime import timedelta
from pathlib import Path

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Engine, update

from mmsvault import archiving
from mmsvault.catalog import entering, language, queries
from mmsvault.catalog.connection import writing
from mmsvault.catalog.tables import messages, recipients
from mmsvault.message import Receipt
from tests.integration.archive import Archive, picture, sha256
from tests.integration.searchable import message

CASES = Path(__file__).parents[1] / "cases" / "postbacks"
ADDRESS = b"http://127.0.0.2:8000/a/x.jpg"
NUMBER = "14082257140"
ODD_NUMBERS = {
    "scheme": "tel:+1-408-225-7140;ext=5",
    "session": "sip:+14082257140@ims.example;user=phone",
    "named": '"Ann" <+14082257140>',
    "marks": "\u202a+14082257140\u202c",
    "digits": "+١٤٠٨٢٢٥٧١٤٠",
    "encoded": "%2B14082257140",
    "typed": "+14082257140/TYPE=PLMN",
}


def found(engine: Engine, query: str) -> set[str]:
    return {one.tracking_id for one in queries.search(engine, language.parse(query), limit=100).messages}


@pytest.mark.parametrize("name", sorted(path.name for path in CASES.iterdir()))
def test_each_case_is_archived_with_its_file(archive: Archive, name: str) -> None:
    file = picture()
    address = archive.provider.offer(file)
    offers, path = archive.provider._offers, f"/{address.split('/', 3)[3]}"
    offers.update({f"{path}{query}": offers[path] for query in ("?2", "?a=1&b=2")})
    body = (CASES / name).read_bytes().replace(ADDRESS, address.encode())
    headers = {"content-type": "text/xml; charset=iso-8859-1"} if "httpcharset" in name else {}
    archiving.take_in(archive.vault, Receipt.of(body, provider="sinch", headers=headers))
    came = archive.load(f"sinch-{name.partition('.')[0]}")
    assert came.state == "archived"
    assert {item.sha256 for item in came.media} == {sha256(file.data)}
    assert archive.vault.bucket.read(f"{came.prefix}{came.postbacks[0].name}") == body
    assert archive.record(came)["repaired"] == list(came.repaired)
    assert came.deadline_at <= came.recorded_at + timedelta(days=30)
    sender = "someone@example.org" if name == "f-mailtype.xml" else NUMBER
    assert found(archive.vault.catalog, f"from:{sender}") == {came.tracking_id}


def test_a_notice_whose_files_cannot_be_read_is_in_quarantine_and_no_message(archive: Archive) -> None:
    archive.take_bytes(
        b"<postback><code>N401</code><tracking-id>x</tracking-id><content><file/></content></postback>"
    )
    assert archive.receipts()["quarantined"] == 1
    assert found(archive.vault.catalog, "") == set()


@pytest.mark.parametrize("field", ["from", "to", "number"])
@pytest.mark.parametrize("written", [NUMBER, "408*", *ODD_NUMBERS.values()])
def test_numbers_in_any_form_are_found_by_numbers_in_any_form(
    catalog: Engine, field: str, written: str
) -> None:
    with writing(catalog) as connection:
        for name, number in ODD_NUMBERS.items():
            entering.insert_whole(connection, message(name, sender=number, to=(number,)))
        entering.insert_whole(connection, message("another"))
    wanted = "1408*" if written == "408*" else written.replace('"', "").replace(" ", "")
    assert found(catalog, f"{field}:{wanted}") == {
        *ODD_NUMBERS,
        *(["another"] * (written == "408*" and field != "to")),
    }


def test_numbers_that_were_entered_by_an_older_version_are_found_after_the_migration(catalog: Engine) -> None:
    with writing(catalog) as connection:
        for name, number in ODD_NUMBERS.items():
            old = message(name, sender="", to=("",))
            entering.insert_whole(connection, old)
            folded = number.casefold()
            connection.execute(
                update(messages).where(messages.c.id == old.id).values(sender=number, sender_number=folded)
            )
            connection.execute(
                update(recipients)
                .where(recipients.c.message_id == old.id)
                .values(recipient=number, recipient_number=folded)
            )
    assert found(catalog, f"from:{NUMBER}") == found(catalog, f"to:{NUMBER}") == set()
    migration = importlib.import_module("mmsvault.catalog.migrations.versions.0012")
    with catalog.begin() as connection, Operations.context(MigrationContext.configure(connection)):
        migration.upgrade()
    assert found(catalog, f"from:{NUMBER}") == found(catalog, f"to:{NUMBER}") == set(ODD_NUMBERS)
