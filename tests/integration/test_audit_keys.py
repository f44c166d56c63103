"""The keys of the numbers in the audit log outlive the catalog and the bucket's secret key."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from mmsvault import audit_keys, auditing
from mmsvault.catalog import trail, trail_numbers
from mmsvault.integrity.rebuilding import rebuild
from mmsvault.layout import TRAIL_KEYS
from mmsvault.vault import Vault
from tests.integration.archive import Archive

NUMBER = "14085550177"


def found(vault: Vault) -> list[str]:
    question = auditing.asked(vault.settings, number=NUMBER)
    return [entry.subject for entry in reversed(trail.asked_for(vault.catalog, question))]


@contextmanager
def with_another_secret(vault: Vault) -> Iterator[Vault]:
    """Give the vault on the same servers; to it, the bucket's secret key is another one."""

    class OtherSettings(type(vault.settings)):  # type: ignore[misc]  # of these settings, all but the secret
        @property
        def bucket_keys(self) -> tuple[str, str]:
            return "access", "another secret"

    other = Vault(OtherSettings.model_construct(**dict(vault.settings)))
    other.__dict__["bucket"] = vault.bucket
    other.__dict__["catalog"] = vault.catalog
    yield other


def looked_at(vault: Vault, subject: str) -> None:
    trail.append(vault.catalog, "looked at", who="anna", subject=subject, numbers=[NUMBER])


def test_keys_sealed_with_a_former_secret_are_kept_until_it_is_given(archive: Archive) -> None:
    looked_at(archive.vault, "before")
    auditing.keep(archive.vault)
    former = archive.vault.settings.bucket_keys[1]
    archive.forget_catalog()
    with with_another_secret(archive.vault) as restored:
        told = {problem.key: problem.problem for problem in rebuild(restored).problems}
        assert "rebuild --state-secret FILE" in told[TRAIL_KEYS]
        looked_at(restored, "after")
        auditing.keep(restored)
        assert found(restored) == ["after"]
        assert audit_keys.unopened(restored)
        assert rebuild(restored, former_secret=former).problems == []
        assert found(restored) == ["before", "after"]
        assert audit_keys.unopened(restored) == ""
        archive.forget_catalog()
        rebuild(restored)
        assert found(restored) == ["before", "after"], "they are sealed with the present secret by now"


def test_keys_that_the_catalog_has_are_sealed_anew_after_a_change_of_the_secret(archive: Archive) -> None:
    looked_at(archive.vault, "before")
    auditing.keep(archive.vault)
    with with_another_secret(archive.vault) as changed:
        looked_at(changed, "after")
        auditing.keep(changed)
        assert audit_keys.unopened(changed) == ""
        assert len(json.loads(archive.vault.bucket.read(TRAIL_KEYS))["sealed"]) == 1
        archive.forget_catalog()
        rebuild(changed)
        assert found(changed) == ["before", "after"]


def test_a_damaged_file_of_keys_is_written_anew(archive: Archive) -> None:
    looked_at(archive.vault, "before")
    for damaged in (b"{", b"[]", b'{"sealed": 5}', b'{"sealed": [5, "x"], "marks": "x"}'):
        archive.overwrite(TRAIL_KEYS, damaged)
        audit_keys.keep(archive.vault)
        (key,) = trail_numbers.all_keys(archive.vault.catalog)
        assert key not in archive.vault.bucket.read(TRAIL_KEYS).decode()
        archive.forget_catalog()
        audit_keys.keep(archive.vault)
        assert trail_numbers.all_keys(archive.vault.catalog) == [key]
