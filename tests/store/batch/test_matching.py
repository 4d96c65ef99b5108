"""Which task an answer is joined to: exactly one, on strong grounds, or none."""

import json
from typing import Any

import pytest

from tests.support import engine
from tests.support.database import task_of
from tests.support.x12_samples import ACTIVE, Segment, a_set, group, interchange, subscriber
from worker.core.intake.intake import Expected, Intake, Recording
from worker.core.schedule.cadence import Schedule
from worker.core.vendor.document import Document, read_document
from worker.core.x12 import embedded
from worker.rounds.ingest.batch_file import BatchFile, ingest, ingest_dry_run
from worker.rounds.ingest.deriving import derive_missing
from worker.rounds.ingest.file_report import FileReport
from worker.store.batch.staging import PAGE_ROWS
from worker.store.conclude import conclude as conclude_task
from worker.store.db.store import Store
from worker.store.tasks import tallies
from worker.store.tasks.recording import record as record_ids
from worker.store.tasks.recording import record_all
from worker.store.views import report as story

NOW = 1_800_000_000_000


def record(store: Store, task_id: str, **about: Any) -> None:
    record_ids(store, [Recording(task_id, "id", **about)], (), origin="", now=NOW, schedule=Schedule())


def read(store: Store, text: str) -> FileReport:
    """Read a file in; what a rehearsal said of it before is the same."""
    file = store.path.with_name("given")
    file.write_text(text)
    with file.open("rb") as opened:
        dry = ingest_dry_run(store, BatchFile(opened, "batch", "path"), NOW)
        report = ingest(store, BatchFile(opened, "batch", "path"), NOW)
    assert dry.counts == report.counts
    return report


def elsewhere(store: Store, sql: str, *params: object) -> list[tuple[Any, ...]]:
    return engine.elsewhere(store.path, sql, *params)


def joined(store: Store, member: str | None = None) -> list[tuple[Any, ...]]:
    """(match, id, refs, candidates) of every answer."""
    columns = "match, id, refs, candidates"
    sql = f"SELECT {columns} FROM batch_answers WHERE member_id = coalesce(?, member_id) ORDER BY answer"
    return elsewhere(store, sql, member)


def body(task_id: str, *texts: str, status: str = "success", real_time: str | None = None) -> bytes:
    paths = [
        {"id": f"p{n}", "name": "Medicare", "transaction": {"status": "eligible", "x12-271": text}}
        for n, text in enumerate(texts)
    ]
    document: dict[str, Any] = {"id": task_id, "status": status, "discoveryPaths": {"successful": paths}}
    if real_time is not None:
        document["realTime"] = {"id": "rt", "transaction": {"status": "ineligible", "x12-271": real_time}}
    return json.dumps(document).encode()


def keep(store: Store, task_id: str, raw: bytes) -> str:
    """Conclude a task; the 271 texts of the body are still to be read."""
    document = read_document(raw, task_id)
    assert isinstance(document, Document)
    ((seq,),) = elsewhere(store, "SELECT seq FROM tasks WHERE id = ?", task_id)
    with store.write():
        return conclude_task(store, task_of(store, seq), document, "poll", NOW)


def conclude(store: Store, task_id: str, raw: bytes) -> str:
    kept = keep(store, task_id, raw)
    derive_missing(store, NOW)
    return kept


ONE_SET = a_set(subscriber(ACTIVE))
ONE = interchange(group(ONE_SET))
TRACED = {"trace_number": "OURS-1", "originator_id": "9000000001"}


def traced(number: str, member: str) -> list[Segment]:
    """A subscriber's answer to an inquiry of ours with this trace number."""
    return [("TRN", "2", number, "9000000001") if s[0] == "TRN" else s for s in subscriber(ACTIVE, member=member)]


# --- the same text


def test_the_exact_text_of_a_result_is_joined_with_id_and_ref(store: Store) -> None:
    record(store, "a", ref="account 7")
    conclude(store, "a", body("a", ONE))
    # Another envelope, another file, other line ends; the set is the same.
    report = read(store, interchange(group(ONE_SET, control="99"), control="000000099", after="\r\n"))
    assert (report.counts.matched, report.counts.candidates, report.counts.unmatched) == (1, 0, 0)
    assert joined(store) == [("matched", "a", "account 7", None)]


