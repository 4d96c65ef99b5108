"""Whatever an answer holds, reading it raises nothing, and nothing but the root status concludes."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.examples import examples
from tests.support.vendor_replies import ID, PATHS, body, read
from worker.core.instant import iso
from worker.core.vendor.document import parse_json
from worker.core.vendor.reply import Concluded, Reply

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
KEYS = ("id", "status", "discoveryPaths", "name", "realTime", "traceId", "startDateTime", "endDateTime", "endDatetime")
VALUES = st.sampled_from([ID, ID.upper(), "pending", "success", "failure", "eligible", "", None, {}, [], PATHS])
documents = st.recursive(
    scalars | VALUES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from((*KEYS, "successful", "pending", "transaction")) | st.text(max_size=5), inner, max_size=6
        )
    ),
    max_leaves=8,
)
tasks = st.dictionaries(st.sampled_from(KEYS), VALUES | documents, max_size=7)


def holds(said: bytes, status: int, reply: Reply) -> None:
    if not isinstance(reply, Concluded):
        return
    document = parse_json(said)
    assert status == 200
    assert isinstance(document, dict)
    assert document.get("status") == reply.document.outcome
    assert reply.document.outcome in ("success", "failure")
    assert str(document.get("id") or ID) == ID
    assert reply.document.body == said


@examples(200)
@given(tasks | documents, st.sampled_from([200, 200, 200, 202, 302, 401, 403, 404, 429, 500, 503]))
def test_no_json_raises_and_none_concludes_but_by_its_root_status(document: object, status: int) -> None:
    said = json.dumps(document).encode()
    holds(said, status, read(said, status, tenant="T1", tenant_id="T1"))


@examples(200)
@given(st.binary() | st.text().map(str.encode), st.integers(100, 999), st.none() | st.text())
def test_no_bytes_raise(said: bytes, status: int, header: str | None) -> None:
    holds(said, status, read(said, status, retry_after=header, tenant_id=header, trace_id=header, tenant="T1"))


@given(tasks, st.sampled_from(["success", "failure"]), st.floats(0, 1, exclude_max=True))
def test_no_part_of_a_body_concludes(document: dict[str, object], status: str, part: float) -> None:
    said = json.dumps(document | {"id": ID, "status": status}).encode()
    assert isinstance(read(said), Concluded)
    assert not isinstance(read(said[: int(len(said) * part)]), Concluded)


@pytest.mark.parametrize("key", ["startDateTime", "endDateTime"])
def test_an_instant_that_could_not_be_written_again_is_none(key: str) -> None:
    last = read(body(status="success", **{key: "9999-12-31T23:59:59.999Z"}))
    assert isinstance(last, Concluded)
    assert [iso(moment) for moment in (last.document.started_at, last.document.ended_at) if moment] == [
        "9999-12-31T23:59:59.999Z"
    ]
    beyond = read(body(status="success", **{key: "9999-12-31T23:59:59-23:59"}))
    assert isinstance(beyond, Concluded)
    assert (beyond.document.started_at, beyond.document.ended_at) == (None, None)
