"""The callback endpoint: who may deliver, what is answered, and what is on the disk then."""

import json
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest

from tests.support.callback_world import BODY, FORMER, NOW, SECRET, CallbackWorld
from tests.support.kept_log import KeptLog
from worker.config import load
from worker.config.callback_keys import CALLBACK_PATH
from worker.core.errors import BadConfiguration, StorageFailed
from worker.store.db.store import Store
from worker.store.opening import open_store
from worker.web.callback import app as app_module
from worker.web.callback.app import MAX_BODY_BYTES, make_callback_app
from worker.web.clerk import Clerk
from worker.web.throttle import FAILURES, MOST_SOURCES, Throttle, network_of

HOUR = 3_600_000


@pytest.fixture
def world(tmp_path: Path) -> Iterator[CallbackWorld]:
    found = CallbackWorld(tmp_path)
    yield found
    found.clerk.close()


# --- tokens


def test_a_token_outlives_a_restart_and_ends_in_its_time(world: CallbackWorld) -> None:
    token = world.token()
    world.client = world.begun()
    assert world.deliver(token).status_code == 204
    world.now += HOUR - 1
    assert world.deliver(token).status_code == 204
    world.now += 1
    answer = world.deliver(token)
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


def test_two_secrets_are_valid_while_both_are_listed(tmp_path: Path) -> None:
    world = CallbackWorld(tmp_path, f"previous_secret = {FORMER}")
    tokens = [world.token(secret=SECRET), world.token(secret=FORMER)]
    assert [world.deliver(token).status_code for token in tokens] == [204, 204]
    (tmp_path / "after").mkdir()
    after = CallbackWorld(tmp_path / "after")
    after.path = world.path
    assert [after.deliver(token).status_code for token in tokens] == [204, 401]
    assert after.ask(secret=FORMER).status_code == 401
    for one in (world, after):
        one.clerk.close()


def test_a_former_secret_that_is_listed_need_not_be_there(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    for name in ("empty", "missing"):
        (tmp_path / f"with-{name}").mkdir()
        world = CallbackWorld(tmp_path / f"with-{name}", f"previous_secret = {{file {tmp_path / name}}}")
        assert world.token()
        for secret in (FORMER, ""):
            assert world.ask(secret=secret).status_code == 401
        world.clerk.close()


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Basic abc", "abc", "Bearer abc", "bearer a b", "Bearer é"]
)
def test_without_a_good_token_nothing_is_taken(world: CallbackWorld, header: str) -> None:
    answer = world.client.post(
        CALLBACK_PATH, json=BODY, headers={"Authorization": header.encode().decode("latin-1")} if header else {}
    )
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="cdpoll"')
    assert world.rows("SELECT * FROM tasks") == []


def test_a_token_without_the_scope_may_not_deliver(tmp_path: Path) -> None:
    before = CallbackWorld(tmp_path)
    token = before.token(body="grant_type=client_credentials&scope=other")
    (tmp_path / "after").mkdir()
    after = CallbackWorld(tmp_path / "after", "scope = deliver")
    after.path = before.path
    answer = after.deliver(token)
    assert answer.status_code == 403
    assert 'error="insufficient_scope", scope="deliver"' in answer.headers["WWW-Authenticate"]
    asked = after.ask(body="grant_type=client_credentials&scope=other")
    assert (asked.status_code, asked.get_json()["error"]) == (400, "invalid_scope")
    for body in ("grant_type=client_credentials", "grant_type=client_credentials&scope=more+deliver"):
        given = after.ask(body=body).get_json()
        assert given["scope"] == "deliver"
        assert after.deliver(given["access_token"]).status_code == 204
    for one in (before, after):
        one.clerk.close()


# --- deliveries


def test_a_delivery_is_on_the_disk_when_it_is_answered(world: CallbackWorld) -> None:
    answer = world.deliver(
        world.token(), X_Optum_Correlation_Id="visit-7", X_Optum_Trace_Id="t-9", X_Optum_Tenant_Id=""
    )
    assert (answer.status_code, answer.get_data()) == (204, b"")
    assert "Content-Type" not in answer.headers
    (row,) = world.rows("SELECT * FROM tasks")
    assert (row["state"], row["correlation_id"], row["last_trace_id"] or row["trace_id"]) == (
        "concluded",
        "visit-7",
        "t-9",
    )


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("application/json", 204),
        ("application/json; charset=utf-8", 204),
        ("APPLICATION/JSON", 204),
        ("application/vnd.optum+json", 204),
        ("", 204),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=x", 415),
    ],
)
def test_only_json_is_taken(world: CallbackWorld, kind: str, status: int) -> None:
    answer = world.deliver(world.token(), kind=kind)
    assert answer.status_code == status
    assert answer.headers.get("Accept") == ("application/json" if status == 415 else None)
    assert len(world.rows("SELECT * FROM tasks")) == (status == 204)


def test_a_packed_or_a_huge_body_is_refused(world: CallbackWorld) -> None:
    token = world.token()
    assert world.deliver(token, Content_Encoding="gzip").status_code == 415
    assert world.deliver(token, b" " * (MAX_BODY_BYTES + 1)).status_code == 413
    in_chunks = {"wsgi.input": BytesIO(b" " * (MAX_BODY_BYTES + 1)), "wsgi.input_terminated": True}
    headers = {"Authorization": f"Bearer {token}"}
    assert world.client.post(CALLBACK_PATH, headers=headers, environ_overrides=in_chunks).status_code == 413
    assert world.rows("SELECT * FROM bodies") == []


