"""Every operation and every reply that the contract declares, held against our own schema of it."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest

from sandbox import account, examples
from sandbox.transactions import NO_NPI
from tests.support.sandbox_client import DAY, HOUR, MINUTE, START, Rig
from tests.support.vendor_schema import REPLIES, TOKEN, TOKEN_ERROR, check_body
from worker.core.vendor.page import PageQuery, query_text

TASK = "/coverage-discovery/"


@pytest.fixture
def rig() -> Iterator[Rig]:
    with Rig() as rig:
        yield rig


def linked(reply: Any) -> list[str]:
    return re.findall(r"</coverage-discovery/([^>]+)>", reply.headers.get("link", ""))


SUBMISSIONS = [
    ("", examples.real_time_request),
    ("/real-time/x12", examples.real_time_x12_request),
    ("/coverage-discovery", examples.discovery_request),
    ("/coverage-discovery/x12", examples.discovery_x12_request),
]


@pytest.mark.parametrize(("path", "build"), SUBMISSIONS[:2])
@pytest.mark.parametrize(
    ("words", "status", "tasks"),
    [
        ("ELIGIBLE", "eligible", 0),
        ("HMO", "eligible", 1),
        ("INELIGIBLE", "ineligible", 1),
        ("UNKNOWN", "patient_unknown", 1),
        ("UNKNOWN-NONE", "patient_unknown", 0),
        ("UNAVAILABLE", "payer_unavailable", 0),
        ("NOPAYER", "payer_not_in_system", 0),
        ("ERROR", "processing_error", 0),
        ("TWO", "patient_unknown", 2),
        ("THREE-ELIGIBLE", "eligible", 3),
    ],
)
def test_real_time(rig: Rig, path: str, build: Any, words: str, status: str, tasks: int) -> None:
    reply = rig.call("POST", path, build(1, 1, words), x_optum_correlation_id="corr-1", x_optum_subtenant_id="sub-1")
    body = reply.json()
    assert (reply.status_code, body["status"]["value"], body["correlationId"]) == (200, status, "corr-1")
    assert ("x12-271" in body) == (status not in ("payer_unavailable", "processing_error"))
    assert linked(reply) == [task.id for task in rig.sandbox.tasks]
    assert len(linked(reply)) == tasks
    assert ("hmo" in body.get("plan", {})) == (words == "HMO")


@pytest.mark.parametrize(("path", "build"), SUBMISSIONS[2:])
def test_a_direct_discovery(rig: Rig, path: str, build: Any) -> None:
    one = rig.call("POST", path, build(1, 1, "ONE"))
    assert one.status_code == 202
    assert one.headers["location"] == TASK + one.json()["id"]
    assert rig.get(one.headers["location"]).json()["name"] == one.json()["name"]
    two = rig.call("POST", path, build(2, 1, "TWO"))
    assert [row["href"] for row in two.json()] == [TASK + row["body"]["id"] for row in two.json()]
    assert [rig.get(row["href"]).status_code for row in two.json()] == [200, 200]
    mixed = rig.call("POST", path, build(3, 1, "MIXED"))
    assert [row["status"] for row in mixed.json()] == [202, 422]
    assert rig.call("POST", path, build(4, 1, "NONE")).status_code == 422
    assert len(rig.sandbox.tasks) == 4


@pytest.mark.parametrize(("path", "build"), SUBMISSIONS[2:])
@pytest.mark.parametrize(("words", "status"), [("ONE", 200), ("TWO", 207), ("MIXED", 207), ("NONE", 422)])
def test_a_dry_run_begins_nothing(rig: Rig, path: str, build: Any, words: str, status: int) -> None:
    assert rig.call("POST", path, build(1, 1, words, dry_run=True)).status_code == status
    assert rig.sandbox.tasks == []
    assert rig.get("/transactions").json() == []


def test_a_dry_run_names_the_paths_that_will_run(rig: Rig) -> None:
    dry = rig.call("POST", "/coverage-discovery", examples.discovery_request(5, dry_run=True)).json()
    rig.call("POST", "/coverage-discovery", examples.discovery_request(5))
    (task,) = rig.sandbox.tasks
    assert [row["name"] for row in dry["pending"]] == [path.name for path in task.paths if not path.reason]


def test_an_hmo_answer_makes_a_direct_discovery_two(rig: Rig) -> None:
    body = examples.discovery_request(1) | {"canonicalEligibilityResponse": {"plan": {"hmo": {"name": "X"}}}}
    assert rig.call("POST", "/coverage-discovery", body).status_code == 207


@pytest.mark.parametrize(("path", "build"), SUBMISSIONS)
def test_refusals_of_the_posts(rig: Rig, path: str, build: Any) -> None:
    assert rig.call("POST", path, {}).status_code == 400
    assert rig.call("POST", path, ["no", "object"]).status_code == 400
    assert rig.call("POST", path, build(1, 1, "TWWO")).json() == [
        "Failed Precondition - the member id steers the sandbox with 'TWWO', which it does not know; did you mean TWO?"
    ]
    assert rig.call("POST", path, build(1), authorization="Bearer nonsense").status_code == 401
    assert rig.sandbox.tasks == []


def test_a_sub_tenant_of_somebody_else() -> None:
    with Rig(account=account.Account(subtenants=("sub-1",))) as rig:
        body = examples.real_time_request(1)
        assert rig.call("POST", "", body, x_optum_subtenant_id="sub-1").status_code == 200
        assert rig.call("POST", "", body, x_optum_subtenant_id="sub-2").status_code == 403


@pytest.mark.parametrize("npi", ["1234567890", "", "3234567893", "12345"])
def test_without_a_valid_npi_nothing_is_searched(rig: Rig, npi: str) -> None:
    request = examples.real_time_request(1, 1, "UNKNOWN")
    request["provider"]["npi"] = npi
    reply = rig.call("POST", "", request)
    assert reply.json()["status"] == {"value": "processing_error", "description": NO_NPI}
    assert reply.json()["errors"] == [NO_NPI]
    assert linked(reply) == []
    assert rig.call("POST", "/coverage-discovery", {"canonicalEligibilityRequest": request}).status_code == 400


@pytest.mark.parametrize("build", [examples.real_time_request, examples.real_time_x12_request])
def test_both_spellings_of_the_real_time_path(rig: Rig, build: Any) -> None:
    path = "/" if build is examples.real_time_request else "/real-time/x12/"
    rig.check = False
    assert rig.call("POST", path, build(1)).status_code == 200


def test_a_task_from_begin_to_end(rig: Rig) -> None:
    task_id = rig.task("MINUTES-FOUND")
    seen = set()
    (task,) = rig.sandbox.tasks
    assert task.end is not None
    for at in sorted({START, *(path.end or 0 for path in task.paths), *((path.end or 1) - 1 for path in task.paths)}):
        rig.clock.at = max(START, at)
        body = rig.body(task_id)
        counts = tuple(len(body["discoveryPaths"][n]) for n in ("pending", "successful", "unsuccessful", "skipped"))
        assert sum(counts) == len(task.paths)
        assert (body["status"] == "pending") == (counts[0] > 0)
        seen.add((body["status"], counts))
    assert body["status"] == "success"
    assert body["endDateTime"] > body["startDateTime"] == "2026-01-01T00:00:00Z"
    assert len(seen) >= 4
    rig.clock.at += 400 * DAY
    rig.ask_token()
    assert rig.body(task_id) == body


@pytest.mark.parametrize(
    ("words", "status"),
    [("FOUND", "success"), ("NOTHING", "failure"), ("UNSEARCHED", "failure"), ("SKIPPED", "failure")],
)
@pytest.mark.parametrize("kind", ["SERIAL", "CHAINED"])
def test_the_ways_a_task_ends(rig: Rig, kind: str, words: str, status: str) -> None:
    body = rig.body(rig.task(f"NOW-{kind}-{words}"))
    lists = body["discoveryPaths"]
    assert (body["status"], body["type"]) == (status, kind.lower())
    assert bool(lists["successful"]) == (words == "FOUND")
    assert bool(lists["unsuccessful"]) == (words != "SKIPPED")
    answers = {path["transaction"]["status"] for path in lists["unsuccessful"]}
    if words == "NOTHING":
        assert answers <= {"ineligible", "patient_unknown"}
    elif words == "UNSEARCHED":
        assert answers <= {"processing_error", "payer_unavailable"}


def test_the_list_of_tasks_in_pages(rig: Rig) -> None:
    for n in range(7):
        rig.clock.at = START + n * MINUTE
        rig.call("POST", "", examples.real_time_request(n, 1, "NOW"), x_optum_correlation_id=f"c{n % 2}")
    ids = [task.id for task in rig.sandbox.tasks]
    first = rig.get(TASK[:-1] + "?limit=3")
    assert [row["id"] for row in first.json()] == ids[:3:-1]
    assert first.headers["link"] == '</?limit=3&offset=3>; rel="next"'
    last = rig.get("/coverage-discovery?limit=3&offset=6")
    assert [row["id"] for row in last.json()] == ids[:1]
    assert "link" not in last.headers
    assert rig.get("/coverage-discovery?offset=7").json() == []
    assert "link" not in rig.get("/coverage-discovery?limit=7").headers
    assert "link" not in rig.get("/coverage-discovery?limit=3&offset=4").headers
    odd = rig.get("/coverage-discovery?correlationId=c1&sort=startDateTime&limit=2")
    assert [row["id"] for row in odd.json()] == [ids[1], ids[3]]
    assert odd.headers["link"] == '</?limit=2&offset=2&correlationId=c1&sort=startDateTime>; rel="next"'
    window = "/coverage-discovery?startDateTime=2026-01-01T00:02:00Z&endDateTime=2026-01-01T00:04:00Z"
    assert [row["id"] for row in rig.get(window).json()] == ids[4:1:-1]


def test_the_list_of_tasks_by_status(rig: Rig) -> None:
    made = {
        status: rig.task(words)
        for status, words in (("success", "NOW-FOUND"), ("failure", "NOW-NOTHING"), ("pending", "NEVER"))
    }
    for status, task_id in made.items():
        assert [row["id"] for row in rig.get(f"/coverage-discovery?status={status}").json()] == [task_id]


def test_pages_as_the_client_asks_for_them(rig: Rig) -> None:
    words = ("SECONDS", "MINUTES-FOUND", "HOURS-NOTHING", "NEVER", "TWO-NOW", "CHAINED-SECONDS", "NOW-SKIPPED", "TWO")
    for n in range(120):
        rig.clock.at += 5_250
        rig.call("POST", "", examples.real_time_request(n, 1, words[n % len(words)]))
    for wait in (0, 20 * MINUTE):
        rig.clock.at += wait
        for status in (None, "pending", "success", "failure"):
            query = dict(parse_qsl(query_text(PageQuery(START + MINUTE, rig.clock.at - MINUTE))))
            query |= {} if status is None else {"status": status}
            seen: list[str] = []
            while page := rig.get(f"/coverage-discovery?{urlencode(query)}").json():
                seen += [row["id"] for row in page]
                query["offset"] = str(len(seen))
            expected = [
                task.id
                for task in sorted(rig.sandbox.tasks, key=lambda task: (task.start, task.id))
                if START + MINUTE <= task.start <= -(-(rig.clock.at - MINUTE) // 1000) * 1000
                and status in (None, task.status_at(rig.clock.at))
            ]
            assert seen == expected
            assert len(seen) > (100 if status is None else 10)


@pytest.mark.parametrize(
    "query",
    [
        "limit=0", "limit=101", "limit=x", "offset=-1", "status=done", "status=success,failure", "sort=name",
        "startDateTime=yesterday", "startDateTime=2026-01-02T00:00:00Z&endDateTime=2026-01-01T00:00:00Z",
    ],
)  # fmt: skip
def test_a_wrong_query_is_refused(rig: Rig, query: str) -> None:
    assert rig.get(f"/coverage-discovery?{query}").status_code == 400


def test_transactions(rig: Rig) -> None:
    made = rig.call("POST", "", examples.real_time_request(1, 1, "NOW"), x_optum_correlation_id="c-1").json()
    rig.clock.at += HOUR - 1
    rig.call("POST", "", examples.real_time_request(2, 1, "NONE"))
    assert rig.get(f"/transactions/{made['id']}").json() == made
    (task,) = rig.sandbox.tasks
    ran = {path.transaction_id for path in task.paths if path.status}
    listed = rig.get("/transactions?returnTotalCount=true&limit=1")
    assert int(listed.headers["x-total-count"]) == 2 + len(ran)
    assert listed.json()[0]["status"]["value"] == "patient_unknown"
    children = [row for row in rig.get("/transactions?limit=100").json() if row["sourceType"] == "autosubmit"]
    assert {row["id"] for row in children} == ran
    assert {row["sourceId"] for row in children} == {made["id"]}
    ask = examples.patient(1, 1, "NOW")
    query = f"memberId={ask.member_id}&patientLastName={ask.last_name.lower()}&npi={ask.npi}"
    born = f"{ask.birth_date[:4]}-{ask.birth_date[4:6]}-{ask.birth_date[6:]}"
    found = rig.get(f"/transactions?{query}&patientDateOfBirth={born}&patientAccountNumber={ask.account_number}")
    assert {row["id"] for row in found.json()} == {made["id"]} | ran
    assert rig.get("/transactions?status=ineligible,eligible&patientFirstName=TEST2").json() == []
    assert rig.get("/transactions?status=patient_unknown&patientFirstName=TEST2").status_code == 200
    assert rig.get(f"/transactions?payerId={ask.payer_id}&correlationId=c-1").json() == [made]
    assert "x-total-count" not in rig.get("/transactions").headers


def test_transactions_of_paths_appear_when_they_have_run(rig: Rig) -> None:
    rig.task("HOURS")
    (task,) = rig.sandbox.tasks
    last = max((path for path in task.paths if path.status), key=lambda path: path.end or 0)
    assert rig.get(f"/transactions/{last.transaction_id}").status_code == 404
    assert len(rig.get("/transactions").json()) == 1
    rig.clock.at = last.end or 0
    rig.ask_token()
    assert rig.get(f"/transactions/{last.transaction_id}").json()["sourceType"] == "autosubmit"


def test_what_is_not_there(rig: Rig) -> None:
    assert rig.get(TASK + "00000000-0000-4000-8000-000000000000").status_code == 404
    assert rig.get("/transactions/nothing").status_code == 404
    rig.check = False
    assert rig.get("/coverage").status_code == 404
    assert rig.call("DELETE", "/healthcheck").status_code == 405
    assert rig.call("GET", "/real-time/x12").headers["allow"] == "POST"


GETS = ["/coverage-discovery", TASK + "x", "/transactions", "/transactions/x", "/healthcheck"]


@pytest.mark.parametrize("path", GETS)
@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer wrong", "Basic c2FuZGJveDpzYW5kYm94"])
def test_a_bad_token_is_401_everywhere(rig: Rig, path: str, authorization: str) -> None:
    assert rig.get(path, authorization=authorization).status_code == 401


def test_a_token_expires_by_the_clock(rig: Rig) -> None:
    assert rig.get("/healthcheck").json() == {"status": "ok"}
    rig.clock.at += HOUR - 1
    assert rig.get("/healthcheck").status_code == 200
    rig.clock.at += 1
    assert rig.get("/healthcheck").json()["error"] == "access_token_expired"
    rig.ask_token()
    assert rig.get("/healthcheck", x_optum_correlation_id="c").status_code == 200


@pytest.mark.parametrize(("speed", "seconds"), [(1, 3600), (60, 60), (100_000, 5)])
def test_the_life_of_a_token_is_divided_by_the_speed(speed: float, seconds: int) -> None:
    with Rig(speed=speed) as rig:
        assert rig.ask_token().json()["expires_in"] == seconds


def test_the_token_endpoint(rig: Rig) -> None:
    url, right = rig.sandbox.token_url, rig.sandbox.credentials()
    tokens = set()
    for reply in (
        rig.http.post(url, json=right),
        rig.http.post(url + "/", json=right | {"scope": "read_txn"}),
        rig.http.post(url, data=right),
    ):
        assert reply.status_code == 200
        check_body(TOKEN, reply.json())
        assert reply.json()["token_type"] == "bearer"
        tokens.add(reply.json()["access_token"])
    assert len(tokens) == 3
    for reply, status, error in (
        (rig.http.post(url, json=right | {"client_secret": "x"}), 401, "invalid_client"),
        (rig.http.post(url, json=right | {"grant_type": "password"}), 400, "unsupported_grant_type"),
        (rig.http.post(url, json={}), 400, "invalid_request"),
        (rig.http.post(url, json=[1]), 400, "invalid_request"),
        (rig.http.post(url, content=b"\xff\xfe"), 400, "invalid_request"),
        (rig.http.post(url, content=b"client_id=a&client_id=b"), 400, "invalid_request"),
    ):
        assert (reply.status_code, reply.json()["error"]) == (status, error)
        check_body(TOKEN_ERROR, reply.json())
    assert rig.http.get(url).status_code == 405


@pytest.mark.parametrize(
    ("fault", "status", "names"),
    [
        ("invalid_product", 401, set(REPLIES)),
        ("forbidden", 403, set(REPLIES) - {"GET /healthcheck"}),
        ("500", 500, set(REPLIES)),
        ("503_after", 503, set(REPLIES)),
        ("404", 404, {"GET /coverage-discovery/{id}", "GET /transactions/{id}"}),
        ("422", 422, {"GET /coverage-discovery/{id}", "GET /transactions/{id}"}),
        ("unhealthy", 500, {"GET /healthcheck"}),
    ],
)
def test_the_other_declared_replies_come_as_faults(fault: str, status: int, names: set[str]) -> None:
    with Rig(fault) as rig:
        for name in sorted(names):
            method, _, path = name.partition(" ")
            reply = rig.call(method, path, {} if method == "POST" else None, x_optum_subtenant_id="s")
            assert reply.status_code == status
