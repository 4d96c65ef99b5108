"""Coverage to bill as ``cdpoll found`` has it: one line for each coverage and ref, with its number."""

import json
from typing import Any

import pytest

from tests.support.batch_files import read
from tests.support.database import NOW, conclude, record, seq_of
from tests.support.polled_bodies import ANOTHER_PAYER, INACTIVE, a_body, a_path, says
from tests.support.x12_samples import ACTIVE
from worker.core.vendor.findings import each_once
from worker.core.x12.codes import REJECTIONS
from worker.core.x12.issues import MESSAGES
from worker.store import outbox
from worker.store.db.store import Store
from worker.store.views import found

Line = dict[str, Any]


def lines(store: Store, **narrowed: Any) -> list[Line]:
    return [line for page in found.found_pages(store, **narrowed) for line in page]


def short(store: Store, *keys: str, **narrowed: Any) -> list[tuple[Any, ...]]:
    return [tuple(line[key] for key in keys) for line in lines(store, **narrowed)]


def test_a_line_has_what_is_promised(store: Store) -> None:
    record(store, "a", ref="account 7")
    conclude(store, a_body(successful=[a_path(says())]))
    assert lines(store) == [
        {
            "seq": 1,
            "id": "a",
            "ref": "account 7",
            "patient": {"last_name": "HOLDER", "first_name": "ANN", "birth_date": "1970-02-03", "level": "subscriber"},
            "payer": "PLAN OF PLENTY",
            "payer_id": "PAY",
            "member_id": "M0001",
            "plan": "SILVER",
            "group_number": None,
            "group_name": None,
            "begins": None,
            "ends": None,
            "trace_number": "OURS-1",
            "account": None,
            "subtenant": None,
            "list": "successful",
            "path": "Medicare",
            "source": "poll",
            "provisional": False,
            "warnings": [],
            "kind": "active",
            "match": None,
            "file": None,
            "visible_at": "2027-01-15T08:01:00Z",
        }
    ]


def test_an_answer_tells_its_own_coverage_and_each_other_payers(store: Store) -> None:
    record(store, "a")
    conclude(store, a_body(unsuccessful=[a_path(says(ACTIVE, *ANOTHER_PAYER[1:]), "ineligible")], status="failure"))
    own, other = lines(store)
    assert (own["kind"], own["payer"], own["plan"], own["member_id"]) == ("active", "PLAN OF PLENTY", "SILVER", "M0001")
    told = ("kind", "payer", "payer_id", "plan", "member_id", "begins", "ends", "group_number")
    assert tuple(other[key] for key in told) == ("other_payer", "OVERDALE MUTUAL", "OVER1", "GOLD", *[None] * 4)
    assert other["patient"] == own["patient"]
    assert (own["seq"], other["seq"]) == (1, 1)


def say(store: Store, columns: Line, **said: Any) -> None:
    """Let every answer say something else."""
    with store.write():
        for row in store.read("SELECT seq, said FROM answers"):
            wanted = {**columns, "said": json.dumps({**json.loads(row["said"]), **said})}
            sets = ", ".join(f"{name} = :{name}" for name in wanted)
            store.execute(f"UPDATE answers SET {sets} WHERE seq = :seq", {**wanted, "seq": row["seq"]})


def test_a_payer_that_has_ended_is_no_line_and_a_managed_care_plan_is_one(store: Store) -> None:
    record(store, "a")
    conclude(store, a_body(status="failure", unsuccessful=[a_path(says(INACTIVE), "ineligible")]))
    plan = {
        "name": "PLAN OF CARE",
        "member_id": "M77",
        "begins": "2026-02-01",
        "ends": "2026-12-31",
        "group_number": "G9",
    }
    say(
        store,
        {"managed_care": "PLAN OF CARE", "other_payers": "LASTING", "begins": "1999-01-01", "ends": "1999-12-31"},
        managed_care=[plan],
        other_payers=[{"name": "OVER", "ended": True}, {"name": "LASTING"}],
        to_ask=[{"name": "ASK ME"}],
    )
    assert short(store, "kind", "payer", "member_id", "begins", "ends", "group_number") == [
        ("other_payer", "LASTING", None, None, None, None),
        ("managed_care", "PLAN OF CARE", "M77", "2026-02-01", "2026-12-31", "G9"),
    ]


def test_what_an_earlier_reader_did_not_say_is_named_all_the_same(store: Store) -> None:
    record(store, "a")
    conclude(store, a_body(status="failure", unsuccessful=[a_path(says(INACTIVE), "ineligible")]))
    say(store, {"other_payers": "ONE; OTHER"}, other_payers=[])
    assert short(store, "kind", "payer") == [("other_payer", "ONE"), ("other_payer", "OTHER")]


