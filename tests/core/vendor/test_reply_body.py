"""From the body of a 200 to a reply: nothing concludes but the vendor's own word on this task."""

import json
from dataclasses import replace

import pytest

from tests.support.vendor_replies import DONE, ID, NOW, PATHS, body, read
from worker.core.vendor.document import MOST_PATHS, Document, finished_paths
from worker.core.vendor.reply import Concluded, Garbled, Pending


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (b"<!DOCTYPE html><html><body>success</body></html>", "html"),
        (b"\r\n  <html>", "html"),
        (b'<?xml version="1.0"?><status>success</status>', "html"),
        (b"", "not_json"),
        (b" ", "not_json"),
        (b"success", "not_json"),
        (b'{"id": "' + ID.encode() + b'", "status": "success"', "not_json"),
        (DONE + b"}", "not_json"),
        (DONE + DONE, "not_json"),
        (b'{"status": "success",}', "not_json"),
        (b"[" * 100_000, "not_json"),
        (b'{"a":' * 100_000, "not_json"),
        (b'{"status": ' + b"1" * 5_000 + b"}", "not_json"),
        (b"\x00" * 20, "not_json"),
        (b"\xff\xfe\xfd", "not_json"),
        (b"[]", "no_task"),
        (b'["Task is not found"]', "no_task"),
        (b"[" + DONE + b"]", "no_task"),
        (b'"success"', "no_task"),
        (b"17", "no_task"),
        (b"NaN", "no_task"),
        (b"true", "no_task"),
        (b"{}", "no_task"),
        (b'{"status": "success"}', "no_task"),
        (b'{"data": ' + DONE + b"}", "no_task"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_200_that_is_no_task(said: bytes, code: str) -> None:
    # null is no JSON value to tell from "no JSON", and no task either way.
    assert read(said) == Garbled(code)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (None, "no_status"),
        ("", "no_status"),
        (" ", "no_status"),
        ("succ ess", "unknown_status"),
        ("complete", "unknown_status"),
        ("error", "unknown_status"),
        (True, "unknown_status"),
        (1, "unknown_status"),
        (["success"], "unknown_status"),
        ({"value": "success"}, "unknown_status"),
        (float("nan"), "unknown_status"),
    ],
    ids=repr,
)
def test_a_root_status_that_nobody_knows_concludes_nothing(status: object, code: str) -> None:
    assert read(body(status=status, discoveryPaths=PATHS)) == Garbled(code)


@pytest.mark.parametrize("status", ["Success", "SUCCESS", "success ", "\tsuccess\r\n", "\u00a0Success"], ids=repr)
def test_case_and_blanks_of_a_root_status_mean_nothing(status: str) -> None:
    said = read(body(status=status, discoveryPaths=PATHS))
    assert isinstance(said, Concluded)
    assert said.document.outcome == "success"
    assert isinstance(read(body(status=status.lower().replace("success", "Pending"))), Pending)


def test_the_body_with_an_unknown_status_is_kept_and_no_other() -> None:
    said = body(status="done", discoveryPaths=PATHS)
    unknown, missing = read(said), read(body(status=""))
    assert isinstance(unknown, Garbled)
    assert isinstance(missing, Garbled)
    assert (unknown.body, missing.body) == (said, b"")


def test_only_the_root_status_counts() -> None:
    done = {"status": "success", "transaction": {"status": "eligible"}, "id": "p"}
    inner = {"successful": [done], "unsuccessful": [done], "pending": []}
    assert isinstance(read(body(discoveryPaths=inner, realTime={"transaction": {"status": "eligible"}})), Pending)
    without = json.dumps({"id": ID, "discoveryPaths": inner, "task": {"status": "success"}}).encode()
    assert read(without) == Garbled("no_status")
    failed = read(body(status="failure", discoveryPaths=inner))
    assert isinstance(failed, Concluded)
    assert failed.document.outcome == "failure"
    # A success without a successful path is the vendor's word all the same.
    assert isinstance(read(body(status="success", discoveryPaths={"skipped": []})), Concluded)


def test_a_pending_poll_tells_what_it_knows() -> None:
    said = body(
        name="Default",
        startDateTime="2027-01-15T07:59:00.123456789Z",
        correlationId="c",
        traceId="t, 1",
        endDateTime="",
    )
    told = Document("pending", said, ID, "Default", NOW - 60_000 + 123, None, "c", "t, 1")
    assert read(said) == Pending(told)
    # The header's trace is of this very request.
    assert read(said, trace_id="h") == Pending(replace(told, trace_id="h"))
    odd = body(name=["x"], startDateTime=17, correlationId={}, traceId=None)
    assert read(odd) == Pending(Document("pending", odd, ID))


