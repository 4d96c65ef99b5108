"""What JSON names: the bodies of answers to a POST, whole, doubled and cut; and JSON lines."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.errors import BadData
from worker.core.intake.intake import Intake, Recording
from worker.core.intake.json_bodies import from_body
from worker.core.intake.json_lines import from_jsonl_line

UUID = "0716e3e8-87ee-11ee-b9d1-0242ac120002"
CD = "/coverage-discovery"


def ids(intake: Intake) -> list[str]:
    return [recording.id for recording in intake.recordings]


# --- bodies ---


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"id": "a", "name": "Nightly"}, ["a"]),
        ({"id": "a", "name": None}, ["a"]),
        ({"id": "a"}, ["a"]),
        ({"id": "a", "status": "pending", "discoveryPaths": {"pending": []}, "realTime": {"id": "no"}}, ["a"]),
        (
            [{"status": 202, "body": {"id": "a", "name": "n"}, "href": f"{CD}/a"}, {"status": 201, "href": f"{CD}/b"}],
            ["a", "b"],
        ),
        ([{"status": 202, "body": {"id": "a"}}, {"status": 202, "body": {"id": "a"}}], ["a"]),
        ([{"id": "a", "discoveryPaths": {}}, {"id": "b", "discoveryPaths": {}}], ["a", "b"]),
    ],
)
def test_bodies_that_name_tasks(body: object, named: list[str]) -> None:
    intake = from_body(json.dumps(body).encode(), ref="r", correlation_id="c")
    assert ids(intake) == named
    assert (intake.unreadable, intake.notes) == ((), ())
    assert {(r.source, r.ref, r.correlation_id) for r in intake.recordings} == {("body", "r", "c")}


def test_the_name_of_a_task_is_its_title() -> None:
    assert from_body(b'{"id": "a", "name": "Nightly \\ud800"}').recordings == (Recording("a", "body", "Nightly ?"),)
    body = [{"status": 202, "body": {"id": "a", "name": "n"}, "href": f"https://h{CD}/a"}]
    assert from_body(json.dumps(body).encode()).recordings == (Recording("a", "body", "n", "h"),)


def test_what_was_not_accepted_is_noted_without_its_text() -> None:
    body = [
        {"status": 422, "body": "Jane Doe has no paths"},
        {"status": 200, "body": {"successful": [], "pending": []}},
        {"status": 202, "body": {"id": "a"}},
    ]
    intake = from_body(json.dumps(body).encode())
    assert ids(intake) == ["a"]
    assert intake.notes == (
        "item 1: status 422: no task was created",
        "item 2: status 200: a dry run, no task was created",
    )
    assert from_body(b'{"successful": [], "unsuccessful": [], "pending": []}') == Intake(
        notes=("the body is the answer of a dry run: no task was created",)
    )


@pytest.mark.parametrize(
    "item",
    [
        {"status": 202, "body": {"name": "Jane Doe"}},
        {"status": 202, "body": "accepted"},
        {"status": 202, "body": {"id": "a"}, "href": f"{CD}/b"},
        {"status": 202, "body": {"id": "x12"}},
        {"status": 202, "body": {"id": ["a"]}},
        {"status": 202, "href": f"{CD}/x12"},
        {"status": 202, "body": {"id": "a"}, "href": f"{CD}/"},
        {"status": 409, "href": f"{CD}/a"},
        {"status": "202", "body": {"id": "a"}},
        {"status": True, "body": {"id": "a"}},
        {"error": "Jane Doe"},
        "Jane Doe",
        None,
    ],
)
def test_an_item_that_cannot_be_read_is_kept_and_the_others_are_read(item: object) -> None:
    intake = from_body(json.dumps([item, {"status": 202, "body": {"id": "z"}}]).encode())
    assert ids(intake) == ["z"]
    (lost,) = intake.unreadable
    assert lost.raw == (item if isinstance(item, str) else json.dumps(item))
    assert lost.reason.startswith("item 1")
    assert "Doe" not in lost.reason


def test_an_object_with_a_bad_id_is_kept() -> None:
    for found in (None, "", "x12", 7, "a/b"):
        intake = from_body(json.dumps({"id": found, "name": "n"}).encode())
        assert intake.recordings == ()
        assert len(intake.unreadable) == 1


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b" \r\n", "is empty"),
        (b"<html>Jane Doe</html>", "is not JSON"),
        (b"\xff\xfe\x00", "is empty"),
        (b"Doe" * 200_000, "is not JSON"),
        (b"HTTP/1.1 202 Accepted\r\n\r\n{}", "is not JSON"),
        (b'["Jane Doe is not valid"]', "is an error"),
        (UUID.encode(), "holds ids alone"),
        (f'"{UUID}"'.encode(), "holds ids alone"),
        (json.dumps([UUID, UUID], indent=1).encode(), "holds ids alone"),
        (b'{"error": "access_token_expired", "error_description": "Jane Doe"}', "is an error"),
        (b'{"id": "a", "message": "Jane Doe"}', "is an error"),
        (b"[]", "not the answer"),
        (b"{}", "not the answer"),
        (b"7", "not the answer"),
        (b'{"status": "ok"}', "not the answer"),
        (b'{"id": "a", "status": "success", "stranger": 1}', "not the answer"),
        (b'{"id": "a", "sourceType": "new", "name": "n"}', "real-time check"),
        (b'{"id": "a", "status": {"value": "eligible"}, "name": "n"}', "real-time check"),
        (b'{"id": "a", "name": "n", "subscriber": {"lastName": "Doe"}}', "real-time check"),
        (b'{"id": "a", "name": "Commercial", "transaction": {"id": "b"}}', "real-time check"),
        (b'[{"id": "a", "status": {"value": "eligible"}}]', "transactions"),
    ],
)
def test_bodies_that_are_refused(data: bytes, words: str) -> None:
    with pytest.raises(BadData, match=words) as refused:
        from_body(data)
    assert refused.value.hint
    assert "Doe" not in refused.value.message + refused.value.hint
    if words == "real-time check":
        assert refused.value.hint == "its tasks are in the Link header: hand in its headers (--headers of record)"


# --- JSON lines ---


def line(**keys: object) -> bytes:
    return json.dumps(keys).encode()


@pytest.mark.parametrize(
    ("given_line", "named"),
    [
        (line(id="a"), ["a"]),
        (line(id=7), ["7"]),
        (line(link=f"<{CD}/a>; rel=related"), ["a"]),
        (line(link=[f"<{CD}/a>; rel=related", f"<{CD}/b>; rel=related"], location=f"{CD}/c"), ["a", "b", "c"]),
        (line(headers={"Link": f"<{CD}/a>; rel=related", "LOCATION": [f"{CD}/b"], "x": True}), ["a", "b"]),
        (line(headers=f"HTTP/1.1 202 Accepted\r\nlocation: {CD}/a"), ["a"]),
        (line(body={"id": "a", "name": "n"}), ["a"]),
        (line(body='{"id": "a", "name": "n"}'), ["a"]),
        (line(body=[{"status": 202, "body": {"id": "a"}}]), ["a"]),
        (line(body={"id": "t", "sourceType": "new"}, link=f"<{CD}/a>; rel=related"), ["a"]),
        (b"\xef\xbb\xbf" + line(id="a") + b"\r\n", ["a"]),
    ],
)
def test_lines_that_name_tasks(given_line: bytes, named: list[str]) -> None:
    intake = from_jsonl_line(given_line, place="line 3")
    assert ids(intake) == named
    assert intake.unreadable == ()
    assert {r.source for r in intake.recordings} == {"jsonl"}


def test_what_a_line_says_about_its_tasks() -> None:
    about = {
        "ref": "r",
        "correlation_id": "c",
        "trace_id": "t",
        "trace_number": 10,
        "originator_id": 9.50,
        "member_id": "m",
        "birth_date": "1970-01-02",
    }
    (found,) = from_jsonl_line(line(id="a", **about), place="line 1", ref="R", correlation_id="C").recordings
    assert found == Recording(
        "a",
        "jsonl",
        ref="r",
        correlation_id="c",
        trace_id="t",
        trace_number="10",
        originator_id="9.5",
        member_id="m",
        birth_date="1970-01-02",
    )
    headers = {
        "link": f"<{CD}/a>",
        "x-optum-correlation-id": "h",
        "x-optum-trace-id": "th",
        "date": "Sun Nov  6 08:49:37 1994",
    }
    (found,) = from_jsonl_line(line(headers=headers, id="a", ref=None), place="line 1", ref="R").recordings
    assert found == Recording("a", "jsonl", ref="R", correlation_id="h", trace_id="th", sent_at=784111777000)
    (found,) = from_jsonl_line(line(headers=headers), place="line 1", correlation_id="C").recordings
    assert found.correlation_id == "C"
    for secret in ("1970", "'m'", "'r'"):
        assert secret not in repr(Recording("a", "id", ref="r", member_id="m", birth_date="1970"))


@pytest.mark.parametrize(
    ("bad_line", "words"),
    [
        (b"{", "the JSON object is cut off or damaged"),
        (b'{"id": "a"', "the JSON object is cut off or damaged"),
        (b'{"id": "a\xff"}', "not UTF-8"),
        (b'{"id": "a", "ref": NaN}', "the JSON object is cut off or damaged"),
        (b"[" * 200_000, "not a JSON object: write one object a line"),
        (b'["a"]', "not a JSON object: write one object a line"),
        (b'[{"id": "a"}, {"id": "b"}]', "not a JSON object: write one object a line"),
        (b'"a"', "not a JSON object"),
        (UUID.encode(), "`record -` takes ids, one a line"),
        (b"HTTP/1.1 200 OK", "a dump of headers goes to --headers"),
        (line(id="", ref="Doe"), "id is empty"),
        (line(id="", body={}), "body and id are empty"),
        (line(link=" "), "link is empty"),
        (line(location=""), "location is empty"),
        (line(headers={}), "headers is empty"),
        (line(body=[]), "body is empty"),
        (line(body=" "), "body is empty"),
        (b"{}", "names nothing"),
        (line(ref="Doe"), "names nothing"),
        (line(links="Doe"), "links is not a key that is read: did you mean link?"),
        (line(ID="Doe"), "ID is not a key that is read: did you mean id?"),
        (line(task="Doe", ref="Doe"), "names nothing"),
    ],
)
def test_lines_that_are_kept_whole(bad_line: bytes, words: str) -> None:
    intake = from_jsonl_line(bad_line, place="line 12")
    assert intake.recordings == ()
    (lost,) = intake.unreadable
    assert lost.reason.startswith("line 12: ")
    assert words in lost.reason
    assert "Doe" not in lost.reason
    assert lost.raw[:1000] == bad_line.decode("utf-8", "backslashreplace")[:1000]


@pytest.mark.parametrize(
    ("keys", "words", "raw"),
    [
        ({"id": "x12"}, "id is not a task id", "x12"),
        ({"id": UUID[:-1]}, "id is a part of a UUID", UUID[:-1]),
        ({"body": [UUID]}, "body holds ids alone", f'["{UUID}"]'),
        ({"body": UUID}, "body holds ids alone", UUID),
        ({"id": {"a": "b"}}, "id is not text", '{"a": "b"}'),
        ({"link": 1.5j.imag}, "not a link", "1.5"),
        ({"link": True}, "link is not text", "true"),
        ({"headers": "Doe"}, "no HTTP response", "Doe"),
        ({"body": "Doe"}, "body is not JSON", "Doe"),
        ({"body": {"id": "t", "payer": "Doe"}}, "real-time", '{"id": "t", "payer": "Doe"}'),
        ({"body": ["Doe"]}, "is an error", '["Doe"]'),
    ],
)
def test_a_bad_value_is_kept_and_the_others_are_read(keys: dict[str, object], words: str, raw: str) -> None:
    (lost,) = from_jsonl_line(line(**keys), place="line 5").unreadable
    assert lost.reason.startswith("line 5: ")
    assert words in lost.reason
    assert "Doe" not in lost.reason
    assert lost.raw == raw
    beside = from_jsonl_line(line(location=f"{CD}/z", **keys), place="line 5")
    assert ids(beside) == ["z"]
    assert beside.unreadable == (() if "body" in keys else (lost,))
    assert bool(beside.notes) == ("body" in keys)


def test_lines_that_rightly_name_nothing() -> None:
    assert from_jsonl_line(b" \r\n", place="line 1") == Intake()
    empty: list[dict[str, Any]] = [{"link": None}, {"link": [], "headers": None}]
    for keys in [*empty, {"link": '</?x>; rel="next"', "ref": "r"}]:
        assert from_jsonl_line(line(**keys), place="line 4") == Intake(notes=("names no task",), without_task=1)
    for keys in ({"location": []}, {"id": None, "body": None}):
        assert from_jsonl_line(line(**keys), place="line 4") == Intake(notes=("names no task",))


@pytest.mark.parametrize(
    ("headers", "words", "count"),
    [
        ({"date": "x"}, "headers: no Link header names a task", 1),
        ({":status": 200}, "headers: no Link header names a task", 1),
        ({":status": 500}, "headers: status 500 is not a success: no task is named", 0),
        ({"Status": "503 Service Unavailable"}, "headers: status 503 is not a success: no task is named", 0),
    ],
)
def test_headers_that_name_no_task_are_noted(headers: dict[str, object], words: str, count: int) -> None:
    assert from_jsonl_line(line(headers=headers), place="line 4") == Intake(notes=(words,), without_task=count)


# --- any input ---

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from((CD + "/a", f"<{CD}/a>")),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(("id", "name", "status", "href", "body", "x")), inner)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(("id", "link", "location", "headers", "body", "ref", "x")), json_values))
def test_a_line_never_raises_and_never_says_nothing(record: dict[str, object]) -> None:
    intake = from_jsonl_line(json.dumps(record).encode(), place="line 1")
    assert intake.recordings or intake.unreadable or intake.notes


@given(st.binary(max_size=60))
def test_any_octets_make_a_line(data: bytes) -> None:
    intake = from_jsonl_line(data, place="line 1")
    assert bool(intake.unreadable) == bool(data.strip())
