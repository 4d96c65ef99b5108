"""What a person at the vendor does about callbacks: looks at the deliveries, and replays some."""

import httpx
import pytest

from sandbox.callback.deliveries import STATES
from tests.support.callback_receiver import Receiver
from tests.support.callback_rig import delivering
from tests.support.sandbox_client import SECOND


def test_the_account_of_each_delivery() -> None:
    with Receiver(204, 503) as receiver, delivering(receiver) as (rig, sender):
        first, second = rig.task("NOW", 1), rig.task("NOW", 2)
        sender.step()
        url = rig.sandbox.origin + "/sandbox/callbacks"
        told = httpx.get(url, trust_env=False).json()
        assert told["counts"] == dict.fromkeys(STATES, 0) | {"accepted": 1, "waiting": 1}
        assert [(row["id"], row["state"], row["due"]) for row in told["deliveries"]] == [
            (first, "accepted", None),
            (second, "waiting", "2026-01-01T00:05:00Z"),
        ]
        assert told["deliveries"][1]["tries"] == [{"at": "2026-01-01T00:00:00Z", "outcome": "503"}]
        waiting = httpx.get(url + "?state=waiting", trust_env=False).json()
        assert [row["id"] for row in waiting["deliveries"]] == [second]
        assert [row["id"] for row in httpx.get(f"{url}?id={first}", trust_env=False).json()["deliveries"]] == [first]
        assert httpx.get(rig.sandbox.origin + "/sandbox/nothing", trust_env=False).status_code == 404


@pytest.mark.parametrize(
    ("asked", "replayed"),
    [
        ({"from": "2026-01-01T00:00:01Z", "to": "2026-01-01T00:00:02Z"}, 2),
        ({"from": "2026-01-01T00:00:01Z"}, 3),
        ({"to": "2026-01-01T00:00:00Z"}, 1),
    ],
)
def test_a_replay_by_time_range(asked: dict[str, str], replayed: int) -> None:
    with Receiver() as receiver, delivering(receiver) as (rig, sender):
        for n in range(4):
            rig.task("NOW", n)
            rig.clock.at += SECOND
        rig.task("HOURS", 9)
        sender.step()
        said = rig.http.post(rig.sandbox.origin + "/sandbox/callbacks/replay", json=asked)
        assert (said.status_code, said.json()["replayed"]) == (202, replayed)
        assert sender.step() == replayed
        assert len(receiver.delivered) == 4 + replayed


@pytest.mark.parametrize(
    "asked",
    [
        [],
        {},
        "ids",
        None,
        {"ids": "one"},
        {"ids": [1]},
        {"ids": [], "from": "2026-01-01T00:00:00Z"},
        {"from": "yesterday"},
        {"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"},
        {"since": "2026-01-01T00:00:00Z"},
    ],
)
def test_a_replay_of_nothing_that_can_be_understood(asked: object) -> None:
    with Receiver() as receiver, delivering(receiver) as (rig, _):
        said = rig.http.post(rig.sandbox.origin + "/sandbox/callbacks/replay", json=asked)
        assert said.status_code == 400
