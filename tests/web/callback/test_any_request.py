"""Any request to both endpoints: the OpenAPI document names its answer, and what is on the disk agrees with that."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from werkzeug.datastructures import Headers
from werkzeug.test import TestResponse

from tests.support.callback_world import BODY, FORMER, SECRET, CallbackWorld, basic
from tests.support.examples import examples
from worker.config.callback_keys import CALLBACK_PATH, TOKEN_PATH
from worker.core.vendor.callback import read_callback
from worker.core.vendor.document import Document, Fingerprint, fingerprint, parse_json
from worker.store.db.store import Store
from worker.web.callback.openapi import openapi

# What gunicorn lets through in a header.
LINE = st.text(
    st.characters(codec="latin-1", categories=None, exclude_characters="\x7f", min_codepoint=32), max_size=40
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)
NAMES = ("id", "status", "correlationId", "traceId", "endDateTime", "realTime", "discoveryPaths")


def mostly(usual: list[Any], odd: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """One of ``usual`` in three cases of four."""
    return st.integers(0, 3).flatmap(lambda n: st.sampled_from(usual) if n else odd)


DOCUMENTS = st.dictionaries(
    st.sampled_from(NAMES), mostly(["success", "failure", "pending", "a", "b-1", {}, None], JSON), max_size=2
)
BODIES = st.integers(0, 3).flatmap(
    lambda n: (
        DOCUMENTS.map(lambda odd: json.dumps(BODY | odd).encode())
        if n
        else st.binary(max_size=60) | JSON.map(json.dumps).map(str.encode)
    )
)
KINDS = mostly(
    ["application/json", "application/json;charset=utf-8", "a/b+json", None], st.sampled_from(["text/plain", ""]) | LINE
)
AUTHORIZATIONS = mostly(
    ["Bearer GOOD", "bearer  GOOD "],
    st.sampled_from([None, "Bearer GOOD, Bearer GOOD", "Bearer", "GOOD", "Basic GOOD", "Bearer\tGOOD"])
    | LINE.map("Bearer ".__add__)
    | LINE,
)
NAMED = st.sampled_from(["X-Optum-Tenant-Id", "X-Optum-Correlation-Id", "X-Optum-Trace-Id", "Content-Encoding"])
MORE = st.lists(st.tuples(NAMED, mostly(["", "ours"], st.just("gzip") | LINE)), max_size=3)

PAIR = {"client_id": "vendor", "client_secret": SECRET}
FIELDS = st.tuples(
    st.sampled_from([PAIR, {}]),
    st.dictionaries(
        st.sampled_from(["grant_type", "client_id", "client_secret", "scope", "resource"]),
        st.sampled_from(["client_credentials", "vendor", SECRET, "a b", "", None]) | JSON,
        max_size=1,
    ),
).map(lambda both: json.dumps({"grant_type": "client_credentials"} | both[0] | both[1]).encode())
FORMS = st.lists(
    mostly(["grant_type=", "client_id=vendor", "client_id=", f"client_secret={SECRET}", "scope=a", "x=y"], LINE),
    max_size=3,
).map(lambda fields: "&".join(["grant_type=client_credentials", *fields]).encode("latin-1"))
PROOFS = mostly(
    [basic("vendor", SECRET), None],
    st.sampled_from([basic("vendor", FORMER), basic("vendor", ""), basic("", ""), "Basic /w=="]) | LINE,
)
ASKED = st.one_of(
    st.tuples(st.just("application/json"), FIELDS),
    st.tuples(st.just("application/x-www-form-urlencoded"), FORMS),
    st.tuples(KINDS, FORMS | BODIES),
)


class Known(NamedTuple):
    world: CallbackWorld
    store: Store
    document: dict[str, Any]
    token: str
    quarantined: set[tuple[str | None, Fingerprint | bytes]]


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Known]:
    folder: Path = tmp_path_factory.mktemp("any")
    world = CallbackWorld(folder, "token_lifetime = 1d")
    section = world.config.callback
    assert section is not None
    with world.opens() as store:
        yield Known(world, store, openapi(section), world.token(), set())
    world.clerk.close()


def asked(known: Known, path: str, body: bytes, kind: str | None, named: list[tuple[str, str | None]]) -> TestResponse:
    """The answer; it is as the document says, and no failure of ours."""
    known.world.now += 500  # so that throttled sources are let in again
    headers = Headers([(name, value) for name, value in named if value is not None])
    answer = known.world.client.post(path, data=body, content_type=kind, headers=headers)
    assert answer.status_code < 500, known.world.log.lines[-1]
    said = known.document["paths"][path]["post"]["responses"][str(answer.status_code)]
    for name, header in said.get("headers", {}).items():
        assert name in answer.headers or not header.get("required"), name
    content = said.get("content", {})
    if content:
        schema = content[answer.content_type.partition(";")[0]]["schema"]
        value = answer.get_json() if answer.is_json else answer.get_data(as_text=True)
        Draft202012Validator({**schema, "components": known.document["components"]}).validate(value)
    else:
        assert answer.get_data() == b""
    return answer


def rows(known: Known) -> dict[str, int]:
    tables = ("tasks", "results", "bodies", "callback_tokens")
    return {name: known.store.read(f"SELECT count(*) AS n FROM {name}")[0]["n"] for name in tables}


@settings(parent=examples(100), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(authorization=AUTHORIZATIONS, kind=KINDS, body=BODIES, more=MORE)
def test_any_delivery(
    known: Known, authorization: str | None, kind: str | None, body: bytes, more: list[tuple[str, str]]
) -> None:
    shown = None if authorization is None else authorization.replace("GOOD", known.token)
    before = rows(known)
    answer = asked(known, CALLBACK_PATH, body, kind, [("Authorization", shown), *more])
    if answer.status_code != 204:
        assert rows(known) == before
        return
    assert shown is not None
    assert shown.split(" ")[0].lower() == "bearer"
    assert shown.split() == [shown.split()[0], known.token]
    tenant = ",".join(value for name, value in more if name == "X-Optum-Tenant-Id").strip() or None
    read = read_callback(body, tenant, "ours")
    if isinstance(read, Document):
        (row,) = known.store.read("SELECT state FROM tasks WHERE id = :id", {"id": read.id})
        assert read.outcome is None or row["state"] == "concluded"
        return
    content = parse_json(body)
    meant = (tenant, fingerprint(content) if isinstance(content, dict) else body)
    assert rows(known)["bodies"] == before["bodies"] + 1 or meant in known.quarantined
    known.quarantined.add(meant)


@settings(parent=examples(100), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(proof=PROOFS, sent=ASKED)
def test_any_request_for_a_token(known: Known, proof: str | None, sent: tuple[str | None, bytes]) -> None:
    kind, body = sent
    before = rows(known)
    given_one = asked(known, TOKEN_PATH, body, kind, [("Authorization", proof)]).status_code == 200
    assert rows(known) == before | {"callback_tokens": before["callback_tokens"] + given_one}
    if given_one:
        assert proof == basic("vendor", SECRET) or SECRET.encode() in body
