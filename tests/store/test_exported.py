"""Results as they go out: which numbers, in which order, and in the shape that the schema says."""

import json
from typing import Any

import jsonschema
import pytest

from sandbox.quirks import QUIRKS
from tests.support.batch_files import read
from tests.support.database import NOW, conclude, record, seq_of, task_of
from tests.support.polled_bodies import ANOTHER_PAYER, INACTIVE, a_body, a_path, says
from tests.support.sandbox_client import Rig
from tests.support.x12_samples import ACTIVE
from worker.core.vendor.document import Document, read_document
from worker.core.vendor.result_schema import schema_text
from worker.rounds.ingest.deriving import derive_fresh
from worker.store.conclude import conclude as conclude_task
from worker.store.db.store import Store
from worker.store.views import exported

VALIDATOR = jsonschema.Draft202012Validator(
    json.loads(schema_text()), format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
)


def everything(store: Store, most: int = 3) -> list[dict[str, Any]]:
    """Everything that goes out, in short pages, each object as the schema says."""
    found: list[dict[str, Any]] = []
    number = 0
    while (page := exported.entries_after(store, number, most)).up_to > number:
        found += exported.objects(store, page.entries).values()
        number = page.up_to
    for told in found:
        VALIDATOR.validate(told)
    return found


def short(store: Store, *keys: str) -> list[tuple[Any, ...]]:
    return [tuple(told[key] for key in keys) for told in everything(store)]


def keep(store: Store, seq: int, body: bytes) -> None:
    """Keep a body of the task of a row, if it has an outcome; the 271s in it are not read yet."""
    task = task_of(store, seq)
    document = read_document(body, task.id)
    if isinstance(document, Document) and document.outcome:
        with store.write():
            conclude_task(store, task, document, "poll", NOW)


# --- which numbers


def test_one_object_for_each_result_and_ref(store: Store) -> None:
    known: dict[str, Any] = {"trace_number": "OURS-1", "originator_id": "9000000001", "member_id": "M0001"}
    record(store, "a", ref="one", correlation_id="first request", **known)
    record(store, "a", ref="two", correlation_id="second request")
    record(store, "b")
    conclude(store, a_body("b", "failure"), seq_of(store, "b"))
    conclude(store, a_body(successful=[a_path(says(member="M9"))]))
    read(store, says() + says(member="M0002", control="0002"))
    record(store, "b", ref="late")
    assert short(store, "seq", "kind", "id", "ref", "outcome", "correlation_id") == [
        (2, "task", "a", "one", "success", "first request"),
        (3, "task", "a", "two", "success", "second request"),
        (4, "batch", "a", "one", None, "first request"),
        (5, "batch", None, None, None, None),
        (6, "batch", "a", "two", None, "second request"),
        (7, "task", "b", "late", "failure", None),
    ]


def test_a_later_body_goes_out_in_place_of_the_first(store: Store) -> None:
    record(store, "a")
    conclude(store, a_body("a", "failure"))
    conclude(store, a_body(successful=[a_path(says())]))
    assert short(store, "seq", "revision", "outcome") == [(2, 2, "success")]


def test_an_answer_of_a_batch_that_was_polled_too_goes_out_once(store: Store) -> None:
    record(store, "a")
    read(store, says())
    conclude(store, a_body(successful=[a_path(says())]))
    assert short(store, "seq", "kind") == [(2, "task")]


def test_a_result_waits_until_its_271s_are_read_and_holds_up_what_follows(store: Store) -> None:
    record(store, "a", "b")
    keep(store, 1, json.dumps(a_body(successful=[a_path(says())])).encode())
    keep(store, 2, json.dumps(a_body("b", "failure")).encode())
    assert exported.entries_after(store, 0, 9) == ([], 0)
    while derive_fresh(store, NOW):
        pass
    # What was read gave the result a new number.
    assert [(told["id"], len(told["found"])) for told in everything(store)] == [("b", 0), ("a", 1)]


def test_what_is_known_by_its_number(store: Store) -> None:
    record(store, "a", ref="one")
    record(store, "a", ref="two")
    conclude(store, a_body(successful=[a_path(says())]))
    (entry,) = exported.entries_of(store, [2, 99])
    assert (entry.seq, entry.ref) == (2, "two")
    assert exported.objects(store, [entry])[2]["ref"] == "two"


def test_a_result_without_a_body_has_no_object(store: Store) -> None:
    record(store, "a")
    conclude(store, a_body(successful=[a_path(says())]))
    with store.write():
        store.execute("UPDATE results SET body = :nothing", {"nothing": b""})
    assert everything(store) == []