def test_what_cannot_be_used_is_answered_204_and_kept(world: CallbackWorld) -> None:
    token = world.token()
    assert world.deliver(token, b"{broken").status_code == 204
    assert world.deliver(token, X_Optum_Tenant_Id="theirs").status_code == 204
    assert [row["reason"] for row in world.rows("SELECT reason FROM bodies")] == ["not_json", "other_tenant"]
    assert world.rows("SELECT * FROM results") == []
    assert [fields["reason"] for event, fields in world.log.lines if "quarantine" in event] == [
        "not_json",
        "other_tenant",
    ]


def test_what_breaks_our_own_code_is_kept_whole(world: CallbackWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ValueError("secret text of the body")

    token = world.token()
    monkeypatch.setattr(app_module, "write", broken)
    assert world.deliver(token).status_code == 204
    (kept,) = world.rows("SELECT reason, body FROM bodies")
    assert (kept["reason"], json.loads(kept["body"])) == ("internal", BODY)
    assert "secret text" not in json.dumps(world.log.lines)


def test_without_the_database_the_vendor_is_to_come_again(
    world: CallbackWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = world.token()

    def gone() -> Store:
        raise StorageFailed("the database is gone", "restore it")

    monkeypatch.setattr(world, "opens", gone)
    world.client = world.begun()
    for answer in (world.deliver(token), world.deliver(token), world.ask()):
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
    told = [fields["cause"] for event, fields in world.log.lines if "503" in event]
    assert told == ["the database is gone"]
    world.now += 60_000
    world.deliver(token)
    assert len([event for event, _ in world.log.lines if "503" in event]) == 2
    monkeypatch.undo()
    assert [world.deliver(token).status_code for _ in range(2)] == [204, 204]
    told_after = [event for event, _ in world.log.lines if event in ("callbacks are taken again", "concluded")]
    assert told_after == ["callbacks are taken again", "concluded"]


def test_no_other_path_leads_to_an_endpoint(world: CallbackWorld) -> None:
    for path in ("/", f"{CALLBACK_PATH}/", CALLBACK_PATH.replace("/", "//")[1:]):
        assert world.client.post(path, data=b"{}").status_code == 404


def test_no_line_of_the_log_has_anything_of_a_body_a_token_or_a_secret(world: CallbackWorld) -> None:
    token = world.token()
    world.deliver(token, BODY | {"name": "MARKER"})
    world.deliver(token, b"MARKER")
    world.deliver("MARKER")
    world.ask(secret="MARKER")
    world.ask(body="MARKER" * 9)
    told = json.dumps(world.log.lines)
    assert "MARKER" not in told
    assert token not in told
    assert SECRET not in told


# --- who is let in


def test_failures_are_slowed_and_a_good_credential_never_is(world: CallbackWorld) -> None:
    token = world.token()
    answers = [world.deliver("guess").status_code for _ in range(FAILURES + 2)]
    assert answers == [401] * FAILURES + [429] * 2
    refused = world.ask(secret="guess")
    assert refused.status_code == 429
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    assert world.deliver(token).status_code == 204
    assert world.ask().status_code == 200
    assert len([event for event, _ in world.log.lines if "credential" in event or "429" in event]) == 2
    world.now += 60_000
    assert world.deliver("guess").status_code == 401


def test_a_token_that_has_expired_is_no_guess(world: CallbackWorld) -> None:
    token = world.token()
    world.now += HOUR
    world.token()  # some that have expired are deleted with it, a day later
    assert {world.deliver(token).status_code for _ in range(FAILURES + 2)} == {401}
    world.now += 24 * HOUR
    world.token()
    assert len(world.rows("SELECT * FROM callback_tokens")) == 2


def test_failures_of_another_source_count_for_it_alone(tmp_path: Path) -> None:
    world = CallbackWorld(tmp_path, "trusted_proxies = 127.0.0.1")
    for _ in range(FAILURES):
        world.deliver("guess", X_Forwarded_For="198.51.100.7")
    assert world.deliver("guess", X_Forwarded_For="198.51.100.7").status_code == 429
    assert world.deliver("guess", X_Forwarded_For="198.51.100.7, 203.0.113.9").status_code == 401
    world.clerk.close()


def test_what_is_remembered_of_failures_is_bounded() -> None:
    throttle = Throttle()
    for n in range(MOST_SOURCES + 10):
        throttle.failed(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}", NOW)
    assert len(throttle._failures) == MOST_SOURCES
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff:1") != network_of("2001:db8:0:1::1")


def test_only_networks_that_are_let_in_may_ask(tmp_path: Path) -> None:
    world = CallbackWorld(tmp_path, "allow = 203.0.113.0/28\ntrusted_proxies = 127.0.0.1")
    assert world.ask().status_code == 403
    token = world.token(headers={"X-Forwarded-For": "203.0.113.5"})
    assert world.deliver(token, X_Forwarded_For="203.0.113.15").status_code == 204
    assert world.deliver(token, X_Forwarded_For="203.0.113.16").status_code == 403
    assert world.deliver(token, X_Forwarded_For="203.0.113.5, 198.51.100.1").status_code == 403
    assert world.client.get("/healthz").status_code == 200
    world.clerk.close()


def test_without_the_pair_nothing_begins(tmp_path: Path) -> None:
    ini = tmp_path / "x.ini"
    ini.write_text("[callback]\nclient_id = vendor\n")
    config = load(str(ini), {})
    with pytest.raises(BadConfiguration) as caught:
        make_callback_app(config, Clerk(lambda: open_store(":memory:"), 1.0), lambda: NOW, KeptLog())
    assert caught.value.message == "[callback] client_secret is missing"