def test_the_text_of_the_real_time_answer_counts_too(store: Store) -> None:
    record(store, "a")
    conclude(store, "a", body("a", real_time=ONE))
    assert read(store, ONE).counts.matched == 1


@pytest.mark.parametrize("ref", ["account 7", "account 8"])
def test_the_same_text_answers_what_is_expected_for_its_ref_alone(store: Store, ref: str) -> None:
    record(store, "a", ref="account 7")
    conclude(store, "a", body("a", ONE))
    awaited = Expected("OURS-1", ref, originator_id="9000000001", member_id="M0001")
    record_all(store, Intake(expected=(awaited,)), origin="", now=NOW, schedule=Schedule())
    assert read(store, ONE).counts.matched == 1
    assert joined(store) == [("matched", "a", "account 7", None)]
    assert elsewhere(store, "SELECT answered_at IS NOT NULL FROM expected") == [(ref == "account 7",)]


def test_a_text_in_results_of_several_tasks_is_a_candidate_of_both(store: Store) -> None:
    for task in ("a", "b"):
        record(store, task, ref=f"account {task}")
        conclude(store, task, body(task, ONE))
    assert read(store, ONE).counts.candidates == 1
    assert joined(store) == [("candidate", None, None, "a, b")]


def test_a_text_that_differs_in_one_letter_is_not_the_same(store: Store) -> None:
    record(store, "a")
    conclude(store, "a", body("a", ONE.replace("SILVER", "SILVES").replace("INQ-1", "INQ-2").replace("OURS-1", "X")))
    assert read(store, ONE).counts.unmatched == 1
    assert joined(store) == [("unmatched", None, None, None)]


def test_the_texts_of_results_kept_before_are_found_again(store: Store) -> None:
    record(store, "a")
    conclude(store, "a", body("a", ONE))
    with store.write():
        for statement in ("DELETE FROM texts", "DELETE FROM answers", "UPDATE results SET derived = NULL"):
            store.execute(statement)
    assert derive_missing(store, NOW) == 1
    assert derive_missing(store, NOW) == 0
    assert read(store, ONE).counts.matched == 1


def test_the_texts_of_a_result_that_came_just_now_are_read_before_a_file_is(store: Store) -> None:
    record(store, "a")
    keep(store, "a", body("a", ONE))
    assert elsewhere(store, "SELECT count(*) FROM answers") == [(0,)]
    file = store.path.with_name("given")
    file.write_text(ONE)
    with file.open("rb") as opened:
        assert ingest(store, BatchFile(opened, "batch", "path"), NOW).counts.matched == 1
    assert elsewhere(store, "SELECT count(*) FROM answers WHERE list IS NOT NULL") == [(1,)]


def test_a_fuller_body_of_the_same_result_is_derived_anew(store: Store) -> None:
    record(store, "a")
    assert conclude(store, "a", body("a", ONE)) == "first"
    other = ONE.replace("SILVER", "GOLD")
    assert conclude(store, "a", body("a", ONE, real_time=other)) == "fuller"
    assert elsewhere(store, "SELECT list, plan FROM answers ORDER BY seq") == [
        ("successful", "SILVER"),
        ("realTime", "GOLD"),
    ]
    assert elsewhere(store, "SELECT count(*) FROM texts") == [(2,)]


# --- the trace number handed in


@pytest.mark.parametrize(
    "known",
    [
        {},
        {"member_id": "M0001"},
        {"member_id": " m0001 "},
        {"birth_date": "1970-02-03"},
        {"birth_date": "19700203"},
        {"member_id": "M0001", "birth_date": "1970-02-03"},
    ],
    ids=str,
)
def test_a_trace_number_handed_in_joins_where_nothing_known_differs(store: Store, known: dict[str, str]) -> None:
    record(store, "a", ref="account 7", **TRACED, **known)
    assert read(store, ONE).counts.matched == 1
    assert joined(store) == [("matched", "a", "account 7", None)]


