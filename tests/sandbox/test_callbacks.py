"""Callbacks of the sandbox: token, both generations, retries, replays, and the account of each."""

import itertools
import json
from pathlib import Path

import pytest

from sandbox import examples
from sandbox.account import Account
from sandbox.callback.sender import Sender
from sandbox.callback.target import Target
from sandbox.steering import ENDS, PACES
from tests.support.callback_receiver import Receiver
from tests.support.callback_rig import delivering, outcomes, states
from tests.support.loopback import answer, closed_port, make_certificate
from tests.support.sandbox_client import HOUR, MINUTE, SECOND, START, Rig
from tests.support.vendor_schema import TASK, check_body, check_delivery
from worker.clock import Clock


def test_a_discovery_that_ends_is_delivered_as_the_vendor_declares_it() -> None:
    with Receiver() as receiver, delivering(receiver) as (rig, sender):
        rig.call("POST", "", examples.real_time_request(1, 1, "MINUTES-FOUND"), x_optum_correlation_id="corr-1")
        (task,) = rig.sandbox.tasks
        assert task.end is not None
        rig.clock.at = task.end - 1
        assert sender.step() == 0
        rig.clock.at = task.end
        assert sender.step() == 1
        (call,) = receiver.delivered
        check_body(TASK, receiver.bodies[0])
        assert receiver.bodies == [rig.body(task.id)]
        assert (call.method, call.header("content-type")) == ("POST", "application/json")
        assert call.header("x-optum-tenant-id") == rig.sandbox.account.tenant_id
        assert call.header("x-optum-correlation-id") == "corr-1"
        (one,) = rig.sandbox.deliveries
        assert (one.why, one.state, one.tries) == ("ended", "accepted", [(task.end, "204")])
        rig.clock.at += 400 * HOUR
        assert sender.step() == 0


@pytest.mark.parametrize("generation", ["newer", "older"])
@pytest.mark.parametrize("faults", ["", "realtime@callback"])
def test_every_delivery_is_as_the_vendor_declares_it(generation: str, faults: str) -> None:
    with Receiver() as receiver, delivering(receiver, faults, generation=generation) as (rig, sender):
        sent_with: dict[str, str | None] = {}
        for n, (pace, end, kind) in enumerate(itertools.product(PACES, ENDS, ("TWO", "CHAINED"))):
            correlation = {"x_optum_correlation_id": f"corr-{n}"} if n % 2 else {}
            before = len(rig.sandbox.tasks)
            rig.call("POST", "", examples.real_time_request(n, 1, f"{pace}-{end}-{kind}"), **correlation)
            sent_with |= {task.id: correlation.get("x_optum_correlation_id") for task in rig.sandbox.tasks[before:]}
        sender.step()
        rig.clock.at += 100 * HOUR
        sender.step()
        for one in receiver.delivered:
            correlation_id = sent_with[json.loads(one.body)["id"]]
            tenant_id = rig.sandbox.account.tenant_id
            check_delivery(dict(one.headers), one.body, correlation_id, tenant_id, older=generation == "older")
        ended = {task.id for task in rig.sandbox.tasks if task.end is not None}
        assert {body["id"] for body in receiver.bodies if body["status"] != "pending"} == ended
        assert any("realTime" in body for body in receiver.bodies) == bool(faults)


def test_without_a_correlation_id_the_header_is_missing_and_what_never_ends_is_never_delivered() -> None:
    with Receiver() as receiver, delivering(receiver) as (rig, sender):
        rig.task("NOW", n=1)
        rig.task("NEVER", n=2)
        rig.clock.at += 400 * HOUR
        sender.step()
        assert [one.header("x-optum-correlation-id") for one in receiver.delivered] == [None]


def test_the_older_generation_asks_with_json_and_tells_of_the_pending_task_first() -> None:
    with Receiver() as receiver, delivering(receiver, generation="older") as (rig, sender):
        task_id = rig.task("MINUTES-FOUND", n=1)
        sender.step()
        rig.clock.at += 30 * MINUTE
        sender.step()
        pending, ended = receiver.bodies
        assert [pending["id"], pending["status"]] == [task_id, "pending"]
        assert [ended["id"], ended["status"]] == [task_id, "success"]
        check_body(TASK, pending)
        assert "endDateTime" not in ended
        ended["endDateTime"] = ended.pop("endDatetime")
        assert ended == rig.body(task_id)
        assert [one.header("content-type") for one in receiver.tokens_asked] == ["application/json"]
        # one that has ended at its first look has no pending callback
        rig.task("NOW", n=2)
        sender.step()
        assert len(receiver.delivered) == 3


