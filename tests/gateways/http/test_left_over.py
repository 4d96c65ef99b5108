"""More comes on a kept connection than was asked for: it answers nothing, least of all another task."""

import json
import select
import socket
import threading

import pytest

from tests.support.loopback import Asked, Peer, Serve, always, answer, code_of, get, head
from tests.support.scripted_vendor import ScriptedVendor, task
from worker.core.vendor.reply import Concluded, Garbled, Pending
from worker.gateways.http.client import HttpClient

NOW = 1_800_000_000_000
STRAY = answer(200, b"stray")

# What comes after an answer, together with it.
SURPLUS = {
    "a whole answer": STRAY,
    "two": STRAY + STRAY,
    "the head of one": head(200, "content-length: 500"),
    "half a head": b"HTTP/1.1 200 OK\r\ncontent-length: 5",
    "one byte": b"x",
    "a line end": b"\r\n",
    "an interim answer": head(100),
}
# An answer with a body of which the parser reads none, or less than there is.
KINDS = {
    "more than said": (200, b"%b"),
    "chunked": (200, b"%x\r\n%b\r\n0\r\n\r\n"),
    "no content, with one": (204, b"%b"),
    "not modified, with one": (304, b"%b"),
}


def said(kind: str, body: bytes) -> bytes:
    status, form = KINDS[kind]
    if kind == "chunked":
        return head(status, "transfer-encoding: chunked") + form % (len(body), body)
    return head(status, f"content-length: {len(body)}") + form % body


@pytest.mark.parametrize("surplus", SURPLUS.values(), ids=SURPLUS)
@pytest.mark.parametrize("kind", KINDS)
def test_what_came_with_an_answer_is_not_the_next_one(
    serve: Serve, client: HttpClient, kind: str, surplus: bytes
) -> None:
    server = serve(lambda asked, peer: said(kind, asked.target.encode()) + surplus)
    bodies = [get(client, f"{server.url}/{n}").body for n in range(3)]
    assert bodies == ([b"/0", b"/1", b"/2"] if KINDS[kind][0] == 200 else [b"", b"", b""])
    assert client.send("POST", server.url, {}, b"").body in (b"/", b"")
    assert server.connections == client.sent == 4


@pytest.mark.parametrize("surplus", SURPLUS.values(), ids=SURPLUS)
def test_what_comes_while_the_connection_is_idle_is_not_the_next_one(
    serve: Serve, client: HttpClient, surplus: bytes
) -> None:
    idle = threading.Event()
    came = threading.Event()

    def script(asked: Asked, peer: Peer) -> None:
        peer.send(answer(200, asked.target.encode()))
        assert idle.wait(10)
        peer.send(surplus)
        came.set()

    server = serve(script)
    assert get(client, f"{server.url}/0").body == b"/0"
    idle.set()
    assert came.wait(10)
    kept = client._socket
    assert kept is not None
    assert select.select([kept], [], [], 10)[0], "the bytes are there"
    assert get(client, f"{server.url}/1").body == b"/1"
    assert server.connections == 2


def test_what_a_peer_says_before_it_is_asked_is_no_answer(
    serve: Serve, client: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def patient(opened: socket.socket) -> None:
        assert select.select([opened], [], [], 10)[0], "the greeting is there"

    server = serve(always(answer(200, b"mine")), greet=lambda peer: peer.send(STRAY))
    monkeypatch.setattr(client._connection._backend, "opened", patient)
    assert code_of(lambda: get(client, server.url)) == "protocol"
    assert server.asked == []


NAMELESS = json.dumps({"status": "success", "discoveryPaths": {}}).encode()


@pytest.mark.parametrize("stray", [task("other", "success"), answer(200, NAMELESS)], ids=["another task's", "no name"])
def test_an_answer_that_names_another_task_or_none_is_asked_for_anew(
    scripted: ScriptedVendor, client: HttpClient, stray: bytes
) -> None:
    """The stray answer is sent when the next request has been read: nothing tells it from a true one but the id."""
    asked_on: list[int] = []

    def say(asked: Asked, peer: Peer) -> bytes:
        asked_on.append(peer.number)
        return stray if len(asked_on) == 2 else task(asked.id)

    scripted.say = say
    api = scripted.api()
    for task_id in ("t-1", "t-2"):
        reply = api.poll(client, task_id, NOW).reply
        assert isinstance(reply, Pending)
        assert reply.document.id == task_id
    assert asked_on == [0, 0, 1]


def test_a_vendor_that_answers_so_over_a_new_connection_too_is_believed(
    scripted: ScriptedVendor, client: HttpClient
) -> None:
    api = scripted.api()
    api.poll(client, "x", NOW)
    scripted.say = lambda asked, peer: task("other", "success")
    assert api.poll(client, "x", NOW).reply == Garbled("wrong_id")
    scripted.say = lambda asked, peer: answer(200, NAMELESS)
    assert isinstance(api.poll(client, "x", NOW).reply, Concluded)
    assert len(scripted.polls) == 5
