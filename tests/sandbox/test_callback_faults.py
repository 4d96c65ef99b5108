"""What can be odd about the sandbox's callbacks, fault by fault."""

import json
from pathlib import Path
from typing import Any

import pytest

from sandbox.catalogue import FAULTS
from tests.support.callback_receiver import Receiver
from tests.support.callback_rig import delivering, outcomes, states
from tests.support.sandbox_client import HOUR, MINUTE, START, Rig

MIB_BYTES = 1024 * 1024


def told(faults: str, words: str = "NOW-FOUND", *, after: int = HOUR, **more: Any) -> tuple[Rig, Receiver]:
    """One task and all that is delivered about it within a time; the plain body is in ``rig.truth``."""
    with Receiver() as receiver, delivering(receiver, faults, **more) as (rig, sender):
        rig.check = False
        rig.task(words)
        sender.step()
        for _ in range(60):
            rig.clock.at += after // 60
            sender.step()
        return rig, receiver


def truth(rig: Rig, number: int = 0) -> dict[str, Any]:
    """What the API says of a task, unspoiled."""
    task = rig.sandbox.tasks[number]
    body: dict[str, Any] = json.loads(rig.sandbox.vendor.ledger.task_bytes(task, rig.clock.at))
    return body


def whys(rig: Rig) -> list[str]:
    return [one.why for one in rig.sandbox.deliveries]


def test_one_that_is_lost_is_never_sent_and_a_replay_brings_it() -> None:
    with Receiver() as receiver, delivering(receiver, "callback_lost") as (rig, sender):
        task_id = rig.task("NOW")
        sender.step()
        rig.clock.at += 40 * MINUTE
        sender.step()
        assert (states(rig), outcomes(rig), receiver.server.asked) == (["lost"], [[]], [])
        rig.http.post(rig.sandbox.origin + "/sandbox/callbacks/replay", json={"ids": [task_id]})
        sender.step()
        assert states(rig) == ["lost", "accepted"]
        assert rig.sandbox.mischief.seen == {"callback_lost": 1}


def test_the_same_again() -> None:
    rig, receiver = told("callback_twice")
    assert receiver.bodies == [truth(rig)] * 2
    assert [at - START for one in rig.sandbox.deliveries for at, _ in one.tries] == [0, MINUTE]


def test_another_body_for_the_same_id() -> None:
    rig, receiver = told("callback_revised:30m")
    first, second = receiver.bodies
    assert first == truth(rig) != second
    assert (second["id"], second["status"]) == (first["id"], first["status"])
    assert second["discoveryPaths"] != first["discoveryPaths"]
    assert [at - START for one in rig.sandbox.deliveries for at, _ in one.tries] == [0, 30 * MINUTE]


def test_the_same_with_real_time() -> None:
    rig, receiver = told("callback_realtime")
    first, second = receiver.bodies
    assert "realTime" not in first
    assert second.pop("realTime")["name"] == "Real Time"
    assert first == second == truth(rig)


def test_pending_after_the_end() -> None:
    _, receiver = told("callback_late_pending", "MINUTES")
    assert [body["status"] == "pending" for body in receiver.bodies] == [False, True]
    assert not receiver.bodies[1].keys() & {"endDateTime", "endDatetime"}


def test_tenants() -> None:
    rig, receiver = told("callback_foreign")
    assert receiver.delivered[0].header("x-optum-tenant-id") not in (None, "", rig.sandbox.account.tenant_id)
    assert receiver.bodies[0]["tenantName"] != truth(rig)["tenantName"]
    assert told("callback_no_tenant")[1].delivered[0].header("x-optum-tenant-id") is None
    assert told("callback_empty_tenant")[1].delivered[0].header("x-optum-tenant-id") == ""


def test_bodies_that_cannot_be_used() -> None:
    rig, receiver = told("callback_broken")
    with pytest.raises(ValueError):
        _ = receiver.bodies
    assert json.dumps(truth(rig), separators=(",", ":")).encode().startswith(receiver.delivered[0].body)
    assert told("callback_content_type")[1].delivered[0].header("content-type") == "text/plain"
    assert told("callback_content_type:text/xml")[1].delivered[0].header("content-type") == "text/xml"
    rig, receiver = told("callback_oversized:2")
    assert receiver.bodies == [truth(rig)]
    assert len(receiver.delivered[0].body) > 2 * MIB_BYTES


def test_ids_that_were_told_to_nobody() -> None:
    rig, receiver = told("callback_unknown")
    first, other = receiver.bodies
    assert [truth(rig, 0), truth(rig, 1)] == [first, other]
    rig, receiver = told("callback_forged")
    first, other = receiver.bodies
    assert other["id"] != first["id"]
    assert [task.id for task in rig.sandbox.tasks] == [first["id"]]
    assert whys(rig) == ["ended", "callback_forged"]