def test_large_bodies_are_read_a_few_at_a_time(store: Store) -> None:
    record(store, "a", "b", "c", "d")
    for seq, (task, letters) in enumerate([("a", 5), ("b", 4_000_000), ("c", 9_000_000), ("d", 5)], 1):
        conclude(store, a_body(task, "failure") | {"filler": "x" * letters}, seq)
    entries = exported.entries_after(store, 0, 9).entries
    assert [[one.seq for one in piece] for piece in exported.pieces(store, entries)] == [[1, 2], [3], [4]]
    assert list(exported.pieces(store, [])) == []


# --- what is told


def test_an_object_tells_paths_answers_and_coverage(store: Store) -> None:
    record(store, "a", ref="account 7")
    rejected = says(("AAA", "N", "", "75", "C"))
    lists: dict[str, Any] = {
        "successful": [a_path(says(ACTIVE, *ANOTHER_PAYER[1:]))],
        "unsuccessful": [
            a_path(rejected, "patient_unknown", name="HMO"),
            a_path(None, "payer_unavailable", name="RTCOB"),
        ],
        "skipped": [{"name": "MBI", "reason": "no consent", "description": "why"}],
    }
    conclude(store, a_body("a", "success", says(INACTIVE), **lists))
    (told,) = everything(store)
    assert [(one["kind"], one["payer"], one["patient"]["level"]) for one in told["found"]] == [
        ("active", "PLAN OF PLENTY", "subscriber"),
        ("other_payer", "OVERDALE MUTUAL", "subscriber"),
    ]
    assert [(one["name"], one["list"], one["description"]) for one in told["paths"]] == [
        ("HMO", "unsuccessful", None),
        ("RTCOB", "unsuccessful", None),
        ("Medicare", "successful", None),
        ("MBI", "skipped", "why"),
    ]
    assert [one["name"] for one in told["unanswered_paths"]] == ["RTCOB"]
    assert [one["coverage"] for one in told["answers"]] == ["active", "rejected", "inactive"]
    assert exported.x12_of(told) == [rejected, lists["successful"][0]["transaction"]["x12-271"], says(INACTIVE)]


def test_fields_that_are_not_in_the_contract_are_passed_on(store: Store) -> None:
    record(store, "a")
    body = a_body(successful=[a_path(says())], real_time=says())
    body |= {"score": {"value": 0.5}, "tenantName": "ours"}
    (path,) = body["discoveryPaths"]["successful"]
    path |= {"rank": 1}
    path["transaction"] |= {"payeridCHANGEME": "PAY", "cost": None}
    body["realTime"] |= {"hint": "x"}
    conclude(store, body)
    (told,) = everything(store)
    assert told["vendor"] == {"score": {"value": 0.5}}
    assert told["paths"][0]["vendor"] == {"rank": 1, "transaction": {"cost": None}}
    assert told["real_time"]["vendor"] == {"hint": "x"}


def test_an_answer_of_a_batch_says_where_it_came_from(store: Store) -> None:
    record(store, "a", trace_number="OURS-1", originator_id="9000000001", member_id="M0001")
    read(store, says() + says(member="M0002", control="0002"))
    joined, apart = everything(store)
    assert (joined["id"], joined["batch"]["match"], joined["batch"]["candidates"]) == ("a", "matched", [])
    assert (apart["id"], apart["batch"]["match"], apart["batch"]["candidates"]) == (None, "candidate", ["a"])
    (text,) = exported.x12_of(apart)
    assert text.startswith("ST*271*0002")
    assert apart["found"][0]["member_id"] == "M0002"


# --- every body that the sandbox makes

WORDS = ("NOW-FOUND", "NOW-NOTHING", "NOW-UNSEARCHED", "NOW-SKIPPED", "NOW-HMO", "NOW-INELIGIBLE-CHAINED", "NOW-TWO")


@pytest.mark.parametrize("fault", ["", *QUIRKS])
def test_every_body_of_the_sandbox_goes_out_in_the_shape_of_the_schema(store: Store, fault: str) -> None:
    with Rig(fault, check=False) as rig:
        for n, words in enumerate(WORDS, 1):
            rig.task(words, n=n)
        for seq, task in enumerate(list(rig.sandbox.tasks), 1):
            record(store, task.id, ref=f"for {task.id}")
            for _ in range(2):
                keep(store, seq, rig.get(f"/coverage-discovery/{task.id}").content)
                while derive_fresh(store, NOW):
                    pass
        concluded = {row["id"] for row in store.read("SELECT id FROM tasks WHERE state = 'concluded'")}
    assert {told["id"] for told in everything(store)} == concluded
    assert concluded or fault in NO_DOCUMENT


NO_DOCUMENT = ("unknown_status", "no_status", "wrong_id")
"""With these the vendor's body is no document of a concluded task."""
