"""What `POST /v1/tasks` takes, and what it answers; behind each 200 and 201 the ids are on the disk."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.support.intake_world import NOW, A, B, C, IntakeWorld, link
from worker.core.intake.line_keys import ABOUT, NAMING
from worker.store.opening import SCHEMA_VERSION, open_store
from worker.store.state import responses
from worker.store.tasks.by_hand import abandon
from worker.web.intake import tasks as endpoint
from worker.web.intake.allowance import PERIOD_MS

LINES = "application/x-ndjson"


@pytest.fixture
def world(tmp_path: Path) -> IntakeWorld:
    return IntakeWorld(tmp_path)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"link": [link(A), link(B)], "ref": "R"}, "application/json"),
        ({"link": f"{link(A)}, {link(B)}", "ref": "R"}, "application/json; charset=utf-8"),
        ([{"link": link(A), "ref": "R"}, {"id": B, "ref": "R"}], "application/json"),
        ({"headers": {"Link": [link(A), link(B)]}, "ref": "R"}, "application/json"),
        (b'{"id":"%s","ref":"R"}\n{"id":"%s","ref":"R"}\n' % (A.encode(), B.encode()), LINES),
        (b'{"id":"%s","ref":"R"}\r\n{"location":"/coverage-discovery/%s","ref":"R"}' % (A.encode(), B.encode()), LINES),
        (json.dumps([{"id": A, "ref": "R"}, {"id": B, "ref": "R"}]).encode("utf-16"), "application/json"),
        (("\ufeff" + json.dumps({"link": [link(A), link(B)], "ref": "R"})).encode(), "application/json"),
    ],
)
def test_bodies(world: IntakeWorld, body: Any, kind: str) -> None:
    answer = world.post(body, kind)
    assert (answer.status_code, answer.get_json()["recorded"]) == (201, [A, B]), answer.text
    assert world.refs() == {A: "R", B: "R"}
    again = world.post(body, kind)
    assert again.status_code == 200
    assert again.get_json() == {
        "recorded": [],
        "known": [A, B],
        "lookups": [],
        "expected": 0,
        "unreadable": [],
        "notes": [],
    }


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({"Link": link(A)}, [A]),
        ({"Link": f"{link(A)},{link(B)}"}, [A, B]),  # as a WSGI server hands over two headers
        ({"Location": f"/coverage-discovery/{A}"}, [A]),
        ({"Location": f"/coverage-discovery/{A},https://api.example/coverage-discovery/{B}?a=1,2"}, [A, B]),
        ({"Link": link(A), "Location": f"coverage-discovery/{B},coverage-discovery/{C}"}, [A, B, C]),
    ],
)
def test_forwarded_headers(world: IntakeWorld, headers: dict[str, str], found: list[str]) -> None:
    more = {
        "X_Cdpoll_Ref": "Müller".encode().decode("latin-1"),
        "X_Optum_Correlation_Id": "c",
        "X_Cdpoll_Subtenant": "s",
    }
    answer = world.post(headers=headers | more)
    assert (answer.status_code, answer.get_json()["recorded"]) == (201, found)
    assert world.refs() == dict.fromkeys(found, "Müller")
    assert world.rows("SELECT DISTINCT correlation_id, subtenant FROM tasks") == [("c", "s")]


def test_a_link_header_counts_beside_a_body(world: IntakeWorld) -> None:
    assert world.post({"id": B}, headers={"Link": link(A)}).get_json()["recorded"] == [A, B]


def test_what_the_line_says_goes_before_the_header(world: IntakeWorld) -> None:
    world.post([{"id": A, "ref": "own"}, {"id": B}], headers={"X_Cdpoll_Ref": "theirs"})
    assert world.refs() == {A: "own", B: "theirs"}


@pytest.mark.parametrize(
    ("ref", "trouble"), [("M\xfcller", "is not UTF-8"), ("R" * 1_001, "is longer than 1,000 bytes")]
)
def test_a_ref_that_cannot_be_kept_is_no_ref(world: IntakeWorld, ref: str, trouble: str) -> None:
    answer = world.post(headers={"Link": link(A), "X_Cdpoll_Ref": ref})
    assert (answer.status_code, answer.get_json()["recorded"]) == (201, [A])
    (lost,) = answer.get_json()["unreadable"]
    assert lost["reason"] == f"the request: X-Cdpoll-Ref {trouble}: the tasks are recorded without it"
    assert world.refs() == {}


def test_of_two_refs_in_one_object_of_a_list_neither_is_taken(world: IntakeWorld) -> None:
    body = b'[{"id":"%s","ref":"one","ref":"two"},{"id":"%s","ref":"R"}]' % (A.encode(), B.encode())
    answer = world.post(body, headers={"X_Cdpoll_Ref": "theirs"})
    assert answer.get_json()["recorded"] == [A, B]
    assert "stands twice" in answer.get_json()["unreadable"][0]["reason"]
    assert world.refs() == {B: "R"}


def test_lookups_and_expected_answers(world: IntakeWorld) -> None:
    awaited = [{"correlation_id": "c-1", "ref": "R"}, {"trace_number": "t", "ref": "R", "member_id": "M"}]
    answer = world.post(awaited)
    assert (answer.status_code, answer.get_json()["lookups"], answer.get_json()["expected"]) == (201, ["c-1"], 1)
    assert world.post(awaited).status_code == 200
    assert world.rows("SELECT correlation_id, ref FROM lookups") == [("c-1", "R")]
    assert world.rows("SELECT trace_number, ref FROM expected") == [("t", "R")]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"bogus": 1}, "application/json"),
        (b'{"id": "' + b"a" * 40, "application/json"),
        (b"[" * 60_000, "application/json"),
        (b'{"a":' * 200_000, LINES),
        ('{"id": "ä"}'.encode("latin-1"), "application/json"),
        ('[{"id": "ä"}]'.encode("latin-1"), "application/json"),
        (b"\xff\xfe\x00", "application/json"),
        (b"4711", "application/json"),
        ({"link": ["x"] * 1001}, "application/json"),
        ({f"k{n}": n for n in range(1001)}, "application/json"),
        # A real-time answer: its id is a transaction's, and to poll it would be to ask for another patient.
        ({"id": A, "status": {"value": "eligible"}, "payer": {"name": "P"}}, "application/json"),
        ({"id": A, "subscriber": {"memberId": "M"}}, "application/json"),
    ],
)
def test_what_cannot_be_read_is_422_and_kept(world: IntakeWorld, body: Any, kind: str) -> None:
    answer = world.post(body, kind)
    assert answer.status_code == 422, answer.text
    told = answer.get_json()["unreadable"]
    assert told
    assert all(len(one["raw"]) <= endpoint.SHOWN_CHARS for one in told)
    assert world.rows("SELECT count(*) FROM unreadable") == [(len(told),)] or len(told) == endpoint.SHOWN_ROWS
    assert world.rows("SELECT count(*) FROM tasks") == [(0,)]


def test_what_can_be_read_beside_it_is_recorded(world: IntakeWorld) -> None:
    answer = world.post(b'[{"id":"%s"}, {"bogus": 1}, {"id":"%s"}, {"id":' % (A.encode(), B.encode()))
    assert (answer.status_code, answer.get_json()["recorded"]) == (201, [A, B])
    assert [one["reason"].partition(":")[0] for one in answer.get_json()["unreadable"]] == [
        "item 2",
        "the body is cut off or damaged within its item 4, or behind it",
    ]


def test_no_more_than_a_hundred_unreadable_ones_are_told(world: IntakeWorld) -> None:
    answer = world.post([{"bogus": n} for n in range(150)])
    assert len(answer.get_json()["unreadable"]) == 100
    assert "50 more are unreadable; all are kept" in answer.get_json()["notes"]
    assert world.rows("SELECT count(*) FROM unreadable") == [(150,)]


def test_nothing_of_what_was_sent_is_in_the_log(world: IntakeWorld) -> None:
    world.post({"bogus": "DOE", "ref": "DOE"}, headers={"X_Cdpoll_Ref": "DOE"})
    world.post(b"DOE", "text/DOE")
    world.post(path="/v1/tasks?ref=DOE")
    assert "could not be read" in world.said()
    assert "DOE" not in world.said()


@pytest.mark.parametrize("silent", [None, [], {"link": None, "ref": "R"}, {"headers": {"date": "x"}}])
def test_what_rightly_names_no_task_is_200_and_a_note(world: IntakeWorld, silent: Any) -> None:
    answer = world.post(silent)
    told = answer.get_json()
    assert (answer.status_code, told["recorded"], told["known"], told["unreadable"]) == (200, [], [], [])
    assert told["notes"]
    with open_store(world.path) as store:
        assert responses.without_task(store).responses == (silent != [])
    world.post({"link": link(A)})
    with open_store(world.path) as store:
        assert responses.without_task(store).responses == 0


@pytest.mark.parametrize(
    ("status", "word", "request_of"),
    [
        (415, "wrong_kind", {"body": b"x=1", "kind": "application/x-www-form-urlencoded"}),
        (415, "wrong_kind", {"body": b"{}", "kind": "text/plain"}),
        (415, "wrong_kind", {"body": b"{}", "kind": "multipart/form-data; boundary=a"}),
        (415, "wrong_kind", {"body": b"{}", "kind": None}),
        (415, "wrong_charset", {"body": b"{}", "kind": "application/json; charset=iso-8859-1"}),
        (415, "packed", {"body": b"{}", "headers": {"Content_Encoding": "gzip"}}),
        (400, "query", {"body": b"{}", "path": "/v1/tasks?ref=4711"}),
        (413, "request_entity_too_large", {"body": b" " * (4 * 1024 * 1024 + 1)}),
        (413, "too_many", {"body": b"{}\n" * 20_002, "kind": LINES}),
        (413, "too_many", {"body": b"[" + b"1," * 20_000 + b"1]"}),
        (403, "from_a_browser", {"body": {"id": A}, "headers": {"Origin": "http://localhost"}}),
        (403, "from_a_browser", {"body": {"id": A}, "headers": {"Sec_Fetch_Site": "cross-site"}}),
        (403, "from_a_browser", {"headers": {"Link": link(A), "Origin": "null"}}),
        (421, "wrong_host", {"body": {"id": A}, "headers": {"Host": "evil.example"}}),
        (404, "not_found", {"body": {"id": A}, "path": "/v1/task"}),
    ],
)
def test_refusals(world: IntakeWorld, status: int, word: str, request_of: dict[str, Any]) -> None:
    answer = world.post(**request_of)
    assert (answer.status_code, answer.get_json()["error"]) == (status, word)
    assert answer.get_json().keys() == {"error", "message"}
    assert status not in (404, 413) or "ids go by POST to /v1/tasks" in answer.text or "hand in fewer" in answer.text
    assert world.rows("SELECT (SELECT count(*) FROM tasks), (SELECT count(*) FROM unreadable)") == [(0, 0)]


def test_other_methods(world: IntakeWorld) -> None:
    for method in ("GET", "PUT", "DELETE", "OPTIONS"):
        answer = world.client.open("/v1/tasks", method=method)
        assert (answer.status_code, answer.headers["Allow"], answer.get_json()["error"]) == (
            405,
            "POST",
            "method_not_allowed",
        )
        assert "Access-Control-Allow-Origin" not in answer.headers


def test_new_ids_are_capped_and_known_ones_are_not(tmp_path: Path) -> None:
    world = IntakeWorld(tmp_path, "new_ids_per_minute = 3")
    assert world.post([{"id": "a"}, {"id": "b"}]).status_code == 201
    answer = world.post([{"id": "c"}, {"id": "d"}])
    assert (answer.status_code, answer.get_json()["error"], answer.headers["Retry-After"]) == (
        429,
        "too_many_new_ids",
        "60",
    )
    assert world.rows("SELECT id FROM tasks") == [("a",), ("b",)]
    assert world.post([{"id": "a"}, {"id": "b"}]).status_code == 200
    assert world.post([{"id": "c"}, {"id": "c"}, {"id": "a"}]).status_code == 201
    assert world.post({"id": "a", "ref": "new for it"}).status_code == 429
    assert world.post({"correlation_id": "x"}).status_code == 429
    assert world.post({"bogus": 1}).status_code == 429
    assert world.post([{"id": f"x{n}"} for n in range(4)]).get_json()["error"] == "too_many"
    world.now += PERIOD_MS
    assert world.post([{"id": "c"}, {"id": "d"}]).status_code == 201
    assert [event for event, _ in world.log.lines].count(
        "more new ids come by HTTP than [local] new_ids_per_minute"
    ) == 1


def test_what_is_kept_raw_counts_by_its_size(tmp_path: Path) -> None:
    world = IntakeWorld(tmp_path, "new_ids_per_minute = 30")
    assert world.post({"bogus": "x" * 20_000}).status_code == 422
    assert world.post({"bogus": "y" * 20_000}).status_code == 429
    assert world.post({"bogus": "z" * 60_000}).status_code == 413


@pytest.mark.parametrize("named", [{"id": A}, {"correlation_id": "c"}])
def test_a_long_ref_counts_by_its_size(tmp_path: Path, named: dict[str, str]) -> None:
    world = IntakeWorld(tmp_path, "new_ids_per_minute = 30")
    assert world.post(named | {"ref": "x" * 20_000}).status_code == 201
    assert world.post(named | {"ref": "y" * 20_000}).status_code == 429
    assert world.post(named | {"ref": "z" * 60_000}).status_code == 413


def test_many_at_once_are_written_in_several_transactions_and_counted_once(tmp_path: Path) -> None:
    world = IntakeWorld(tmp_path, "new_ids_per_minute = 1100")
    ids = [f"{n:08x}-87ee-11ee-b9d1-0242ac120002" for n in range(1100)]
    answer = world.post("\n".join(json.dumps({"id": one, "ref": one}) for one in ids).encode(), LINES)
    assert answer.get_json()["recorded"] == ids
    assert world.refs() == {one: one for one in ids}


def test_503_while_there_is_no_database_or_another_schema(world: IntakeWorld, tmp_path: Path) -> None:
    away = tmp_path / "away.db"
    world.path.rename(away)
    for _ in range(2):
        answer = world.post({"id": A})
        assert (answer.status_code, answer.get_json()["error"], answer.headers["Retry-After"]) == (
            503,
            "try_later",
            "5",
        )
        assert not world.path.exists()
    away.rename(world.path)
    assert world.post({"id": A}).status_code == 201
    with open_store(world.path) as store, store.write():
        store.set_version(SCHEMA_VERSION + 1)
    assert world.post({"id": B}).status_code == 503
    with closing(sqlite3.connect(world.path)) as other:
        other.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    assert world.post({"id": B}).status_code == 201
    events = [event for event, _ in world.log.lines]
    assert events.count("ids cannot be taken by HTTP; 503 was answered") == 2
    assert events.count("ids are taken by HTTP again") == 2


def test_503_where_the_database_belongs_to_another_api(world: IntakeWorld) -> None:
    with open_store(world.path) as store, store.write():
        store.execute("INSERT INTO meta (key, value) VALUES ('api_origin', 'https://other.example')")
    assert world.post({"id": A}).status_code == 503
    assert world.rows("SELECT count(*) FROM tasks") == [(0,)]


def test_an_abandoned_one_is_told(world: IntakeWorld) -> None:
    world.post({"id": A})
    with open_store(world.path) as store:
        abandon(store, [A], NOW, "root")
    assert "abandoned and still so" in world.post({"id": A}).get_json()["notes"][0]


def test_the_keys_are_those_of_json_lines(world: IntakeWorld) -> None:
    document = world.client.get("/v1/openapi.json").get_json()
    assert [*document["components"]["schemas"]["Task"]["properties"]] == [*NAMING, *ABOUT]