@pytest.mark.parametrize(
    ("text", "code", "payer"), [(None, "no_271", None), (says(INACTIVE), "271_says_otherwise", "PLAN OF PLENTY")]
)
def test_a_path_without_an_answer_that_says_so_is_a_line_with_a_warning(
    store: Store, text: str | None, code: str, payer: str | None
) -> None:
    record(store, "a")
    conclude(store, a_body(successful=[a_path(text)]))
    (line,) = lines(store)
    assert (line["kind"], line["payer"], line["payer_id"]) == ("path", payer, "PAY")
    assert [one["code"] for one in line["warnings"]] == [code]


def test_warnings_are_codes_with_words(store: Store) -> None:
    record(store, "a")
    conclude(store, a_body(successful=[a_path(says(ACTIVE, ("AAA", "N", "", "75", "C")))]))
    say(store, {"warnings": "se_count some_new_code", "rejections": "75 75"})
    (line,) = lines(store)
    assert line["warnings"] == [
        {"code": "se_count", "message": MESSAGES["se_count"]},
        {"code": "some_new_code", "message": "some_new_code"},
        {"code": "aaa_75", "message": REJECTIONS["75"]},
    ]


# --- refs and numbers


def test_each_ref_has_a_line_with_the_number_it_got(store: Store) -> None:
    record(store, "a", ref="one")
    record(store, "a", ref="two")
    record(store, "b")
    conclude(store, a_body(successful=[a_path(says())]))
    conclude(store, a_body("b", successful=[a_path(says(member="M0002"))]), seq_of(store, "b"))
    record(store, "b", ref="late")
    record(store, "a", ref="late", now=NOW + 99_000)
    assert short(store, "seq", "id", "ref") == [(1, "a", "one"), (2, "a", "two"), (4, "b", "late"), (5, "a", "late")]
    assert [line["visible_at"] for line in lines(store, ref="late")] == ["2027-01-15T08:00:00Z", "2027-01-15T08:01:39Z"]


def test_an_answer_of_a_batch_has_a_number_for_each_ref_of_its_task(store: Store) -> None:
    record(store, "a", ref="one", trace_number="OURS-1", originator_id="9000000001", member_id="M0001")
    record(store, "a", ref="two")
    read(store, says() + says(member="M0002", control="0002"))
    record(store, "a", ref="late")
    keys = ("seq", "id", "ref", "match", "source", "file", "member_id")
    joined = ("matched", "batch", "batch.x12", "M0001")
    apart = (2, None, None, "candidate", "batch", "batch.x12", "M0002")
    assert short(store, *keys) == [
        (1, "a", "one", *joined),
        apart,
        (3, "a", "two", *joined),
        (4, "a", "late", *joined),
    ]