def test_what_a_task_ended_with_waits_while_its_pending_callback_is_under_way() -> None:
    with Receiver() as receiver, delivering(receiver, generation="older") as (rig, _):
        rig.task("MINUTES")
        vendor = rig.sandbox.vendor
        first = vendor.next_callback(rig.clock.at)
        assert first is not None
        rig.clock.at += HOUR
        assert vendor.next_callback(rig.clock.at) is None
        vendor.callback_ended(first[1], "503", rig.clock.at)
        second = vendor.next_callback(rig.clock.at)
        assert second is not None
        assert [first[1].why, second[1].why] == ["pending", "ended"]


@pytest.mark.parametrize(
    ("generation", "said"), [("newer", b"scope=a+b"), ("older", b'"scope": "a b"')], ids=["newer", "older"]
)
def test_a_token_is_asked_for_with_a_scope(generation: str, said: bytes) -> None:
    with Receiver() as receiver, delivering(receiver, generation=generation, scope="a b") as (rig, sender):
        rig.task("NOW")
        sender.step()
        assert said in receiver.tokens_asked[0].body


@pytest.mark.parametrize("generation", ["newer", "older"])
@pytest.mark.parametrize("expires_in", [3600, "3600"])
def test_a_token_is_used_until_it_expires(generation: str, expires_in: object) -> None:
    with Receiver(expires_in=expires_in) as receiver, delivering(receiver, generation=generation) as (rig, sender):
        for n, wait in enumerate((0, 3_599_999, 1)):
            rig.clock.at += wait
            rig.token = ""
            rig.task("NOW", n)
            sender.step()
        used = [one.header("authorization") for one in receiver.delivered]
        assert used == ["Bearer token-1", "Bearer token-1", "Bearer token-2"]


def test_a_token_that_is_refused_is_dropped_and_the_next_try_begins_with_another() -> None:
    with Receiver(expires_in=None) as receiver, delivering(receiver) as (rig, sender):
        rig.task("NOW", 1)
        sender.step()
        receiver.good.clear()
        rig.task("NOW", 2)
        sender.step()
        assert len(receiver.tokens_asked) == 1
        rig.clock.at += 5 * MINUTE
        sender.step()
        assert outcomes(rig) == [["204"], ["401", "204"]]
        assert len(receiver.tokens_asked) == 2


@pytest.mark.parametrize(("speed", "apart"), [(1, 5 * MINUTE), (60, 5 * SECOND)])
def test_five_retries_five_minutes_apart_and_then_never_until_it_is_replayed(speed: float, apart: int) -> None:
    with Receiver(200, 202, 400, 401, 500, 302) as receiver, delivering(receiver, speed=speed) as (rig, sender):
        task_id = rig.task("NOW")
        assert sender.step() == 1
        for _ in range(5):
            rig.clock.at += apart - 1
            assert sender.step() == 0
            assert states(rig) == ["waiting"]
            rig.clock.at += 1
            assert sender.step() == 1
        (one,) = rig.sandbox.deliveries
        assert (one.state, [at - START for at, _ in one.tries]) == ("given_up", [n * apart for n in range(6)])
        assert outcomes(rig) == [["200", "202", "400", "401", "500", "302"]]
        assert len({one.body for one in receiver.delivered}) == 1
        rig.clock.at += 400 * HOUR
        assert sender.step() == 0
        said = rig.http.post(rig.sandbox.origin + "/sandbox/callbacks/replay", json={"ids": [task_id, "no-such"]})
        assert (said.status_code, said.json()) == (202, {"replayed": 1, "pending": [], "unknown": ["no-such"]})
        assert sender.step() == 1
        assert states(rig) == ["given_up", "accepted"]
        assert receiver.delivered[-1].body == receiver.delivered[0].body


