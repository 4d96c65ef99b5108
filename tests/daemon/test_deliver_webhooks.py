"""``cdpoll deliver`` to webhooks that fail, hang and are gone: each way by itself, every result once at least."""

import base64
import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.daemon.test_deliver import conclude, numbers
from tests.support.cdpoll_process import House, until
from tests.support.loopback import Asked, Loopback, Peer, Script, answer
from worker.store.opening import open_store

SECRET = f"whsec_{base64.b64encode(b'7' * 32).decode()}"


@pytest.fixture
def house(tmp_path: Path) -> House:
    found = House(tmp_path)
    found.write(log_format="json")
    found.database.parent.mkdir()
    open_store(found.database, create=True).close()
    return found


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as found:
        yield found


def hook(house: House, stack: ExitStack, name: str, script: Script, **keys: str) -> Loopback:
    """A way out to a receiver that answers by ``script``."""
    server: Loopback = stack.enter_context(Loopback(script))
    house.ways[name] = {"kind": "webhook", "url": f"{server.url}/in", "secret": SECRET, **keys}
    house.write()
    return server


def heard(server: Loopback) -> list[int]:
    """The numbers that were posted, in order."""
    return [int((asked.header("webhook-id") or "").removeprefix("msg_")) for asked in server.asked]


def fine(asked: Asked, _: Peer) -> bytes:
    assert json.loads(asked.body)["data"]["seq"]
    return answer(204)


def test_a_receiver_that_hangs_delays_no_other(house: House, stack: ExitStack) -> None:
    hung = threading.Event()

    def hangs(_: Asked, peer: Peer) -> bytes:
        hung.set()
        peer.hold()

    conclude(house, "a", "b", "c")
    hanging, well = hook(house, stack, "hangs", hangs, timeout="30s"), hook(house, stack, "well", fine)
    with house.deliver() as process:
        process.ready()
        until(lambda: hung.is_set() and heard(well) == [1, 2, 3], "the other way", process.process)
        conclude(house, "d")
        until(lambda: heard(well) == [1, 2, 3, 4], "what came later", process.process)
        assert heard(hanging) == [1]


def test_a_receiver_that_fails_for_a_while_gets_everything_in_order(house: House, stack: ExitStack) -> None:
    statuses = iter([503, 429, 500])
    given: list[int] = []

    def recovers(asked: Asked, _: Peer) -> bytes:
        status = next(statuses, 200)
        if status == 200:
            given.append(int((asked.header("webhook-id") or "")[4:]))
        return answer(status)

    for task in ("a", "b"):
        conclude(house, task, ref="x")
    server = hook(house, stack, "sore", recovers, schedule="10ms 10ms 10ms 10ms 10ms 10ms")
    with house.deliver() as process:
        process.ready()
        until(lambda: sorted({*given}) == [1, 2], "all", process.process)
        until(lambda: house.status()["deliveries"]["ways"][0]["delivered"] == 2, "the note of it", process.process)
        assert process.stopped() == 0
    assert Counter(given) == {1: 1, 2: 1}
    assert len(heard(server)) == 5


def test_a_receiver_that_is_gone_is_left_alone_and_told_of(house: House, stack: ExitStack) -> None:
    conclude(house, "a", "b")
    server = hook(house, stack, "gone", lambda *_: answer(410))
    house.cdpoll("deliver", "--once", check=69)
    house.cdpoll("deliver", "--once", check=69)
    assert heard(server) == [1]
    assert "the receiver of gone wants nothing more" in house.problems()["delivery_stopped"]
    again = house.cdpoll("deliveries", "retry", "--all", "--way", "gone", check=0)
    assert again.text == "0 to be sent now\ngone begins again, with what waits\n"


def test_a_letter_that_is_refused_for_good_is_dead_and_listed_with_its_reason(house: House, stack: ExitStack) -> None:
    conclude(house, "a", "b", "c")

    def picky(asked: Asked, _: Peer) -> bytes:
        return answer(400 if b'"seq": 2' in asked.body else 204)

    two = hook(house, stack, "picky", picky, schedule="1ms")
    house.cdpoll("deliver", "--once", check=1)
    house.cdpoll("deliver", "--once", check=1)
    (dead,) = house.cdpoll("deliveries", "list", "--state", "dead", "--json", check=0).json["deliveries"]
    assert (dead["seq"], dead["id"], dead["attempts"], dead["error"]) == (2, "b", 2, "http_400")
    assert heard(two) == [1, 2, 3, 2]
    assert "1 letter given up" in house.problems()["delivery_dead"]


def test_a_stop_lets_the_attempt_under_way_end(house: House, stack: ExitStack) -> None:
    asked_for, go_on = threading.Event(), threading.Event()

    def waits(asked: Asked, peer: Peer) -> bytes:
        asked_for.set()
        go_on.wait(20)
        return fine(asked, peer)

    conclude(house, "a", "b")
    server = hook(house, stack, "slow", waits)
    with house.deliver() as process:
        process.ready()
        until(asked_for.is_set, "the first attempt", process.process)
        process.terminate()
        process.hear("STOPPING=1")
        go_on.set()
        assert process.end() == 0
    assert heard(server) == [1]
    assert house.rows("SELECT number, state FROM deliveries") == [(2, "waiting")]


def test_a_secret_that_is_missing_is_an_error_of_the_start(house: House, stack: ExitStack) -> None:
    hook(house, stack, "well", fine)
    house.ways["well"]["secret"] = f"{{file {house.folder / 'nowhere'}}}"
    house.write()
    assert "nowhere" in house.cdpoll("deliver", "--once", check=78).err


def test_the_folder_of_one_way_and_the_webhook_of_another_get_the_same(house: House, stack: ExitStack) -> None:
    (house.folder / "out").mkdir()
    house.ways["mirth"] = {"kind": "directory", "path": str(house.folder / "out")}
    server = hook(house, stack, "well", fine)
    conclude(house, "a", "b", "c")
    house.cdpoll("deliver", "--once", check=0)
    assert numbers(house) == heard(server) == [1, 2, 3]