@pytest.mark.parametrize(
    ("about", "reason"),
    [
        ({**TRACED, "member_id": "M0002"}, "member_id_differs"),
        ({**TRACED, "birth_date": "1970-02-04"}, "birth_date_differs"),
        ({**TRACED, "member_id": "M0001", "birth_date": "1970-02-04"}, "birth_date_differs"),
        ({**TRACED, "member_id": "M0002", "birth_date": "1970-02-03"}, "member_id_differs"),
        ({"trace_number": "OURS-1", "member_id": "M0001"}, "trace_number_alone"),
        ({"trace_number": "OURS-1", "originator_id": "9000000002", "member_id": "M0001"}, "trace_number_alone"),
        ({"trace_number": "INQ-1", "originator_id": "9000000001", "member_id": "M0001"}, "reference"),
    ],
    ids=str,
)
def test_anything_weaker_is_a_candidate_without_id_or_ref(store: Store, about: dict[str, str], reason: str) -> None:
    record(store, "a", ref="account 7", **about)
    assert read(store, ONE).counts.candidates == 1
    assert joined(store) == [("candidate", None, None, "a")]
    assert elsewhere(store, "SELECT reason FROM candidates") == [(reason,)]
    assert elsewhere(store, "SELECT task FROM results WHERE source = 'batch'") == [(None,)]
    assert elsewhere(store, "SELECT id, refs FROM found_coverage") == [(None, None)]


def test_a_trace_number_of_two_tasks_joins_neither(store: Store) -> None:
    for task in ("a", "b"):
        record(store, task, **TRACED, member_id="M0001")
    assert read(store, ONE).counts.candidates == 1
    assert joined(store) == [("candidate", None, None, "a, b")]


def test_a_trace_of_the_answering_side_is_not_ours(store: Store) -> None:
    record(store, "a", **TRACED, member_id="M0001")
    assert read(store, ONE.replace("TRN*2*", "TRN*1*")).counts.candidates == 1


def test_the_numbers_of_a_polled_answer_make_candidates_only(store: Store) -> None:
    record(store, "a", ref="account 7")
    conclude(store, "a", body("a", ONE))
    read(store, ONE.replace("M0001", "M0002").replace("INQ-1", "INQ-2"))
    read(store, ONE.replace("M0001", "M0003").replace("OURS-1", "OURS-2"))
    assert joined(store) == [("candidate", None, None, "a")] * 2
    assert elsewhere(store, "SELECT reason FROM candidates ORDER BY answer") == [
        ("trace_number_of_a_result",),
        ("reference_of_a_result",),
    ]


def test_two_patients_under_one_trace_number_are_never_both_joined(store: Store) -> None:
    record(store, "a", **TRACED)
    one, other = subscriber(ACTIVE), subscriber(ACTIVE, member="M0002")
    report = read(store, interchange(group(a_set(one), a_set(other, control="0002"))))
    assert (report.counts.matched, report.counts.candidates) == (0, 2)
    record(store, "b", trace_number="OURS-9", originator_id="9000000001")
    assert read(store, interchange(group(a_set(traced("OURS-9", "M0001"))))).counts.matched == 1
    assert read(store, interchange(group(a_set(traced("OURS-9", "M0002"))))).counts.candidates == 1


def test_of_two_patients_far_apart_in_a_file_the_second_is_not_joined(store: Store) -> None:
    """Each stands in a transaction of its own; a rehearsal, which writes nothing, says the same."""
    record(store, "a", **TRACED)
    others = (traced(f"T{n}", f"N{n:04}") for n in range(PAGE_ROWS))
    sets = [a_set(one, control=f"{n:04}") for n, one in enumerate((subscriber(ACTIVE), *others), 1)]
    counts = read(store, interchange(group(*sets, a_set(subscriber(ACTIVE, member="M0002"), control="9999")))).counts
    assert (counts.matched, counts.candidates) == (1, 1)
    assert joined(store, "M0001") == [("matched", "a", None, None)]
    assert joined(store, "M0002") == [("candidate", None, None, "a")]