@pytest.mark.parametrize("words", ["NOW-FOUND", "NOW-NOTHING", "NOW-SKIPPED", "NOW-CHAINED-FOUND"])
def test_a_body_that_the_api_denies(words: str) -> None:
    rig, receiver = told("callback_mismatch", words)
    (said,), true = receiver.bodies, truth(rig)
    assert {said["status"], true["status"]} == {"success", "failure"}
    assert said["id"] == true["id"]
    if words != "NOW-SKIPPED":
        assert bool(said["discoveryPaths"]["successful"]) == (said["status"] == "success")


def test_an_answer_that_is_not_heard() -> None:
    rig, receiver = told("callback_unheard")
    assert outcomes(rig) == [["no answer", "204"]]
    assert receiver.bodies == [truth(rig)] * 2


@pytest.mark.parametrize(("speed", "waited"), [(1, 20 * 10_000), (10, 20 * 1_000)])
def test_a_slow_sender(speed: float, waited: int) -> None:
    with Receiver() as receiver, delivering(receiver, "callback_slow:10s", speed=speed) as (rig, sender):
        rig.task("NOW")
        sender.step()
        assert (receiver.bodies, rig.clock.waited) == ([truth(rig)], waited)


def test_one_that_is_late() -> None:
    rig, receiver = told("callback_late:40m,callback_twice:5m")
    assert [at - START for one in rig.sandbox.deliveries for at, _ in one.tries] == [40 * MINUTE, 45 * MINUTE]
    assert len(receiver.delivered) == 2


# Which are struck.


def test_the_quirks_of_bodies_are_in_polls_and_callbacks_alike_or_in_one_of_them() -> None:
    for faults, in_poll, in_callback in (
        ("realtime", True, True),
        ("realtime@callback", False, True),
        ("realtime@POST", False, True),
        ("realtime@GET", True, False),
    ):
        with Receiver() as receiver, delivering(receiver, faults) as (rig, sender):
            task_id = rig.task("NOW")
            sender.step()
            assert ("realTime" in rig.body(task_id), "realTime" in receiver.bodies[0]) == (in_poll, in_callback)


def test_a_share_of_odd_bodies_is_the_same_in_both_lanes() -> None:
    with Receiver() as receiver, delivering(receiver, "realtime=50%") as (rig, sender):
        polled = {}
        for n in range(30):
            task_id = rig.task("NOW", n)
            polled[task_id] = "realTime" in rig.body(task_id)
        sender.step()
        assert {body["id"]: "realTime" in body for body in receiver.bodies} == polled
        assert 5 <= sum(polled.values()) <= 25


def test_a_share_of_callbacks_is_drawn_from_the_seed_and_not_from_the_order() -> None:
    def lost(order: int) -> dict[str, str]:
        with Receiver() as receiver, delivering(receiver, "callback_lost=30%") as (rig, sender):
            for n in range(40)[::order]:
                rig.task("NOW", n)
            sender.step()
            return {one.task.id: one.state for one in rig.sandbox.deliveries}

    first = lost(1)
    assert first == lost(-1)
    assert 4 <= list(first.values()).count("lost") <= 22


def test_a_window_counts_from_the_first_callback() -> None:
    with Receiver() as receiver, delivering(receiver, "callback_lost@10m-20m") as (rig, sender):
        rig.get("/healthcheck")
        rig.clock.at += 30 * MINUTE
        for n in range(3):
            rig.task("NOW", n)
            sender.step()
            rig.clock.at += 10 * MINUTE
        assert states(rig) == ["accepted", "lost", "accepted"]


@pytest.mark.parametrize("generation", ["newer", "older"])
def test_all_faults_at_once_get_through(generation: str) -> None:
    names = [name for name, fault in FAULTS.items() if fault.kind in ("body", "callback") and name != "callback_lost"]
    faults = ",".join(names).replace("oversized", "oversized:1")
    with Receiver() as receiver, delivering(receiver, faults, generation=generation) as (rig, sender):
        rig.check = False
        for n, words in enumerate(("NOW-FOUND", "NOW-SKIPPED", "MINUTES-NOTHING")):
            rig.task(words, n)
        for _ in range(30):
            sender.step()
            rig.clock.at += 5 * MINUTE
        assert set(states(rig)) == {"accepted"}
        assert len({one.why for one in rig.sandbox.deliveries}) == (7 if generation == "newer" else 8)


def test_every_fault_of_callbacks_is_tested_here() -> None:
    text = Path(__file__).read_text()
    assert [name for name, fault in FAULTS.items() if fault.kind == "callback" and name not in text] == []