def test_a_token_that_cannot_be_had_is_a_try_too() -> None:
    said = [
        answer(503),
        answer(200, b"no JSON"),
        answer(200, b'{"access_token": 5}'),
        answer(200, b'{"access_token": "a\\r\\nb"}'),
        answer(200, b"[]"),
        answer(200, b'{"access_token": "x", "expires_in": "soon"}'),
    ]
    with Receiver() as receiver, delivering(receiver) as (rig, sender):
        receiver.on_token = lambda _asked, _peer: said.pop(0)
        rig.task("NOW")
        for _ in range(6):
            sender.step()
            rig.clock.at += 5 * MINUTE
        assert outcomes(rig) == [["token: 503", *["token: unreadable"] * 5]]
        assert states(rig) == ["given_up"]
        assert receiver.delivered == []


def test_what_answers_badly_or_not_at_all() -> None:
    with Receiver() as receiver, delivering(receiver) as (rig, sender):
        rig.task("NOW")
        for said in (b"", b"HTTP/1.1 2", b"SSH-2.0-x\r\n", b"HTTP/1.1 204 No Content\r\n\r\n"):
            receiver.on_delivery = lambda _asked, peer, said=said: peer.send(said) or peer.close()
            sender.step()
            rig.clock.at += 5 * MINUTE
        assert outcomes(rig) == [["no whole answer"] * 3 + ["204"]]
    with closed_port() as url:
        account = Account(callback=Target(url + "/here", url + "/token", "id", "secret"))
        with Rig(account=account) as rig:
            rig.task("NOW")
            Sender(rig.sandbox).step()
            assert outcomes(rig) == [["token: unreachable"]]


def test_an_answer_that_only_trickles_in_is_not_waited_for() -> None:
    with Receiver() as receiver, Rig(account=Account(callback=receiver.target())) as rig:
        receiver.on_token = lambda _asked, peer: peer.drip(b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 90)
        rig.sandbox.clock = Clock()  # a deadline is in real time
        rig.task("NOW")
        Sender(rig.sandbox, deadline_ms=50).step()
        assert outcomes(rig) == [["token: no answer"]]


def test_tls_is_verified(tmp_path: Path) -> None:
    made = make_certificate(tmp_path)
    with Receiver(tls=made.server()) as receiver, delivering(receiver) as (rig, sender):
        rig.task("NOW")
        sender.step()
        assert outcomes(rig) == [["token: certificate not trusted"]]
        rig.sandbox.set_callback(receiver.target(authority=str(made.cert)))
        rig.clock.at += 5 * MINUTE
        sender.step()
        assert states(rig) == ["accepted"]


def test_a_request_names_a_callback_url_of_its_own() -> None:
    with Receiver() as receiver, delivering(receiver) as (rig, sender):
        own = receiver.server.url + "/own?a=1"
        for n, url in enumerate((own, "https://elsewhere.invalid/", "http://elsewhere.invalid/", ""), 1):
            body = examples.discovery_request(n, 1, "NOW") | ({"callbackUrl": url} if url else {})
            assert rig.call("POST", "/coverage-discovery", body).status_code == 202
        body = examples.discovery_x12_request(9, 1, "NOW") | {"callbackUrl": own}
        assert rig.call("POST", "/coverage-discovery/x12", body).status_code == 202
        dry = examples.discovery_request(10, 1, "NOW", dry_run=True) | {"callbackUrl": own}
        assert rig.call("POST", "/coverage-discovery", dry).status_code == 200
        sender.step()
        assert [one.target for one in receiver.delivered] == ["/own?a=1", "/coverage-discovery/callback", "/own?a=1"]
        assert states(rig) == ["accepted", "barred", "barred", "accepted", "accepted"]


def test_without_a_target_nothing_is_delivered() -> None:
    with Rig() as rig:
        body = examples.discovery_request(1, 1, "NOW") | {"callbackUrl": "http://127.0.0.1:1/"}
        rig.call("POST", "/coverage-discovery", body)
        assert rig.sandbox.deliveries == []
        said = rig.http.post(rig.sandbox.origin + "/sandbox/callbacks/replay", json={"ids": []})
        assert said.status_code == 409