@pytest.mark.parametrize(
    ("lists", "names"),
    [
        ({**PATHS, "pending": [{"name": "RTCOB", "transaction": {}}, {"name": "HMO"}]}, ("RTCOB", "HMO")),
        ({**PATHS, "successful": [{"name": "Medicare"}]}, ()),
        (
            {"pending": [{"name": "HMO"}, {"name": "HMO"}, {"id": "x"}, {"name": ""}, {"name": []}, "HMO", None]},
            ("HMO", "HMO"),
        ),
        ({"pending": [{"name": "HMO"}] * (MOST_PATHS + 1)}, ("HMO",) * MOST_PATHS),
        ({"pending": {"name": "HMO"}}, ()),
        ({}, ()),
        (None, ()),
        ("pending", ()),
    ],
)
def test_a_pending_poll_tells_which_paths_it_waits_for(lists: object, names: tuple[str, ...]) -> None:
    said = body(discoveryPaths=lists)
    finished = finished_paths({"discoveryPaths": lists})
    assert read(said) == Pending(Document("pending", said, ID, pending=names, finished=finished))


def test_a_concluded_poll_keeps_the_body_byte_for_byte() -> None:
    said = b' { "id" : "' + ID.encode() + b'" , "status":"failure", "name": "D\xc3\xa9fault" , "x": 1.0 }\r\n'
    reply = read(said, trace_id="h")
    assert isinstance(reply, Concluded)
    assert (
        reply.document.body,
        reply.document.outcome,
        reply.document.name,
        reply.document.trace_id,
        reply.document.paths,
    ) == (said, "failure", "Défault", "h", ())


@pytest.mark.parametrize(
    ("fields", "ended"),
    [
        ({"endDateTime": "2027-01-15T08:00:00Z"}, NOW),
        ({"endDatetime": "2027-01-15T08:00:00Z"}, NOW),
        ({"endDateTime": "2027-01-15T08:00:00.987654321Z"}, NOW + 987),
        ({"endDateTime": "2027-01-15T08:00:00.5"}, NOW + 500),
        ({"endDateTime": "2027-01-15T09:00:00+01:00"}, NOW),
        ({"endDateTime": "2027-01-15 08:00:00"}, NOW),
        ({"endDateTime": "", "endDatetime": "2027-01-15T08:00:00Z"}, NOW),
        ({"endDateTime": "2027-01-15T08:00:00Z", "endDatetime": "2020-01-01T00:00:00Z"}, NOW),
        ({"endDateTime": None}, None),
        ({"endDateTime": ""}, None),
        ({"endDateTime": "yesterday"}, None),
        ({"endDateTime": 1_800_000_000}, None),
        ({"endDateTime": "2027-13-45T99:99:99Z"}, None),
        ({"endDateTime": "0001-01-01T00:00:00Z"}, None),
        ({"endDateTime": "9999-12-31T23:59:59-23:59"}, None),
        ({}, None),
    ],
    ids=str,
)
def test_the_end_in_all_its_spellings(fields: dict[str, object], ended: int | None) -> None:
    reply = read(body(status="success", **fields))
    assert isinstance(reply, Concluded)
    assert reply.document.ended_at == ended


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1"])
def test_the_encodings_a_body_may_come_in(encoding: str) -> None:
    said = json.dumps({"id": ID, "status": "success", "name": "Défault"}, ensure_ascii=False).encode(encoding)
    reply = read(said)
    assert isinstance(reply, Concluded)
    assert (reply.document.name, reply.document.body) == ("Défault", said)


def test_odd_values_do_not_cost_a_result() -> None:
    half = b'{"id": "' + ID.encode() + b'", "status": "success", "name": "\\ud800 x", "n": NaN, "i": -Infinity, '
    half += b'"big": ' + b"9" * 4_000 + b', "far": 1e999, "discoveryPaths": {"pending": [{"name": "\\udfff"}]}}'
    reply = read(half)
    assert isinstance(reply, Concluded)
    assert (reply.document.name, [path.name for path in reply.document.paths]) == ("? x", ["?"])


def test_of_a_key_that_is_there_twice_the_last_counts() -> None:
    assert isinstance(read(body(status="success")[:-1] + b', "status": "pending"}'), Pending)
    assert read(body(status="success")[:-1] + b', "id": "another"}') == Garbled("wrong_id")


def test_a_body_as_deep_as_can_be_parsed_raises_nothing() -> None:
    for depth in (100, 300, 500, 700, 900, 950, 980, 990, 1000, 1100):
        said = body(status="success")[:-1] + b', "x": ' + b"[" * depth + b"]" * depth + b"}"
        assert read(said) == Garbled("not_json") or isinstance(read(said), Concluded)
