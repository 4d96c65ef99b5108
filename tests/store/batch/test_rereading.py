"""Answers of batches that an older reader made are read anew, each set once."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.batch_files import batch, read, watched
from tests.support.database import NOW, record
from tests.support.engine import bytes_of, elsewhere, text_of
from tests.support.x12_samples import ACTIVE, a_set, group, interchange, subscriber
from worker.core.x12 import embedded, issues
from worker.core.x12.batch import judged
from worker.rounds.ingest import deriving
from worker.rounds.ingest.deriving import derive_missing
from worker.store.db.store import Store
from worker.store.opening import open_store
from worker.store.state import notices

AS_READ = (
    f"SELECT answers.*, results.seq, results.task, results.derived, {text_of('results.body')}"
    " FROM answers JOIN results ON results.seq = answers.result ORDER BY answers.seq"
)
OLD = "UPDATE results SET derived = 1, body = " + bytes_of(f"replace({text_of('body')}, 'SILVER', 'TIN')")
BRACES, NOTHING = "'{}'", "''"

TWO = subscriber(ACTIVE, member="TWO")
SECOND = [("HL", "4", "2", "22", "0"), *TWO[7:]]  # another patient of the same set, without the trace number


def change(store: Store, *statements: str) -> None:
    with store.write():
        for statement in statements:
            store.execute(statement)


def misread(store: Store) -> None:
    """As if an older reader had read all of it, and had found no coverage."""
    change(
        store,
        OLD,
        "UPDATE answers SET coverage = 'undetermined', plan = 'TIN', warnings = 'hl_parent', begins = 'x'",
        """UPDATE sets SET issues = '[{"code": "hl_level", "segment": "HL", "message": "x"}]' WHERE issues = '[]'""",
    )


def read_all(store: Store, most: int = 100) -> int:
    """How many steps there were."""
    for step in range(most):
        if not derive_missing(store, NOW + 1):
            return step
    raise AssertionError("it does not end")


def coverages(path: Path) -> list[Any]:
    return [row[0] for row in elsewhere(path, "SELECT coverage FROM batch_answers ORDER BY answer")]


def test_rows_keep_their_keys_and_their_task_and_say_what_the_present_reader_reads(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(store, "a", trace_number="OURS-1", originator_id="9000000001")
    patients = a_set(subscriber(ACTIVE, ("EB", "R", "", "30"), member="ONE") + SECOND)
    odd = a_set(TWO[:6] + TWO[7:], control="0002", count="99")  # a warning of its file's reading: se_count
    read(store, interchange(group(patients, odd)))
    read(store, interchange(group(a_set(subscriber(ACTIVE, member="T"))), usage="T"), name="test", hold_test=True)
    before = elsewhere(path, AS_READ)
    misread(store)
    assert elsewhere(path, AS_READ) != before
    monkeypatch.setattr(deriving, "STEP_ANSWERS", 2)
    assert read_all(store) >= 2
    assert elsewhere(path, AS_READ) == before
    assert elsewhere(path, "SELECT match FROM answers")[0] == ("matched",)


def test_steps_are_bounded_and_a_large_set_is_written_in_several_transactions(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = subscriber(ACTIVE)
    for n in range(30):
        large += [
            ("HL", str(n + 4), "2", "22", "0"),
            ("NM1", "IL", "1", f"X{n}", "", "", "", "", "MI", f"Q{n}"),
            ACTIVE,
        ]
    read(store, interchange(group(a_set(large))))
    read(store, batch(*range(20)), name="small")
    before = elsewhere(path, AS_READ)
    misread(store)
    monkeypatch.setattr(deriving, "STEP_ANSWERS", 5)
    sizes = watched(store, monkeypatch, lambda: None)
    assert read_all(store) == 1 + 4
    assert max(sizes) == 4 * 5  # two rows of each answer, its number, and the counter of these
    assert elsewhere(path, AS_READ) == before


def test_few_bytes_of_json_are_written_in_one_transaction(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    read(store, interchange(group(a_set(subscriber(ACTIVE) + SECOND))))
    read(store, batch(*range(3)), name="small")
    misread(store)
    monkeypatch.setattr(deriving, "STEP_BYTES", 1)
    sizes = watched(store, monkeypatch, lambda: None)
    assert read_all(store) == 1 + 3
    assert sizes == [4] * (2 + 3)


def test_answers_of_early_readers_that_name_no_hl_are_told_apart_by_their_patients(store: Store, path: Path) -> None:
    read(store, batch(1, 2))
    before = elsewhere(path, AS_READ)
    misread(store)
    change(
        store,
        f"UPDATE results SET body = {bytes_of(BRACES)}",
        "UPDATE answers SET last_name = 'ANOTHER' WHERE member_id = 'M00002'",
    )
    read_all(store)
    assert elsewhere(path, AS_READ)[0] == before[0]
    assert coverages(path) == ["active", "undetermined"]


def test_a_set_in_which_the_reader_finds_what_it_now_holds_tells_no_coverage_any_more(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read(store, interchange(group(a_set(subscriber(ACTIVE)[1:]))))
    assert coverages(path) == ["active"]
    change(store, "UPDATE results SET derived = 1")
    monkeypatch.setattr(issues, "HELD", issues.HELD | {"bht_missing"})
    read_all(store)
    assert coverages(path) == ["undetermined"]


@pytest.mark.parametrize("kind", ["held", "fewer", "others"])
def test_a_set_that_would_be_held_or_has_other_patients_tells_no_coverage_any_more(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """As if a later cdpoll held what has an SE01 that is wrong, or found other patients."""
    record(store, "a", trace_number="OURS-1", originator_id="9000000001")
    named = ("LS", "2120"), ("NM1", "PR", "2", "SECOND", "", "", "", "", "PI", "S"), ("LE", "2120")
    patients = subscriber(ACTIVE, ("EB", "R", "", "30"), *named) + SECOND
    read(store, interchange(group(a_set(patients, count="99"))))
    assert ("active", "SECOND") in elsewhere(path, "SELECT coverage, other_payers FROM found_coverage")
    change(store, "UPDATE results SET derived = 1")
    if kind == "held":
        monkeypatch.setattr(issues, "HELD", issues.HELD | {"se_count"})
    elif kind == "fewer":
        change(store, "DELETE FROM results WHERE seq = 2")
    else:
        other = f"""replace({text_of("body")}, '"hl":3', '"hl":2')"""
        change(store, f"UPDATE results SET body = {bytes_of(other)}")
    read_all(store)
    assert elsewhere(path, "SELECT * FROM found_coverage") == []
    member, warnings, task, text = elsewhere(path, "SELECT member_id, warnings, id, said FROM batch_answers LIMIT 1")[0]
    assert (member, task) == ("M0001", "a")
    assert warnings.split() == ["se_count", "read_otherwise"]
    said = json.loads(text)
    assert (said["coverage"], said["other_payers"]) == ("undetermined", [])
    assert [one["code"] for one in said["issues"]][:2] == ["se_count", "read_otherwise"]
    assert [code for code, _ in notices.listed(store)] == ["coverage_withdrawn"]


def test_a_set_that_cannot_be_read_keeps_its_answers_and_is_asked_for_once(store: Store, path: Path) -> None:
    read(store, batch(1))
    read(store, batch(2, control="000000002"), name="second")
    read(store, batch(3, control="000000003"), name="third")
    misread(store)
    change(
        store,
        f"UPDATE sets SET raw = {bytes_of(NOTHING)} WHERE seq = 1",
        "UPDATE envelopes SET interchange = 'damaged' WHERE seq = 2",
        "INSERT INTO results (seq, source, revision, received_at, body, derived)"
        f" VALUES (99, 'batch', 1, 1, {bytes_of(BRACES)}, 1)",
    )
    assert read_all(store) == 1
    assert coverages(path) == ["undetermined", "undetermined", "active"]
    assert elsewhere(path, "SELECT DISTINCT derived FROM results") == [(embedded.READER_VERSION,)]


def test_what_is_removed_while_it_is_read_stays_removed(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read(store, batch(1, 2))
    misread(store)

    def meanwhile(*args: Any) -> Any:
        with open_store(path, create=True) as other, other.write():
            other.execute("DELETE FROM sets WHERE seq = 1")
            other.execute("DELETE FROM results WHERE seq = 1")
        return judged(*args)

    monkeypatch.setattr(deriving, "judged", meanwhile)
    assert read_all(store) == 1
    assert elsewhere(path, "SELECT coverage FROM answers") == [("active",)]
    assert elsewhere(path, "SELECT count(*) FROM results") == [(1,)]


@pytest.mark.sqlite
def test_the_index_is_used(store: Store, plans: list[str]) -> None:
    read(store, batch(1))
    plans.clear()
    read_all(store)
    assert any("results_read" in line for line in plans)
    assert not any("SCAN" in line for line in plans)
