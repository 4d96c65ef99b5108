"""Who may hand ids in: with the token, by a socket, and no page of another site."""

from pathlib import Path

import pytest

from tests.support.intake_world import A, IntakeWorld, link
from worker.web.throttle import FAILURES, PERIOD_MS

TOKEN = "the-token-of-the-intake"


def bearing(token: str) -> dict[str, str]:
    return {"Authorization": token}


@pytest.fixture
def world(tmp_path: Path) -> IntakeWorld:
    return IntakeWorld(tmp_path, f"token = {TOKEN}\nhosts = ids.example")


@pytest.mark.parametrize("shown", [f"Bearer {TOKEN}", f"bearer  {TOKEN} "])
def test_with_the_token(world: IntakeWorld, shown: str) -> None:
    assert world.post({"id": A}, headers=bearing(shown)).status_code == 201
    for path in ("/", "/metrics", "/v1/openapi.json"):
        assert world.client.get(path, headers=bearing(shown)).status_code == 200


@pytest.mark.parametrize(
    ("shown", "word"),
    [
        ("", "token_missing"),
        (f"Basic {TOKEN}", "token_missing"),
        (TOKEN, "token_missing"),
        ("Bearer", "token_missing"),
        ("Bearer wrong", "token_wrong"),
        (f"Bearer {TOKEN}x", "token_wrong"),
        (f"Bearer {TOKEN}, Bearer {TOKEN}", "token_wrong"),
        ("Bearer \xff\xfe", "token_wrong"),
    ],
)
def test_without_it(world: IntakeWorld, shown: str, word: str) -> None:
    answer = world.post({"id": A}, headers=bearing(shown))
    assert (answer.status_code, answer.get_json()["error"]) == (401, word)
    assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="cdpoll"')
    for path in ("/", "/tasks/a", "/metrics", "/readyz", "/v1/openapi.json", "/nothing"):
        assert world.client.get(path, headers=bearing(shown)).status_code == 401
    assert world.client.get("/healthz", headers=bearing(shown)).status_code == 200
    assert world.rows("SELECT count(*) FROM tasks") == [(0,)]
    assert TOKEN not in world.said()


def test_who_tries_tokens_is_slowed_and_the_right_one_is_not(world: IntakeWorld) -> None:
    for _ in range(FAILURES):
        assert world.post({"id": A}, headers=bearing("Bearer x"), peer="192.0.2.1").status_code == 401
    answer = world.post({"id": A}, headers=bearing("Bearer x"), peer="192.0.2.1")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "60")
    assert world.post({"id": A}, headers=bearing("Bearer x"), peer="192.0.2.2").status_code == 401
    assert world.post({"id": A}, headers=bearing(f"Bearer {TOKEN}"), peer="192.0.2.1").status_code == 201
    world.now += PERIOD_MS
    assert world.post({"id": A}, headers=bearing("Bearer x"), peer="192.0.2.1").status_code == 401
    assert len(world.log.lines) == 4


def test_by_a_socket_ids_are_taken_and_nothing_else_is_told(world: IntakeWorld) -> None:
    assert world.post(headers={"Link": link(A), "Host": "any"}, peer="").status_code == 201
    for path, status in (("/healthz", 200), ("/v1/openapi.json", 200), ("/", 404), ("/metrics", 404), ("/readyz", 404)):
        assert world.client.get(path, environ_base={"REMOTE_ADDR": ""}).status_code == status
    assert world.client.get(f"/tasks/{A}", environ_base={"REMOTE_ADDR": ""}).status_code == 404
    assert world.post({"id": A}, headers={"Origin": "http://localhost"}, peer="").status_code == 403


def test_no_header_passes_for_a_socket(world: IntakeWorld) -> None:
    for name in ("Remote_Addr", "X_Forwarded_For", "Forwarded"):
        assert world.post({"id": A}, headers={name: ""}).status_code == 401


def test_under_the_configured_names(world: IntakeWorld) -> None:
    for name, status in (("ids.example", 201), ("ids.example:443", 200), ("other.example", 421), ("10.0.0.1", 421)):
        answer = world.post({"id": A}, headers=bearing(f"Bearer {TOKEN}") | {"Host": name})
        assert answer.status_code == status


def test_a_browser_may_look(tmp_path: Path) -> None:
    world = IntakeWorld(tmp_path)
    assert world.client.get("/", headers={"Sec-Fetch-Site": "none"}).status_code == 200