def test_a_ref_that_comes_just_before_a_file_is_shown_has_a_number(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(store, "a", ref="one", trace_number="OURS-1", originator_id="9000000001", member_id="M0001")
    real = outbox.further_refs

    def further_refs(store: Store, shown: outbox.FileAnswers) -> outbox.FurtherRefs:
        found = real(store, shown)
        if not found.found:
            record(store, "a", ref="two")
        return found

    with monkeypatch.context() as patched:
        patched.setattr(outbox, "further_refs", further_refs)
        read(store, says())
    assert short(store, "seq", "ref") == [(1, "one"), (2, "two")]


def test_what_a_batch_and_a_poll_both_brought_is_one_line(store: Store) -> None:
    record(store, "a", ref="one")
    conclude(store, a_body(successful=[a_path(says())]))
    read(store, says())
    assert short(store, "seq", "source") == [(1, "poll")]


# --- which


def test_lines_of_one_ref_one_task_and_one_result(store: Store) -> None:
    record(store, "a", ref="one")
    record(store, "a", ref="two")
    record(store, "b", ref="two")
    for seq, task in enumerate("ab", 1):
        conclude(store, a_body(task, successful=[a_path(says(member=f"M000{seq}"))]), seq_of(store, task))
    assert short(store, "id", "ref", ref="two") == [("a", "two"), ("b", "two")]
    assert short(store, "id", "ref", task=1) == [("a", "one"), ("a", "two")]
    assert short(store, "id", "ref", result=2) == [("b", "two")]
    assert short(store, "id", ref="nobody's") == []


def test_lines_since_an_instant_are_of_what_became_visible_then_or_later(store: Store) -> None:
    for seq, task in enumerate("abc", 1):
        record(store, task)
        conclude(store, a_body(task, successful=[a_path(says(member=f"M000{seq}"))]), seq, now=NOW + seq * 1000)
    assert short(store, "id", since_ms=NOW + 2000) == [("b",), ("c",)]
    assert short(store, "id", since_ms=NOW + 2001) == [("c",)]
    assert short(store, "id", since_ms=NOW + 4000) == []
    assert short(store, "id", task=1, since_ms=NOW + 2000) == []
    record(store, "a", ref="late", now=NOW + 5000)
    assert short(store, "id", "ref", since_ms=NOW + 4000) == [("a", "late")]


def test_a_number_of_an_earlier_release_has_no_time_and_is_seen_without_since(store: Store) -> None:
    record(store, "a")
    conclude(store, a_body(successful=[a_path(says())]))
    with store.write():
        store.execute("UPDATE outbox SET at = NULL")
    assert short(store, "id", "visible_at") == [("a", None)]
    assert short(store, "id", since_ms=0) == []


def test_pages_are_short_and_whole(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(found, "PAGE_ROWS", 2)
    for seq in range(1, 6):
        record(store, f"t{seq}", ref="all")
        conclude(store, a_body(f"t{seq}", successful=[a_path(says(member=f"M000{seq}"))]), seq)
    read(store, "".join(says(member=f"M1{n}", control=f"{n:04d}") for n in range(3)))
    pages = list(found.found_pages(store))
    assert [len(page) for page in pages] == [2, 2, 2, 2]
    assert [line["seq"] for page in pages for line in page] == list(range(1, 9))
    assert [len(page) for page in found.found_pages(store, ref="all")] == [2, 2, 1]
    assert len(lines(store, since_ms=0)) == 8


def test_a_coverage_that_several_answers_tell_is_told_once_with_the_warnings_of_all(store: Store) -> None:
    record(store, "a", ref="one")
    record(store, "a", ref="two")
    same = [a_path(says(control=f"000{n}"), name=name) for n, name in enumerate(("Medicare", "HMO", "RTCOB"), 1)]
    none = [a_path(None, name=name) for name in ("Medicaid", "Search")]
    conclude(store, a_body(successful=[*same, *none, a_path(says(member="M7"), name="Other")]))
    with store.write():
        store.execute("UPDATE answers SET warnings = 'se_count' WHERE seq = 2")
        store.execute("UPDATE answers SET warnings = 'se_count deceased' WHERE seq = 3")
    whole = [line for page in found.found_pages(store) for line in page]
    once = [line for page in found.found_pages(store) for line in each_once(page)]
    assert (len(whole), len(once)) == (12, 8)
    assert [(line["seq"], line["path"], line["member_id"]) for line in once[:4]] == [
        (1, "Medicaid", None),
        (1, "Search", None),
        (1, "Medicare", "M0001"),
        (1, "Other", "M7"),
    ]
    assert [one["code"] for one in once[2]["warnings"]] == ["se_count", "deceased"]


def test_one_answer_in_several_places_of_a_body_is_one_line_of_the_path_that_found_it(store: Store) -> None:
    record(store, "a")
    other = a_path(says(), name="HMO", payer="87726")
    conclude(store, a_body(unsuccessful=[other], successful=[a_path(says())], real_time=says()))
    assert short(store, "list", "payer_id") == [
        ("successful", "PAY"),
        ("unsuccessful", "87726"),
        ("realTime", "PLENTY"),
    ]
    assert [(one["list"], one["payer_id"]) for one in each_once(lines(store))] == [("successful", "PAY")]


def test_so_it_is_where_the_member_has_no_number(store: Store) -> None:
    record(store, "a")
    text = says(member="")
    conclude(store, a_body(successful=[a_path(text, payer="87726")], real_time=text))
    assert short(store, "payer_id", "member_id") == [("87726", None), ("PLENTY", None)]
    assert [(one["list"], one["payer_id"]) for one in each_once(lines(store))] == [("successful", "87726")]


def test_an_answer_without_a_member_s_number_and_with_another_of_its_own_is_another(store: Store) -> None:
    record(store, "a")
    first, second = says(member=""), says(member="").replace("OURS-1", "OURS-2")
    conclude(store, a_body(successful=[a_path(first, payer="87726"), a_path(second, name="HMO", payer="60054")]))
    assert [one["payer_id"] for one in each_once(lines(store))] == ["87726", "60054"]
