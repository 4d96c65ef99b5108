"""`hold_test`: what a sender marks as a test is stored and shown as one, and neither matched nor delivered."""

from pathlib import Path

import pytest

from tests.store.batch.test_matching import NOW, ONE, TRACED, body, conclude, elsewhere, joined, record
from tests.support.cdpoll_process import House
from tests.support.x12_samples import ACTIVE, a_set, group, interchange, subscriber
from worker.core.x12.batch import HoldRules
from worker.rounds.ingest.batch_file import BatchFile, ingest, ingest_dry_run
from worker.rounds.ingest.file_report import FileReport
from worker.store.batch import quarantine
from worker.store.db.store import Store
from worker.store.views import report as story

SET = a_set(subscriber(ACTIVE))
TEST = interchange(group(SET), usage="T")


def read(store: Store, text: str, *, hold: bool = True) -> FileReport:
    file = store.path.with_name("given")
    file.write_text(text)
    with file.open("rb") as opened:
        given = BatchFile(opened, "batch", "path", rules=HoldRules(hold))
        dry = ingest_dry_run(store, given, NOW)
        report = ingest(store, given, NOW)
    assert (dry.counts, dry.warnings) == (report.counts, report.warnings)
    return report


def test_a_test_is_stored_and_shown_and_joined_to_nothing(store: Store) -> None:
    record(store, "a", ref="account 7", **TRACED, member_id="M0001")
    conclude(store, "a", body("a", ONE))
    report = read(store, TEST)
    counts = report.counts
    assert (counts.transaction_sets, counts.subscribers, counts.test_answers) == (1, 1, 1)
    assert (counts.matched, counts.candidates, counts.unmatched) == (0, 0, 0)
    assert [one.code for one in report.warnings] == ["test_held", "test_interchange"]
    assert "1 answer)" in report.warnings[0].message
    assert joined(store) == [("test", None, None, None)]
    assert elsewhere(store, "SELECT member_id, coverage, test FROM batch_answers") == [("M0001", "active", 1)]
    assert elsewhere(store, "SELECT state FROM sets") == [("test",)]
    assert elsewhere(store, "SELECT source FROM found_coverage") == [("poll",)]
    assert elsewhere(store, "SELECT source FROM kept_results") == [("poll",)]
    ((listed,),) = quarantine.files(store)
    assert (listed["test_answers"], listed["unmatched"]) == (1, 0)
    told = story.show(store, "a")
    assert told is not None
    assert told["batch_answers"] == []


def test_the_same_text_in_earnest_is_not_passed_over(store: Store) -> None:
    record(store, "a", **TRACED, member_id="M0001")
    read(store, TEST)
    again = read(store, interchange(group(SET), usage="T", control="000000009"))
    assert (again.counts.known_sets, again.counts.test_answers) == (1, 0)
    earnest = read(store, interchange(group(SET)))
    assert (earnest.counts.known_sets, earnest.counts.matched, earnest.counts.test_answers) == (0, 1, 0)
    assert [(match, task) for match, task, _, _ in joined(store)] == [("test", None), ("matched", "a")]
    assert elsewhere(store, "SELECT test FROM found_coverage") == [(0,)]


def test_only_the_interchange_that_says_so_is_held(store: Store) -> None:
    other = a_set(subscriber(ACTIVE, member="M0002"), control="0002")
    report = read(store, TEST + interchange(group(other), control="000000002"))
    assert (report.counts.test_answers, report.counts.unmatched) == (1, 1)
    assert elsewhere(store, "SELECT member_id, match, test FROM batch_answers ORDER BY answer") == [
        ("M0001", "test", 1),
        ("M0002", "unmatched", 0),
    ]


def test_unless_it_is_asked_for_a_test_counts_and_is_shown_as_one(store: Store) -> None:
    record(store, "a", **TRACED, member_id="M0001")
    report = read(store, TEST, hold=False)
    assert (report.counts.matched, report.counts.test_answers) == (1, 0)
    assert [one.code for one in report.warnings] == ["test_interchange"]
    assert elsewhere(store, "SELECT match, test FROM found_coverage") == [("matched", 1)]
    told = story.show(store, "a")
    assert told is not None
    assert [one["test"] for one in told["batch_answers"]] == [True]


@pytest.mark.parametrize(("word", "held"), [("yes", 1), ("no", 0)])
def test_the_command_does_as_configured(tmp_path: Path, word: str, held: int) -> None:
    house = House(tmp_path)
    lines = "[sftp]\nhost = nowhere.example\nusername = me\ninclude = *.x12\nkey_file = key\n"
    house.write_store_alone(f"{lines}hold_test = {word}\n")
    path = tmp_path / "a.x12"
    path.write_text(TEST)
    dry = house.cdpoll("ingest", "--dry-run", "--json", str(path), check=0).json["files"][0]
    done = house.cdpoll("ingest", "--json", str(path), check=0).json["files"][0]
    assert (dry["test_answers"], done["test_answers"], done["unmatched"]) == (held, held, 1 - held)
    assert house.value("SELECT count(*) FROM batch_answers WHERE match = 'test'") == held
    assert house.cdpoll("files", "--json", check=0).json["files"][0]["test_answers"] == held
    assert ("held back as tests" in house.cdpoll("files", check=0).text) == bool(held)
