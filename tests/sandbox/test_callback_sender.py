"""What sends the sandbox's callbacks: its threads, and the addresses that it calls."""

import threading
from dataclasses import replace
from typing import Any

import pytest

from sandbox.callback.sender import Sender
from sandbox.callback.target import Target, listens_here, token_url_beside
from tests.support.callback_receiver import Receiver
from tests.support.callback_rig import delivering, outcomes, states
from tests.support.cdpoll_process import until
from tests.support.loopback import answer


def test_it_sends_by_itself_and_a_receiver_that_hangs_holds_up_nothing_else() -> None:
    with Receiver() as receiver, delivering(receiver) as (rig, _):
        came = threading.Semaphore(0)

        def hang(_asked: Any, peer: Any) -> None:
            came.release()
            peer.hold()

        receiver.on_delivery = hang
        sender = Sender(rig.sandbox, threads=2)
        sender.start()
        try:
            for n in range(5):
                rig.task("NOW", n)
            assert came.acquire(timeout=10)
            assert came.acquire(timeout=10)
            assert rig.get("/healthcheck").status_code == 200
            assert sorted(states(rig)) == ["sending"] * 2 + ["waiting"] * 3
            assert threading.active_count() < 30
        finally:
            sender.stop()
        # what a stop has cut off is not counted as a try
        assert states(rig) == ["waiting"] * 5
        assert outcomes(rig) == [[]] * 5
        receiver.on_delivery = None
        assert Sender(rig.sandbox).step() == 5
        assert states(rig) == ["accepted"] * 5


@pytest.mark.parametrize(("status", "wanted"), [(200, "accepted"), (500, "waiting")])
def test_who_begins_at_one_moment_shares_one_token_or_its_failure(status: int, wanted: str) -> None:
    with Receiver() as receiver, delivering(receiver) as (rig, _):
        go = threading.Event()

        def give(_asked: Any, _peer: Any) -> bytes:
            go.wait(10)
            receiver.good.add("one")
            return answer(status, b'{"access_token": "one"}')

        receiver.on_token = give
        for n in range(4):
            rig.task("NOW", n)
        sender = Sender(rig.sandbox, threads=4)
        looks, look = threading.Semaphore(0), sender.caller._held

        def held(target: Target) -> str:
            looks.release()
            return look(target)

        sender.caller._held = held  # type: ignore[method-assign]
        sender.start()
        try:
            for _ in range(5):  # each of the four has looked, and the first one once more
                assert looks.acquire(timeout=10)
            go.set()
            until(lambda: states(rig) == [wanted] * 4, "all four have ended")
        finally:
            sender.stop()
        assert len(receiver.tokens_asked) == 1


def test_who_rehearses_has_the_time_to_start_what_takes_the_callbacks() -> None:
    asked = threading.Semaphore(0)
    with Receiver() as receiver, delivering(receiver) as (rig, sender):
        rig.task("NOW")
        reach = sender.caller.reaches
        came = threading.Event()

        def reaches(target: Target) -> bool:
            asked.release()
            return came.is_set() and reach(target)

        def deliver(_asked: Any, _peer: Any) -> bytes:
            asked.release()
            return answer(204)

        sender.caller.reaches = reaches  # type: ignore[method-assign]
        receiver.on_delivery = deliver
        sender.start(awaits=True)
        try:
            for _ in range(3):
                assert asked.acquire(timeout=10)
            assert receiver.server.asked == []
            came.set()
            while not receiver.delivered:
                assert asked.acquire(timeout=10)
        finally:
            sender.stop()


# What may be called.


@pytest.mark.parametrize(
    "url",
    [
        "ftp://127.0.0.1/x",
        "http://192.0.2.1/x",
        "http://localhost.elsewhere.invalid/",
        "https://",
        "//here",
        "https://user:word@host.invalid/",
        "https://host.invalid/#part",
        "https://host.invalid/a b",
        "https://host.invalid:x/",
        "https://host.invalid/\r\nx: y",
    ],
)
def test_addresses_that_are_not_called(url: str) -> None:
    fine = Target("https://host.invalid/callback", "https://host.invalid/token", "id", "secret")
    with pytest.raises(ValueError, match=r"URL|https"):
        replace(fine, url=url)
    assert not fine.allows(url)
    assert fine.allows("https://host.invalid:8443/other")
    assert "secret" not in repr(fine)
    with pytest.raises(ValueError, match="newer or older"):
        replace(fine, generation="newest")


def test_the_token_url_lies_beside_the_callback_url() -> None:
    assert token_url_beside("http://127.0.0.1:9272/coverage-discovery/callback") == "http://127.0.0.1:9272/oauth2/token"
    assert token_url_beside("https://h.invalid/in/coverage-discovery/callback") == "https://h.invalid/in/oauth2/token"
    assert token_url_beside("https://h.invalid/elsewhere") == "https://h.invalid/oauth2/token"


def test_which_targets_a_configuration_can_serve() -> None:
    def where(url: str, token_url: str) -> tuple[str, str, str] | None:
        return listens_here(Target(url, token_url, "id", "secret"))

    assert where("http://127.0.0.1:81/in/c", "http://127.0.0.1:81/in/t") == ("127.0.0.1:81", "/in/t", "/in/c")
    assert where("http://[::1]/c", "http://[::1]/t") == ("[::1]:80", "/t", "/c")
    assert where("https://host.invalid/c", "https://host.invalid/t") is None
    assert where("http://127.0.0.1:81/c", "http://127.0.0.1:82/t") is None
    assert where("http://127.0.0.1:81/c?a=b", "http://127.0.0.1:81/t") is None
    assert where("http://127.0.0.1:81/", "http://127.0.0.1:81/t") is None
