"""The OpenAPI document: it is sound, its examples are taken, and it names the answer to any request."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from werkzeug.test import TestResponse

from tests.support.examples import examples
from tests.support.intake_world import A, B, IntakeWorld, link
from tests.support.json_parts import inside
from worker.web.intake.openapi import DOCUMENT
from worker.web.intake.tasks import JSON_KINDS, LINES_KINDS, MAX_BODY_BYTES, MOST_ITEMS

OPENAPI: dict[str, Any] = json.loads(DOCUMENT.read_text())
POST = OPENAPI["paths"]["/v1/tasks"]["post"]
SENT = POST["requestBody"]["content"]

KEYS = st.sampled_from([*OPENAPI["components"]["schemas"]["Task"]["properties"], "refs", "other"])
VALUES: st.SearchStrategy[Any] = (
    st.sampled_from([A, B, link(A), link(B), "R", "", None, [], {}, f"/coverage-discovery/{A}", {"link": link(A)}])
    | st.text(st.characters(codec=None), max_size=12)
    | st.integers()
)
LINES = st.dictionaries(KEYS, VALUES, max_size=3)
BODIES = (
    LINES.map(json.dumps).map(str.encode)
    | st.lists(LINES, max_size=3).map(json.dumps).map(str.encode)
    | st.lists(LINES, max_size=3).map(lambda lines: "\n".join(map(json.dumps, lines)).encode())
    | st.binary(max_size=40)
)
KINDS = st.sampled_from([*JSON_KINDS, *LINES_KINDS, "application/json;charset=latin-1", "text/plain", ""])
TEXT = st.text(
    st.characters(codec="latin-1", categories=None, exclude_characters="\x7f", min_codepoint=32), max_size=30
)
NAMED = st.sampled_from(
    ["Link", "Location", "Date", "X-Cdpoll-Ref", "X-Cdpoll-Subtenant", "X-Optum-Correlation-Id", "Content-Encoding"]
)
HEADERS = st.dictionaries(NAMED, st.sampled_from([link(A), f"/coverage-discovery/{B}", ""]) | TEXT, max_size=2)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> IntakeWorld:
    return IntakeWorld(tmp_path_factory.mktemp("any"))


def agrees(answer: TestResponse) -> None:
    """The document names the answer, and it is as it says."""
    said = POST["responses"][str(answer.status_code)]
    for name in said.get("headers", {}):
        assert name in answer.headers
    schema = {**said["content"]["application/json"]["schema"], "components": OPENAPI["components"]}
    Draft202012Validator(schema).validate(answer.get_json())


def test_it_is_sound_and_says_the_limits() -> None:
    schemas = OPENAPI["components"]["schemas"]
    for part in inside(OPENAPI):
        if "$ref" in part:
            assert part["$ref"].removeprefix("#/components/schemas/") in schemas
        if isinstance(part.get("schema"), dict):
            Draft202012Validator.check_schema(part["schema"])
    assert [*SENT] == [*JSON_KINDS, *LINES_KINDS]
    assert f"{MAX_BODY_BYTES >> 20} MiB, has more than {MOST_ITEMS:,} items" in POST["responses"]["413"]["description"]


def test_its_examples_are_taken(world: IntakeWorld) -> None:
    kinds = [(kind, one["value"]) for kind in SENT for one in SENT[kind].get("examples", {}).values()]
    assert len(kinds) == 5
    for kind, value in kinds:
        schema = {**SENT[kind]["schema"], "components": OPENAPI["components"]}
        Draft202012Validator(schema).validate(value)
        answer = world.post(value.encode() if isinstance(value, str) else value, kind)
        assert (answer.status_code, answer.get_json()["unreadable"], answer.get_json()["notes"]) in (
            (200, [], []),
            (201, [], []),
        )
        agrees(answer)
    agrees(world.client.get("/v1/tasks"))


@settings(parent=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=BODIES, kind=KINDS, headers=HEADERS)
def test_any_request(world: IntakeWorld, body: bytes, kind: str, headers: dict[str, str]) -> None:
    world.now += 60_000
    (before,) = world.rows("SELECT (SELECT count(*) FROM tasks), (SELECT count(*) FROM lookups)")
    answer = world.post(body, kind, headers=headers)
    agrees(answer)
    assert answer.status_code < 500
    (after,) = world.rows("SELECT (SELECT count(*) FROM tasks), (SELECT count(*) FROM lookups)")
    told = answer.get_json()
    assert after[0] - before[0] == len(told.get("recorded", ()))
    known = {row[0] for row in world.rows("SELECT id FROM tasks")}
    assert {*told.get("recorded", ()), *told.get("known", ())} <= known
    assert (answer.status_code == 422) <= bool(told.get("unreadable"))
    assert before <= after
