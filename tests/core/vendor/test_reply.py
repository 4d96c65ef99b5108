"""From an answer to a reply: the whole table, and that nothing concludes but the vendor's own word on this task."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.vendor.document import MOST_PATHS, Document
from worker.core.vendor.reply import (
    RETRY_AFTER_CAP_MS,
    Concluded,
    Garbled,
    HttpAnswer,
    Pending,
    RateLimited,
    Refused,
    Rejected,
    Reply,
    Unknown,
    Unreachable,
    read_reply,
    retry_after,
)

NOW = 1_800_000_000_000  # Fri, 15 Jan 2027 08:00:00 GMT
ID = "0e56C-87ee-11ee"
PATHS: dict[str, Any] = {"successful": [], "unsuccessful": [], "pending": [], "skipped": []}


def body(**fields: object) -> bytes:
    return json.dumps({"id": ID, "status": "pending"} | fields).encode()


def read(said: bytes, status: int = 200, *, tenant: str | None = None, **more: str | None) -> Reply:
    return read_reply(HttpAnswer(status, said, **more), ID, tenant, NOW)


DONE = body(status="success", discoveryPaths=PATHS)


# The statuses that are no 200.


@pytest.mark.parametrize(
    "said", [b"", DONE, b'["sorry"]', b"<html>", b"\xff"], ids=["empty", "done", "array", "html", "?"]
)
@pytest.mark.parametrize(
    ("status", "reply"),
    [
        (404, Unknown()),
        (422, Rejected("http_422")),
        (400, Rejected("http_400")),
        (405, Rejected("http_405")),
        (410, Rejected("http_410")),
        (499, Rejected("http_499")),
        (408, Unreachable("http_408")),
        (500, Unreachable("http_500")),
        (502, Unreachable("http_502")),
        (503, Unreachable("http_503")),
        (504, Unreachable("http_504")),
        (599, Unreachable("http_599")),
        (429, RateLimited("http_429")),
        (403, Refused("http_403")),
        (401, Refused("http_401")),
        (201, Garbled("http_201")),
        (202, Garbled("http_202")),
        (204, Garbled("http_204")),
        (206, Garbled("http_206")),
        (301, Garbled("redirect")),
        (304, Garbled("redirect")),
        (308, Garbled("redirect")),
        (101, Garbled("http_101")),
    ],
)
def test_no_status_but_200_concludes_whatever_its_body(status: int, reply: Reply, said: bytes) -> None:
    assert read(said, status) == reply


def test_a_503_is_about_us_only_with_retry_after() -> None:
    assert read(b"", 503, retry_after="5") == RateLimited("http_503", 5000)
    assert read(b"", 503, retry_after="soon") == RateLimited("http_503", None)
    assert read(b"", 503) == Unreachable("http_503")
    assert read(b"", 500, retry_after="5") == Unreachable("http_500")


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (b'{"error": "invalid_product", "error_description": "Jane Roe", "traceId": "x"}', "http_401_invalid_product"),
        (b'{"error": "access_token_expired"}', "http_401_access_token_expired"),
        (b'{"error": "Jane Roe"}', "http_401"),
        (b'{"error": "invalid_product\\n"}', "http_401"),
        (b'{"error": ["invalid_product"]}', "http_401"),
        (b'{"error": "' + b"a" * 41 + b'"}', "http_401"),
        (b'["invalid_product"]', "http_401"),
        (b"[" * 9_999, "http_401"),
        (b'{"error":' * 1_100, "http_401"),
        (b'{"error": "invalid_product"}' + b" " * 10_000, "http_401"),
    ],
)
def test_the_word_of_a_refusal_is_kept_only_where_it_is_a_plain_word(said: bytes, code: str) -> None:
    assert read(said, 401) == Refused(code)


# Retry-After.


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        ("0", 0),
        ("5", 5_000),
        (" 5 ", 5_000),
        ("2.5", 2_500),
        ("3600", RETRY_AFTER_CAP_MS),
        ("3601", RETRY_AFTER_CAP_MS),
        ("999999999999", RETRY_AFTER_CAP_MS),
        ("Fri, 15 Jan 2027 08:00:30 GMT", 30_000),
        ("fri, 15 jan 2027 08:00:30 gmt", 30_000),
        ("Friday, 15-Jan-27 08:00:30 GMT", 30_000),
        ("Fri Jan 15 08:00:30 2027", 30_000),
        ("Sat, 16 Jan 2027 08:00:00 GMT", RETRY_AFTER_CAP_MS),
        ("Fri, 15 Jan 2027 07:59:59 GMT", 0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", RETRY_AFTER_CAP_MS),
        ("-5", None),
        ("+5", None),
        ("1e3", None),
        ("5 s", None),
        ("5, 5", None),
        ("0x10", None),
        ("inf", None),
        ("nan", None),
        ("", None),
        ("soon", None),
        ("Fri, 30 Feb 2027 08:00:30 GMT", None),
        ("Fri, 15 Jan 2027 08:00:30 +0100", None),
        ("2027-01-15T08:00:30Z", None),
        ("9" * 500, None),
        (None, None),
    ],
)
def test_retry_after_in_both_forms_and_capped(value: str | None, wait: int | None) -> None:
    assert retry_after(value, NOW) == wait
    assert read(b"", 429, retry_after=value) == RateLimited("http_429", wait)


@given(st.text() | st.from_regex(r"[0-9]{1,14}(\.[0-9]*)?", fullmatch=True))
def test_no_retry_after_is_longer_than_the_cap_or_in_the_past(value: str) -> None:
    wait = retry_after(value, NOW)
    assert wait is None or 0 <= wait <= RETRY_AFTER_CAP_MS


# Whose body is it?


@pytest.mark.parametrize(
    ("fields", "reply"),
    [
        ({"id": ID.upper()}, Garbled("wrong_id")),
        ({"id": ID.lower()}, Garbled("wrong_id")),
        ({"id": ID + " "}, Garbled("wrong_id")),
        ({"id": "another"}, Garbled("wrong_id")),
        ({"id": "another", "discoveryPaths": PATHS}, Garbled("wrong_id")),
        ({"id": 17, "discoveryPaths": PATHS}, Garbled("wrong_id")),
        ({"id": True, "discoveryPaths": PATHS}, Garbled("wrong_id")),
        ({"id": [ID], "discoveryPaths": PATHS}, Garbled("wrong_id")),
        ({"id": {"id": ID}, "discoveryPaths": PATHS}, Garbled("wrong_id")),
        ({"id": None}, Garbled("no_task")),
        ({"id": ""}, Garbled("no_task")),
        ({"id": None, "discoveryPaths": []}, Garbled("no_task")),
        ({"id": None, "discoveryPaths": None}, Garbled("no_task")),
    ],
    ids=str,
)
def test_another_tasks_body_is_never_taken_for_this_ones(fields: dict[str, object], reply: Reply) -> None:
    assert read(body(**({"status": "success"} | fields))) == reply


@pytest.mark.parametrize("missing", [None, ""])
def test_a_body_without_an_id_is_this_tasks_if_it_looks_like_a_task(missing: str | None) -> None:
    # The vendor marks nothing as required, not even the id.
    assert isinstance(read(body(id=missing, status="success", discoveryPaths=PATHS)), Concluded)
    assert isinstance(read(json.dumps({"status": "failure", "discoveryPaths": {}}).encode()), Concluded)
    assert read(b'{"status": "success"}') == Garbled("no_task")


def test_a_number_is_an_id_where_it_is_the_one_that_was_asked_for() -> None:
    assert isinstance(read_reply(HttpAnswer(200, b'{"id": 17, "status": "success"}'), "17", None, NOW), Concluded)
    assert read_reply(HttpAnswer(200, b'{"id": 18, "status": "success"}'), "17", None, NOW) == Garbled("wrong_id")


def test_another_tenants_body_is_not_stored() -> None:
    assert read(DONE, tenant="T1", tenant_id="T2") == Garbled("other_tenant")
    assert read(DONE, tenant="T1", tenant_id="t1") == Garbled("other_tenant")
    # No header, or none configured: nothing to compare.
    for tenant, echoed in (("T1", "T1"), ("T1", None), ("T1", ""), (None, "T2")):
        assert isinstance(read(DONE, tenant=tenant, tenant_id=echoed), Concluded)


# What does it say?


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
        ("Success", "unknown_status"),
        ("SUCCESS", "unknown_status"),
        ("success ", "unknown_status"),
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
    assert read(said) == Pending(Document("pending", said, ID, pending=names))


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
