"""The body of a task, read tolerantly; and when two bodies of one task are the same."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.vendor.document import (
    LISTS,
    MOST_PATHS,
    Document,
    Fingerprint,
    NoDocument,
    fingerprint,
    finished_paths,
    read_document,
    read_paths,
    text,
)

X12 = "ISA*00*~"


def path(name: str = "Medicare", status: str = "ineligible", **more: Any) -> dict[str, Any]:
    entry = {"id": "p-" + name, "name": name, "timestamp": "2027-01-15T08:00:00Z"}
    return entry | {"transaction": {"id": "t", "status": status, "chcPayerId": "CMS", "x12-271": X12}} | more


def document(**more: Any) -> dict[str, Any]:
    lists = {"successful": [path("Commercial", "eligible")], "unsuccessful": [path("A"), path("B")], "skipped": []}
    base = {
        "id": "x",
        "status": "success",
        "traceId": "a",
        "tenantName": "n",
        "type": "serial",
        "discoveryPaths": lists,
    }
    return base | more


# The document, as a callback brings it: nothing but a body.


def test_a_concluded_document_is_read_whole() -> None:
    content = document(startDateTime="2027-01-15T08:00:00Z", endDatetime="2027-01-15T08:00:01Z", correlationId="c")
    body = json.dumps(content).encode()
    begin = 1_800_000_000_000
    assert read_document(body, None) == Document(
        status="success",
        body=body,
        id="x",
        started_at=begin,
        ended_at=begin + 1000,
        correlation_id="c",
        trace_id="a",
        paths=read_paths(content),
        fingerprint=fingerprint(content),
    )


@pytest.mark.parametrize("asked_id", [None, "x"])
@pytest.mark.parametrize(
    ("status", "outcome"), [("pending", None), ("success", "success"), ("failure", "failure")], ids=str
)
def test_the_root_status_is_the_outcome(asked_id: str | None, status: str, outcome: str | None) -> None:
    read = read_document(json.dumps(document(status=status)).encode(), asked_id)
    assert isinstance(read, Document)
    assert (read.id, read.status, read.outcome) == ("x", status, outcome)


@pytest.mark.parametrize(
    ("body", "asked_id", "code"),
    [
        (b"<html>", None, "html"),
        (b"", None, "not_json"),
        (b"[]", None, "no_task"),
        (b'{"status": "success", "discoveryPaths": {}}', None, "no_task"),
        (b'{"id": "", "status": "success", "discoveryPaths": {}}', None, "no_task"),
        (b'{"id": {}, "status": "success", "discoveryPaths": {}}', None, "no_task"),
        (b'{"status": "success"}', "x", "no_task"),
        (b'{"id": "y", "status": "success"}', "x", "wrong_id"),
        (b'{"id": "x"}', None, "no_status"),
        (b'{"id": "x", "status": "done"}', None, "unknown_status"),
    ],
)
def test_what_says_nothing_certain_of_a_task_is_no_document(body: bytes, asked_id: str | None, code: str) -> None:
    assert read_document(body, asked_id) == NoDocument(code)


def test_a_body_without_an_id_is_of_the_task_asked_for_where_it_has_paths() -> None:
    read = read_document(b'{"status": "success", "discoveryPaths": {}}', "x")
    assert isinstance(read, Document)
    assert read.id == "x"


def test_no_body_stands_in_a_representation() -> None:
    read = read_document(json.dumps(document(name="N")).encode(), None)
    assert "ISA" not in repr(read)
    assert "successful" not in repr(read)


# Paths.


def test_a_path_is_read_with_the_list_it_stood_in() -> None:
    body = document(discoveryPaths={"unsuccessful": [path("A"), path("B")], "successful": [path("C", "eligible")]})
    read = read_paths(body)
    assert [(p.list, p.position, p.name, p.status) for p in read] == [
        ("successful", 0, "C", "eligible"),
        ("unsuccessful", 0, "A", "ineligible"),
        ("unsuccessful", 1, "B", "ineligible"),
    ]
    first = read[0]
    assert (first.path_id, first.payer_id, first.transaction_id, first.x12) == ("p-C", "CMS", "t", X12)
    assert (first.timestamp, first.reason) == ("2027-01-15T08:00:00Z", None)


def test_what_samples_get_wrong_costs_no_path() -> None:
    odd: list[Any] = [
        {"id": "", "name": "RTCOB", "reason": "cached", "timestamp": "2027-01-15T08:50:00Z"},
        {"name": "Medicaid", "transaction": {}},
        {"name": "Search - a, b, c"},
        {"name": "Spelling", "transaction": {"status": "eligibile", "payeridCHANGE_ME": "P1"}},
        {"name": "Broken", "transaction": {"status": "processing_error"}},
        {"name": "Broken", "transaction": {"status": "processing_error"}},
        {"name": 17, "id": 1.5, "transaction": None},
        {},
    ]
    read = read_paths({"discoveryPaths": {"skipped": odd}})
    assert len(read) == len(odd)
    assert [p.position for p in read] == list(range(len(odd)))
    assert (read[0].path_id, read[0].reason, read[0].status) == (None, "cached", None)
    assert (read[2].name, read[2].status) == ("Search - a, b, c", None)
    assert (read[3].status, read[3].payer_id) == ("eligibile", "P1")
    assert (read[4].name, read[4].x12) == ("Broken", None)
    assert (read[6].name, read[6].path_id) == ("17", "1.5")
    assert read[7].name is None


@pytest.mark.parametrize(
    "lists",
    [
        None,
        [],
        "x",
        {},
        {"successful": None},
        {"successful": "x"},
        {"successful": {"a": 1}},
        {"successful": [None, 1, "x", []]},
    ],
    ids=str,
)
def test_what_is_no_list_of_paths_has_none(lists: object) -> None:
    assert read_paths({"discoveryPaths": lists}) == ()


def test_one_bad_entry_costs_only_itself() -> None:
    read = read_paths(
        {"discoveryPaths": {"successful": ["x", path("A")], "unsuccessful": None, "elsewhere": [path("B")]}}
    )
    assert [(p.name, p.position) for p in read] == [("A", 1)]


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("a", "a"),
        ("", None),
        (None, None),
        (True, None),
        (0, "0"),
        (1.5, "1.5"),
        ([], None),
        ({}, None),
        ("\ud800a", "?a"),
    ],
    ids=repr,
)
def test_a_scalar_as_text(value: object, read: str | None) -> None:
    assert text(value) == read


# Same, or different?


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    a, b = fingerprint(one), fingerprint(other)
    assert a.same_as(b) == b.same_as(a)
    return a.same_as(b)


def test_what_says_nothing_of_the_task_makes_no_difference() -> None:
    assert same(document(), document(traceId="another", tenantName="m"))
    assert same(document(), {k: v for k, v in document().items() if k not in ("traceId", "tenantName")})
    assert same(document(), dict(reversed(document().items())))
    turned = copy.deepcopy(document())
    turned["discoveryPaths"]["unsuccessful"].reverse()
    turned["discoveryPaths"] = dict(reversed(turned["discoveryPaths"].items()))
    assert same(document(), turned)


@pytest.mark.parametrize(
    "change",
    [
        {"status": "failure"},
        {"name": "x"},
        {"endDateTime": "2027-01-15T08:00:00Z"},
        {"discoveryPaths": {"unsuccessful": [path("A"), path("B")], "skipped": []}},
        {"discoveryPaths": None},
        {"extra": [2, 1]},
    ],
    ids=str,
)
def test_everything_else_does(change: dict[str, Any]) -> None:
    assert not same(document(extra=[1, 2]), document(extra=[1, 2]) | change)


def test_a_path_is_not_lost_for_being_there_twice() -> None:
    twice = {"unsuccessful": [path("A"), path("A")]}
    assert not same(document(discoveryPaths=twice), document(discoveryPaths={"unsuccessful": [path("A")]}))


def test_a_change_inside_a_path_is_one() -> None:
    changed = document()
    changed["discoveryPaths"]["successful"][0]["transaction"]["x12-271"] += "~"
    assert not same(document(), changed)


@pytest.mark.parametrize("nothing", [{}, {"realTime": None}, {"realTime": {}}], ids=str)
def test_a_body_without_the_real_time_answer_is_the_same_as_one_with_it(nothing: dict[str, Any]) -> None:
    full = document(realTime=path("RT", "eligible"))
    assert same(document(**nothing), full)
    assert same(document(**nothing), document())
    assert fingerprint(document(**nothing)).real_time is None
    assert fingerprint(full).real_time is not None
    assert not same(full, document(realTime=path("RT", "ineligible")))
    assert not same(document(status="failure"), full)


def test_a_fingerprint_holds_hashes_and_nothing_of_the_body() -> None:
    found = fingerprint(document(name="Jane Roe", realTime=path("Jane Roe")))
    assert isinstance(found, Fingerprint)
    assert all(len(part) == 64 and int(part, 16) >= 0 for part in (found.body, found.real_time or ""))


inner = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda part: st.lists(part, max_size=4) | st.dictionaries(st.text(max_size=5), part, max_size=4),
    max_leaves=10,
)
bodies = st.fixed_dictionaries(
    {},
    optional={
        "id": inner,
        "realTime": inner,
        "x": inner,
        "discoveryPaths": inner | st.dictionaries(st.sampled_from(LISTS), inner),
    },
)


@given(bodies)
def test_any_object_has_a_fingerprint_that_outlives_a_round_trip(body: dict[str, Any]) -> None:
    again = json.loads(json.dumps(body, indent=3))
    assert fingerprint(body) == fingerprint(again)
    assert fingerprint(body).same_as(fingerprint(body))
    assert all(p.list in LISTS for p in read_paths(body))


@given(st.lists(inner, max_size=6), st.randoms(use_true_random=False))
def test_the_order_of_a_list_of_paths_never_matters(paths: list[Any], random: Any) -> None:
    shuffled = list(paths)
    random.shuffle(shuffled)
    assert same({"discoveryPaths": {"pending": paths}}, {"discoveryPaths": {"pending": shuffled}})


def test_no_more_paths_are_read_than_any_customer_has() -> None:
    assert (
        len(read_paths({"discoveryPaths": {"successful": [{}] * (MOST_PATHS + 5), "skipped": [{}]}})) == MOST_PATHS + 1
    )


# What has finished of a task that is still pending.

BENEFITS = "ISA*00*~ST*271*1~EB*6**30~"
REJECTED = "ISA*00*~ST*271*1~NM1*IL*1*DEBRA~AAA*N**75*C~"


def told(x12: Any, name: str = "Medicare") -> dict[str, Any]:
    return {"name": name, "transaction": {"status": "ineligible", "x12-271": x12}}


def test_of_a_pending_document_the_finished_paths_are_read_and_of_a_concluded_one_they_are_not() -> None:
    pending = read_document(json.dumps(document(status="pending")).encode(), None)
    concluded = read_document(json.dumps(document()).encode(), None)
    assert isinstance(pending, Document)
    assert isinstance(concluded, Document)
    assert (bool(pending.finished), pending.paths, concluded.finished) == (True, (), b"")


@pytest.mark.parametrize(
    ("lists", "kept"),
    [
        ({}, {}),
        ({"successful": [], "pending": [told(BENEFITS)], "skipped": [told(BENEFITS)]}, {}),
        ({"unsuccessful": [told(None), told(REJECTED), told("string"), told(7), {"transaction": []}, {}]}, {}),
        ({"unsuccessful": [told(REJECTED), told(BENEFITS)]}, {"unsuccessful": [told(BENEFITS)]}),
        ({"unsuccessful": [told(BENEFITS.lower())]}, {"unsuccessful": [told(BENEFITS.lower())]}),
        ({"successful": [{"name": "HMO"}, "odd", None]}, {"successful": [{"name": "HMO"}]}),
        ({"successful": {}, "unsuccessful": "odd"}, {}),
        ([], {}),
    ],
)
def test_finished_are_successful_paths_and_those_whose_271_has_benefits(lists: Any, kept: Any) -> None:
    found = finished_paths({"discoveryPaths": lists})
    assert (
        found == b""
        if not kept
        else json.loads(found)["discoveryPaths"] == {"successful": [], "unsuccessful": []} | kept
    )


def test_the_same_finished_paths_make_the_same_bytes() -> None:
    one, other = told(BENEFITS, "A"), told(BENEFITS, "B")
    first = finished_paths({"traceId": "1", "discoveryPaths": {"successful": [one, other], "pending": [{"name": "C"}]}})
    assert finished_paths({"traceId": "2", "discoveryPaths": {"successful": [other, one]}}) == first
    assert finished_paths({"discoveryPaths": {"successful": [one]}}) != first
    assert finished_paths({"discoveryPaths": {"unsuccessful": [one, other]}}) != first


def test_finished_paths_too_deep_to_be_written_are_left_for_the_end() -> None:
    deep: Any = {}
    for _ in range(100_000):
        deep = {"deeper": deep}
    assert finished_paths({"discoveryPaths": {"successful": [{"name": "HMO", "more": deep}]}}) == b""
    # It is taken apart here: Python would do it by recursion, which ends the process.
    while deep:
        deep = deep.pop("deeper")
