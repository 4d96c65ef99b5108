"""One delivery: what it writes, and what a second one, an earlier one or a forged one does."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import database
from tests.support.database import NOW, ORIGIN, SCHEDULE
from tests.support.engine import tables
from tests.support.polled_bodies import a_body, a_path, says
from worker.core.instant import iso
from worker.core.vendor.callback import CallbackRules, Delivery
from worker.core.vendor.rehearsal import concluded
from worker.rounds.callback.receive import READ_AT_ONCE_BYTES, Received, receive, retry
from worker.store.db.store import Store
from worker.store.opening import open_store
from worker.store.state import callback_lane

MINUTE = 60_000
RULES = CallbackRules("ours", "unknown", ORIGIN, SCHEDULE, 45 * MINUTE)
ENDED = a_body("a", "success", successful=[a_path(says())]) | {"endDateTime": iso(NOW - MINUTE)}
PENDING = a_body("a", "pending", pending=[{"name": "RTCOB"}]) | {"name": "Default"}


@pytest.fixture
def store() -> Iterator[Store]:
    with open_store(":memory:") as store:
        yield store


def deliver(store: Store, body: Any, rules: CallbackRules = RULES, now: int = NOW, **headers: str) -> Received:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return receive(store, Delivery(data, **headers), rules, now)


def record(store: Store, task: str = "a") -> None:
    database.record(store, task)


def task(store: Store, task_id: str = "a") -> dict[str, Any]:
    row = store.one("SELECT * FROM tasks WHERE id = :id", {"id": task_id})
    assert row is not None
    return dict(row)


def count(store: Store, table: str) -> int:
    return int(store.read(f"SELECT count(*) AS n FROM {table}")[0]["n"])


def test_what_a_large_body_says_is_left_to_the_daemon(store: Store) -> None:
    deliver(store, json.dumps(ENDED).encode().ljust(READ_AT_ONCE_BYTES + 1))
    assert store.read("SELECT derived FROM results")[0]["derived"] is None


def test_a_recorded_task_is_concluded_with_its_body_as_it_came(store: Store) -> None:
    record(store)
    data = json.dumps(ENDED, indent=3).encode()
    received = deliver(store, data, correlation_id="visit-7", trace_id="t-1")
    assert (received.fate, received.outcome) == ("first", "success")
    row = task(store)
    assert (row["state"], row["outcome"], row["concluded_by"]) == ("concluded", "success", "callback")
    assert (row["correlation_id"], row["trace_id"], row["callback_at"]) == ("visit-7", "t-1", NOW)
    assert row["verify_at"] is None  # it was recorded here
    kept = store.read("SELECT body, source, revision, derived FROM results")[0]
    assert (bytes(kept["body"]), kept["source"], kept["revision"]) == (data, "callback", 1)
    assert kept["derived"] is not None
    assert count(store, "outbox") == 1


def test_the_same_again_changes_nothing_and_a_differing_one_becomes_a_revision(store: Store) -> None:
    record(store)
    assert deliver(store, ENDED).fate == "first"
    assert deliver(store, ENDED | {"traceId": "another", "tenantName": "x"}, now=NOW + 1).fate == "same"
    assert (count(store, "results"), count(store, "outbox")) == (1, 1)
    with_real_time = ENDED | {"realTime": {"id": "r", "transaction": {"status": "eligible"}}}
    assert deliver(store, with_real_time).fate == "fuller"
    assert deliver(store, ENDED | {"realTime": {}}).fate == "same"
    assert (count(store, "results"), count(store, "outbox")) == (1, 1)
    assert deliver(store, ENDED | {"status": "failure"}).fate == "revision"
    assert count(store, "outbox") == 2
    assert task(store)["outcome"] == "success"  # the first one stands


def test_pending_never_moves_a_task_back(store: Store) -> None:
    record(store)
    assert deliver(store, PENDING).fate == "pending"
    row = task(store)
    assert (row["state"], row["name"], row["callback_at"]) == ("pending", "Default", None)
    deliver(store, ENDED)
    before = task(store)
    assert deliver(store, PENDING | {"name": "Another"}).fate == "pending"
    assert task(store) == before


@pytest.mark.parametrize(("verify", "verified"), [("unknown", True), ("all", True), ("off", False)])
def test_an_id_that_was_not_recorded_is_recorded_concluded_and_confirmed(
    store: Store, verify: Any, verified: bool
) -> None:
    assert deliver(store, ENDED, RULES._replace(verify=verify)).fate == "first"
    row = task(store)
    assert (row["source"], row["origin"], row["state"]) == ("callback", ORIGIN, "concluded")
    assert row["verify_at"] == (NOW if verified else None)
    assert deliver(store, ENDED, RULES._replace(verify=verify), NOW + 5).fate == "same"
    assert task(store)["verify_at"] == row["verify_at"]  # once


def test_all_are_confirmed_where_that_is_wanted_and_none_without_the_api(store: Store) -> None:
    record(store)
    deliver(store, ENDED, RULES._replace(verify="all"))
    assert task(store)["verify_at"] == NOW
    deliver(store, a_body("b", "failure"), RULES._replace(verify="all", origin=""))
    assert task(store, "b")["verify_at"] is None


def test_an_unknown_pending_id_is_recorded_to_be_polled(store: Store) -> None:
    assert deliver(store, PENDING).fate == "pending"
    row = task(store)
    assert (row["state"], row["source"]) == ("pending", "callback")
    assert row["due_at"] is not None
    assert deliver(store, ENDED, now=NOW + MINUTE).fate == "first"
    assert task(store)["verify_at"] == NOW + MINUTE  # a callback alone has named it


@pytest.mark.parametrize(
    ("body", "tenant", "code"),
    [
        (ENDED, "theirs", "other_tenant"),
        (ENDED, "ours, theirs", "other_tenant"),
        (b'{"id": "a", "status": ', None, "not_json"),
        (b"<html>", None, "html"),
        (b"", None, "not_json"),
        (b"[]", None, "no_task"),
        ({"status": "success"}, None, "no_task"),
        ({"id": "a"}, None, "no_status"),
        (a_body("a", "finished"), None, "unknown_status"),
        (a_body("../a", "success"), None, "bad_id"),
        (a_body("a" * 129, "success"), None, "bad_id"),
        (b"\xff\xfe\x00", "ours", "not_json"),
        (b'{"id": "a", "status": "success", "x": [' + b"{}," * 300_000 + b"{}]}", None, "too_many_values"),
    ],
)
def test_what_cannot_be_used_is_kept_whole(store: Store, body: Any, tenant: str | None, code: str) -> None:
    record(store)
    before = task(store)
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    for _ in range(2):
        received = receive(store, Delivery(data, tenant), RULES, NOW)
        assert (received.fate, received.code) == ("quarantined", code)
    (kept,) = store.read("SELECT task, source, reason, body, tenant FROM bodies")
    assert (kept["task"], kept["source"], kept["reason"], kept["tenant"]) == (None, "callback", code, tenant)
    assert bytes(kept["body"]) == data
    assert task(store) == before
    assert count(store, "results") == 0


@pytest.mark.parametrize("tenant", [None, "ours", " ours", "ours,ours", ","])
def test_a_missing_an_empty_and_our_own_tenant_are_normal(store: Store, tenant: str | None) -> None:
    assert receive(store, Delivery(json.dumps(ENDED).encode(), tenant), RULES, NOW).fate == "first"


def test_without_a_tenant_of_ours_each_is_taken(store: Store) -> None:
    rules = RULES._replace(tenant_id=None)
    assert receive(store, Delivery(json.dumps(ENDED).encode(), "whose"), rules, NOW).fate == "first"


@pytest.mark.parametrize("state", ["abandoned", "purged"])
def test_an_abandoned_task_is_concluded_and_a_purged_one_stays_so(store: Store, state: str) -> None:
    record(store)
    if state == "abandoned":
        with store.write():
            store.execute("UPDATE tasks SET state = 'abandoned', due_at = NULL, abandoned_at = :now", {"now": NOW})
        assert deliver(store, ENDED).fate == "first"
        assert task(store)["abandoned_at"] is None
        return
    deliver(store, ENDED)
    with store.write():
        store.execute("UPDATE results SET body = :nothing, purged_at = :now", {"nothing": b"", "now": NOW})
        store.execute("UPDATE tasks SET purged_at = :now", {"now": NOW})
    assert deliver(store, ENDED).fate == "same"
    assert bytes(store.read("SELECT body FROM results")[0]["body"]) == b""


def test_a_rehearsal_leaves_nothing(store: Store) -> None:
    before = {name: count(store, name) for name in tables(store)}
    assert deliver(store, concluded("x", iso(NOW))).fate == "rehearsal"
    assert {name: count(store, name) for name in before} == before
    wrong = RULES._replace(tenant_id="mistyped")
    receive(store, Delivery(json.dumps(concluded("x", iso(NOW))).encode(), "ours"), wrong, NOW)
    (seq,) = [row["seq"] for row in store.read("SELECT seq FROM bodies")]
    assert retry(store, seq, RULES, NOW) is None
    assert {name: count(store, name) for name in before} == before
    assert callback_lane.get(store).last_at is None


def test_only_what_comes_soon_after_the_end_shows_that_callbacks_arrive(store: Store) -> None:
    old = ENDED | {"endDateTime": iso(NOW - 46 * MINUTE)}
    deliver(store, old)
    lane = callback_lane.get(store)
    assert (lane.last_at, lane.last_fresh_at) == (NOW, None)
    deliver(store, ENDED | {"id": "b"})
    assert callback_lane.get(store).last_fresh_at == NOW
    deliver(store, a_body("c", "failure"), now=NOW + 1)  # its end is not told, and it was pending here
    assert callback_lane.get(store).last_fresh_at == NOW + 1
    deliver(store, a_body("c", "failure"), now=NOW + 2)
    assert callback_lane.get(store).last_fresh_at == NOW + 1


def test_what_can_be_read_now_leaves_the_quarantine(store: Store) -> None:
    record(store)
    wrong = RULES._replace(tenant_id="mistyped")
    receive(store, Delivery(json.dumps(ENDED).encode(), "ours", "visit-7", "t-9"), wrong, NOW)
    (seq,) = [row["seq"] for row in store.read("SELECT seq FROM bodies")]
    assert retry(store, seq, wrong, NOW) == "other_tenant"
    assert count(store, "bodies") == 1
    assert retry(store, seq, RULES, NOW) is None
    row = task(store)
    assert (count(store, "bodies"), row["state"]) == (0, "concluded")
    assert (row["correlation_id"], row["trace_id"]) == ("visit-7", "t-9")  # of its headers
    assert retry(store, seq, RULES, NOW) == "is not in quarantine"