def test_sets_that_are_known_bring_no_answers_and_a_rehearsal_says_so(store: Store) -> None:
    """Known from another file, known twice within one, and known though the task that they belong to came later."""
    new = a_set(traced("T2", "M0002"), control="0002")
    assert read(store, ONE).counts.unmatched == 1
    record(store, "a", **TRACED)
    record(store, "b", trace_number="T2", originator_id="9000000001")
    counts = read(store, interchange(group(ONE_SET, new, ONE_SET, new, control="2"), control="000000002")).counts
    assert (counts.transaction_sets, counts.known_sets, counts.subscribers) == (4, 3, 4)
    assert (counts.matched, counts.candidates, counts.unmatched) == (1, 0, 0)
    assert joined(store) == [("unmatched", None, None, None), ("matched", "b", None, None)]


@pytest.mark.parametrize(
    "known",
    [{}, {"member_id": "M0001"}, {"birth_date": "1970-02-03"}],
    ids=["nothing known", "a family's member id", "the birth date of twins"],
)
@pytest.mark.parametrize("names", [("SMITH", "MILLER"), ("BABYBOY1", "BABYBOY2")])
def test_a_name_tells_patients_apart_whatever_the_task_was_recorded_with(
    store: Store, known: dict[str, str], names: tuple[str, str]
) -> None:
    record(store, "a", **TRACED, **known)
    one, other = (subscriber(ACTIVE, last=name) for name in names)
    report = read(store, interchange(group(a_set(one), a_set(other, control="0002"))))
    assert (report.counts.matched, report.counts.candidates) == (0, 2)
    assert elsewhere(store, "SELECT count(*) FROM results WHERE task IS NOT NULL") == [(0,)]


# --- what joining does, and does not


def test_a_271_never_concludes_a_task_and_is_no_revision_of_its_result(store: Store) -> None:
    record(store, "a", **TRACED, member_id="M0001")
    assert read(store, ONE).counts.matched == 1
    assert tallies.by_state(store)["pending"] == 1
    told = story.show(store, "a", body=True)
    assert told is not None
    assert (told["state"], told["outcome"], told["revisions"], told["body"]) == ("pending", None, 0, None)
    (said,) = told["batch_answers"]
    expected = {
        "file": "batch",
        "coverage": "active",
        "payer": "PLAN OF PLENTY",
        "payer_id": "PLENTY",
        "plan": "SILVER",
        "received_at": "2027-01-15T08:00:00Z",
        "test": False,
    }
    assert expected.items() <= said.items()
    assert conclude(store, "a", body("a", ONE)) == "first"
    assert conclude(store, "a", body("a", ONE)) == "same"
    assert elsewhere(store, "SELECT revisions FROM tasks_overview") == [(0,)]


def test_polled_and_batch_answers_stand_side_by_side(store: Store) -> None:
    record(store, "a", ref="account 7")
    conclude(store, "a", body("a", ONE))
    read(store, interchange(group(a_set(subscriber(ACTIVE, member="M0009"), control="0002"))))
    assert elsewhere(
        store, "SELECT source, id, refs, path, status, coverage, payer, member_id, plan, file FROM found_coverage"
    ) == [
        ("poll", "a", "account 7", "Medicare", "eligible", "active", "PLAN OF PLENTY", "M0001", "SILVER", None),
        ("batch", None, None, None, None, "active", "PLAN OF PLENTY", "M0009", "SILVER", "batch"),
    ]


def test_an_answer_without_coverage_is_no_found_coverage(store: Store) -> None:
    read(store, interchange(group(a_set(subscriber(("EB", "6", "", "30"))))))
    assert elsewhere(store, "SELECT coverage FROM batch_answers") == [("inactive",)]
    assert elsewhere(store, "SELECT count(*) FROM found_coverage") == [(0,)]


@pytest.mark.parametrize("text", ["string", "", "ISA*", "ST*271*1~", "\ud800", "x" * 500])
def test_a_text_that_cannot_be_read_says_nothing_and_stops_nothing(store: Store, text: str) -> None:
    record(store, "a")
    assert conclude(store, "a", body("a", text)) == "first"
    assert elsewhere(store, "SELECT status, coverage FROM found_coverage") == [("eligible", None)]


def test_a_fault_of_the_reader_never_costs_a_result(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    record(store, "a")
    with monkeypatch.context() as patch:
        patch.setattr(embedded, "read_embedded", lambda _text: 1 / 0)
        assert conclude(store, "a", body("a", ONE)) == "first"
    assert elsewhere(store, "SELECT status, coverage FROM found_coverage") == [("eligible", None)]
