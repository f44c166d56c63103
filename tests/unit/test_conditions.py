"""One list: each condition is in alerts, pages, doctor, Prometheus's rules and the operator guide."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from dashboard import alerts as page_alerts
from dashboard import operations_page
from mmsvault import diagnosis
from mmsvault.ops import alerts, rules
from mmsvault.ops.channels import NotToldError, Told
from mmsvault.ops.conditions import BY_ID, CONDITIONS, RULES_OF_RATES, Finding, Severity, judge
from mmsvault.ops.facts import Facts
from mmsvault.settings import Settings
from mmsvault.vault import Vault
from tests import facts as samples

METRICS = rules.ROOT / "docs/metrics.md"
PROMTOOL_TESTS = rules.ROOT / "deploy/prometheus/alerts_test.yml"
IDS = set(BY_ID)


@pytest.fixture
def made(tmp_path: Path) -> Settings:
    return samples.settings(tmp_path, alert_webhook="http://127.0.0.1:9/hook")


class Teller:
    """Alerts over one channel, which keeps what it is told; facts are given at each look."""

    def __init__(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        self.told: list[Told] = []
        self.is_away = False
        self.facts = samples.well(settings)
        monkeypatch.setattr(alerts, "channels", lambda _settings: {"test": self._take})
        self.alerter = alerts.Alerter(settings, lambda: self.facts, ())

    def _take(self, told: Told) -> None:
        if self.is_away:
            raise NotToldError("It is away.")
        self.told.append(told)

    def look(self, facts: Facts, *, hours: float = 0) -> list[tuple[str, str]]:
        """Look at these facts so many hours later; return what was told by it."""
        before = len(self.told)
        self.facts = replace(facts, now=samples.NOW + timedelta(hours=hours))
        self.alerter.look()
        return [(one.alert, one.state) for one in self.told[before:]]


@pytest.fixture
def teller(made: Settings, monkeypatch: pytest.MonkeyPatch) -> Teller:
    return Teller(made, monkeypatch)


def found(settings: Settings) -> list[Finding]:
    return list(judge(samples.all_wrong(settings)))


def test_every_condition_stands_where_everything_is_wrong_and_none_where_all_is_well(made: Settings) -> None:
    assert {one.condition.id for one in found(made) if one.answer.level} == IDS
    well = list(judge(samples.well(made)))
    assert {one.condition.id for one in well} == IDS
    assert [one.condition.id for one in well if one.answer.level] == []
    assert len(IDS) == len(CONDITIONS)


def test_every_condition_is_sent_as_an_alert_when_it_has_lasted(made: Settings, teller: Teller) -> None:
    wrong = samples.all_wrong(made)
    at_once = {name for name, _ in teller.look(wrong)}
    later = {name for name, _ in teller.look(wrong, hours=1.5)}
    assert at_once == {one.id for one in CONDITIONS if not one.hold}
    assert later == IDS - at_once
    for told in teller.told:
        assert told.summary, told.alert
        assert told.advice, told.alert
        assert told.severity == BY_ID[told.alert].severity
    over = {(name, state) for name, state in teller.look(samples.well(made, hours=3), hours=3)}
    assert over == {(name, "over") for name in IDS - {"lost"}}


def test_every_condition_is_above_the_pages_and_on_operations(made: Settings) -> None:
    for finding in found(made):
        assert finding.answer.sentence in page_alerts.of_finding(finding).said
        line = operations_page._line(finding)
        wanted = finding.answer.sentence if finding.stands else finding.condition.question
        assert wanted.replace("'", "&#x27;") in line, finding.condition.id
        assert ("class='wrong'" in line) is finding.stands


def test_one_line_over_the_gallery_has_room_for_three_and_says_how_many_more(made: Settings) -> None:
    shown = [page_alerts.of_finding(finding) for finding in found(made)]
    assert page_alerts.in_one_line(shown[:3]) == shown[:3]
    line = page_alerts.in_one_line(shown[:7])
    assert line[:2] == shown[:2]
    assert line[2].said == "5 more alerts."
    assert len(line) == 3


def test_what_a_stranger_wrote_is_no_markup_on_operations(made: Settings) -> None:
    facts = samples.all_wrong(made)
    facts = replace(facts, servers={"bucket": "<script>`x`"})
    (line,) = (operations_page._line(one) for one in judge(facts) if one.condition.id == "bucket_away")
    assert "<script>" not in line


def test_every_condition_is_in_doctor_and_a_page_worthy_one_is_wrong(
    made: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diagnosis, "gather", lambda _vault: samples.all_wrong(made))
    findings = {one.condition: one for one in diagnosis.of_conditions(Vault(made), ())}
    assert set(findings) - {""} == IDS
    for condition in CONDITIONS:
        urgent = condition.severity is Severity.PAGE and not condition.grows
        assert (findings[condition.id].state is diagnosis.State.WRONG) is urgent, condition.id
        assert findings[condition.id].advice


def test_doctor_does_not_say_twice_what_its_own_check_found(
    made: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diagnosis, "gather", lambda _vault: samples.all_wrong(made))
    known = [diagnosis.Finding("queue", diagnosis.State.WRONG, "It does not answer.")]
    said = {one.condition for one in diagnosis.of_conditions(Vault(made), known)}
    assert "queue_away" not in said
    assert "bucket_away" in said


def test_rules_and_guide_are_those_that_the_list_makes() -> None:
    assert rules.RULES.read_text() == rules.prometheus_rules(), "run `make rules`"
    guide = rules.GUIDE.read_text()
    assert rules.with_guide_section(guide) == guide, "run `make rules`"


def test_every_condition_has_a_rule_a_row_in_the_guide_and_a_name_in_the_reference() -> None:
    (group,) = yaml.safe_load(rules.RULES.read_text())["groups"]
    alerts_made = {rule["alert"]: rule for rule in group["rules"]}
    guide, reference = rules.guide_section(), METRICS.read_text()
    for condition in CONDITIONS:
        assert alerts_made[condition.rule.name]["labels"]["severity"] == condition.severity
        assert f"`{condition.id}`" in guide
        assert f"`{condition.id}`" in reference
    made = {one.rule.name for one in CONDITIONS} | {rule.name for _, rule, _ in RULES_OF_RATES}
    assert set(alerts_made) == made


def test_promtool_sees_every_rule_fire() -> None:
    tests = yaml.safe_load(PROMTOOL_TESTS.read_text())["tests"]
    fired = {one["alertname"] for test in tests for one in test["alert_rule_test"] if one.get("exp_alerts")}
    assert fired == {one.rule.name for one in CONDITIONS} | {rule.name for _, rule, _ in RULES_OF_RATES}


def test_no_message_holds_a_number_in_full_or_a_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "a-secret-of-the-tests"
    settings = samples.settings(tmp_path, postback_token=secret, s3_secret_key=secret * 2, s3_access_key="me")
    teller, wrong = Teller(settings, monkeypatch), samples.all_wrong(settings)
    quoted = f"It is about 12025550145 and {secret} and {secret * 2}."
    assert wrong.archive
    newest = wrong.archive.quarantine.newest
    assert newest
    waiting = replace(wrong.archive.quarantine, newest=replace(newest, reason=quoted))
    archive = replace(wrong.archive, quarantine=waiting)
    wrong = replace(wrong, archive=archive, servers={"bucket": quoted})
    teller.look(wrong)
    teller.look(wrong, hours=2)
    said = str(teller.told)
    assert "about 1202555****" in said
    assert secret not in said
    assert "12025550145" not in said
    assert {one.alert for one in teller.told} >= {"quarantine", "bucket_away"}


def test_nothing_is_judged_by_what_is_not_known(made: Settings, teller: Teller) -> None:
    teller.look(samples.all_wrong(made))
    nothing = Facts(made, samples.NOW)
    assert list(judge(nothing)) == []
    assert teller.look(nothing, hours=5) == []


def test_a_server_that_is_away_for_a_moment_is_told_to_nobody(made: Settings, teller: Teller) -> None:
    away = replace(samples.well(made), servers={"queue": "It does not answer."}, queue=None)
    assert teller.look(away) == []
    assert teller.look(samples.well(made), hours=0.01) == []
    assert teller.look(away, hours=0.02) == []
    assert teller.look(away, hours=0.06) == [("queue_away", "begun")]


def test_a_program_that_can_ask_nobody_tells_the_same_thing_once_an_hour(
    made: Settings, teller: Teller
) -> None:
    full = well = replace(samples.well(made), archive=None, queue=None)
    assert full.host
    full = replace(full, host=replace(full.host, free_bytes=0))
    assert teller.look(full) == [("disk_full", "begun"), ("disk_low", "begun")]
    assert teller.look(well, hours=0.2) == []
    assert teller.look(full, hours=0.4) == []
    assert teller.look(well, hours=1.1) == [("disk_full", "over"), ("disk_low", "over")]


def test_a_disk_is_full_by_the_settings_of_the_operator(tmp_path: Path) -> None:
    def short(**given: object) -> set[str]:
        settings = samples.settings(tmp_path, **given)
        facts = samples.well(settings)
        assert facts.host
        facts = replace(facts, host=replace(facts.host, free_bytes=2 << 30))
        return {one.condition.id for one in judge(facts) if one.stands}

    assert short() == {"disk_low"}
    assert short(alert_disk_full_bytes=3 << 30) == {"disk_low", "disk_full"}
    assert short(alert_disk_low_bytes=1 << 30) == set()
    assert short(alert_disk_low_bytes=0) == set()


def test_a_backup_is_old_only_where_one_was_made_or_is_asked_for(tmp_path: Path) -> None:
    def is_old(days_ago: float | None, **given: object) -> bool:
        facts = samples.well(samples.settings(tmp_path, **given))
        assert facts.archive
        at = None if days_ago is None else samples.NOW - timedelta(days=days_ago)
        facts = replace(facts, archive=replace(facts.archive, backup_finished_at=at))
        return any(one.stands for one in judge(facts) if one.condition.id == "backup_old")

    assert not is_old(None)
    assert is_old(None, alert_backup_days=2)
    assert not is_old(7)
    assert is_old(9)
    assert is_old(3, alert_backup_days=2)
    assert not is_old(400, alert_backup_days=0)


def test_refused_postbacks_count_from_as_many_an_hour_as_is_set(tmp_path: Path) -> None:
    def stands(number: int, **given: object) -> bool:
        facts = samples.well(samples.settings(tmp_path, **given))
        assert facts.queue
        facts = replace(facts, queue=replace(facts.queue, refused={"token": number - 1, "signature": 1}))
        return any(one.stands for one in judge(facts) if one.condition.id == "postbacks_refused")

    assert [stands(4), stands(5)] == [False, True]
    assert [stands(1, alert_refused=1), stands(99, alert_refused=0)] == [True, False]


def test_a_file_past_its_deadline_is_not_said_to_have_time_left(made: Settings) -> None:
    facts = samples.all_wrong(made)
    assert facts.archive
    archive = replace(facts.archive, late=facts.archive.counts.at_risk)
    told = {one.condition.id: one for one in judge(replace(facts, archive=archive))}["at_risk"]
    assert "under a day" not in told.answer.sentence
    assert "deadline" in told.answer.sentence
