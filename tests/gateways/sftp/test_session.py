"""The SFTP conversation against servers that OpenSSH is not: terse, out of order, old, or hostile."""

import random
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.clock import Clock
from worker.gateways.sftp.drop import Drop, DropSettings, RemoteFile, Server
from worker.gateways.sftp.guard import Guard
from worker.gateways.sftp.packets import Attributes, Entry, Nonsense
from worker.gateways.sftp.session import RequestRefused, Session

Answer = Callable[[int, int, bytes], list[bytes]]


def packet(kind: int, *parts: bytes | int) -> bytes:
    body = b"".join(struct.pack(">I", part) if isinstance(part, int) else part for part in parts)
    return struct.pack(">IB", len(body) + 1, kind) + body


def text(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def status(request: int, code: int) -> bytes:
    return packet(101, request, code, text(b"Datei gel\xf6scht"), text(b""))


class Script:
    """A server on the other end of a pair of sockets; ``answer`` turns a request into the packets to send."""

    def __init__(self, sock: socket.socket, answer: Answer, version: bytes) -> None:
        self._sock = sock
        self._answer = answer
        self._version = version
        self.requests: list[tuple[int, bytes]] = []

    def run(self) -> None:
        # The other side may hang up with words of ours unread.
        with suppress(OSError), self._sock, self._sock.makefile("rb") as reader:
            while head := reader.read(4):
                body = reader.read(int.from_bytes(head, "big"))
                if body[0] == 1:
                    self._sock.sendall(self._version)
                    continue
                self.requests.append((body[0], body[5:]))
                for out in self._answer(body[0], int.from_bytes(body[1:5], "big"), body[5:]):
                    self._sock.sendall(out)


@contextmanager
def session(answer: Answer, version: bytes = packet(2, 3)) -> Iterator[tuple[Session, Script]]:
    near, far = socket.socketpair()
    script = Script(far, answer, version)
    thread = threading.Thread(target=script.run)
    thread.start()
    try:
        with near:
            near.settimeout(20)
            yield Session(near, Guard(Clock(), threading.Event())), script  # type: ignore[arg-type]
            near.shutdown(socket.SHUT_RDWR)
    finally:
        near.close()
        thread.join()


def read_request(body: bytes) -> tuple[int, int]:
    length = int.from_bytes(body[:4], "big")
    offset, count = struct.unpack(">QI", body[4 + length :])
    return offset, count


@given(st.integers(0, 300_000), st.integers(0, 2**32), st.booleans())
def test_a_file_is_whole_however_its_pieces_come(size: int, seed: int, large: bool) -> None:
    chance = random.Random(seed)
    content = chance.randbytes(size)
    held: list[bytes] = []

    def answer(kind: int, request: int, body: bytes) -> list[bytes]:
        if kind == 200:
            return [packet(201, request, struct.pack(">QQQQ", 0, 100_000, 0, 0))]
        offset, count = read_request(body)
        data = content[offset : offset + chance.randint(1, count)]
        held.append(packet(103, request, text(data)) if data else status(request, 1))
        if count in (32 * 1024, 100_000) and offset + count <= size and chance.random() < 0.5:
            return []  # it comes with a later one: that for the file's end is asked with it, and answered at once
        chance.shuffle(held)
        out = list(held)
        held.clear()
        return out

    version = packet(2, 3, text(b"x@y"), text(b"1"), text(b"limits@openssh.com"), text(b"1")) if large else packet(2, 3)
    with session(answer, version) as (talk, _):
        assert b"".join(talk.content(b"h", size)) == content


class EndlessChannel:
    """A channel that answers every request at once, without a server."""

    def __init__(self) -> None:
        self.asked = 0
        self._answers = bytearray()

    def sendall(self, data: bytes) -> None:
        while data:
            end = 4 + int.from_bytes(data[:4], "big")
            kind, request, body = data[4], int.from_bytes(data[5:9], "big"), data[9:end]
            data = data[end:]
            if kind == 1:
                self._answers += packet(2, 3)
                continue
            offset, count = read_request(body)
            self.asked = max(self.asked, offset + count)
            self._answers += packet(103, request, text(bytes(count)))

    def recv(self, count: int) -> bytes:
        out = bytes(self._answers[:count])
        del self._answers[:count]
        return out


def test_no_more_is_asked_for_than_two_megabytes_ahead() -> None:
    channel = EndlessChannel()
    talk = Session(channel, Guard(Clock(), threading.Event()))  # type: ignore[arg-type]
    got = 0
    for piece in talk.content(b"h", 40_000_000):
        assert channel.asked - got <= 2 * 1024 * 1024 + 64 * 1024
        got += len(piece)
        if got > 8_000_000:
            break


@pytest.mark.parametrize(("real", "announced"), [(10, 100_000), (100_000, 10), (0, 70_000)])
def test_the_end_is_where_the_server_says_and_the_talk_goes_on(real: int, announced: int) -> None:
    def answer(kind: int, request: int, body: bytes) -> list[bytes]:
        if kind == 7:
            return [packet(105, request, 1, struct.pack(">Q", real))]
        offset, count = read_request(body)
        data = bytes(max(0, min(count, real - offset)))
        return [packet(103, request, text(data)) if data else status(request, 1)]

    with session(answer) as (talk, _):
        got = sum(map(len, talk.content(b"h", announced)))
        assert got == real
        assert talk.stat(b"h").size == real
        # Given up in the middle: what was asked for still comes, and is not taken for the answer to something else.
        next(iter(talk.content(b"h", announced)), None)
        assert talk.stat(b"h").size == real


def listing(*entries: bytes) -> Answer:
    left = [entries]

    def answer(kind: int, request: int, _body: bytes) -> list[bytes]:
        if kind == 11:
            return [packet(102, request, text(b"h"))]
        if kind == 12 and left:
            found = left.pop()
            return [packet(104, request, len(found), *found)]
        return [status(request, 1 if kind == 12 else 0)]

    return answer


def test_a_listing_tells_what_each_server_tells() -> None:
    extended = struct.pack(">I", 1) + text(b"a") + text(b"b")
    answer = listing(
        text(b".") + text(b"") + struct.pack(">I", 0),
        text(b"\xff.x12") + text(b"") + struct.pack(">IQII", 5, 7, 0o100600, 0)[:16],
        text(b"dir") + text(b"drwx") + struct.pack(">I", 0),
        text(b"old") + text(b"-rw-r--r--") + struct.pack(">III", 8, 1, 2),
        text(b"link") + text(b"") + struct.pack(">II", 4, 0o120777),
        text(b"bare") + text(b"who knows") + struct.pack(">I", 0x80000000) + extended,
    )
    with session(answer) as (talk, script):
        assert list(talk.entries(b"/drop")) == [
            Entry(b"\xff.x12", Attributes(7, 0o100600, None), True),
            Entry(b"dir", Attributes(None, None, None), False),
            Entry(b"old", Attributes(None, None, 2), True),
            Entry(b"link", Attributes(None, 0o120777, None), False),
            Entry(b"bare", Attributes(None, None, None), None),
        ]
        assert [kind for kind, _ in script.requests] == [11, 12, 12, 4]


@pytest.mark.parametrize(
    "reply",
    [
        packet(102, 99, text(b"h")),
        packet(105, 1, 0),
        packet(102, 1, b"\0\0\0\x09h"),
        packet(102),
        struct.pack(">I", 0),
        struct.pack(">I", 0xFFFFFFFF),
        b"HTTP/1.1 200 OK\r\n\r\n",
    ],
    ids=repr,
)
def test_nonsense_is_no_answer(reply: bytes) -> None:
    with session(lambda *_: [reply]) as (talk, _), pytest.raises(Nonsense):
        talk.open(b"/a")


@pytest.mark.parametrize("over", [0, 1, 70_000])
@pytest.mark.parametrize("last", ["end", "failure", "nothing"])
def test_pieces_that_are_longer_than_asked_for_and_ends_that_are_said_in_other_ways(over: int, last: str) -> None:
    content = random.Random(over).randbytes(100_000)

    def answer(_kind: int, request: int, body: bytes) -> list[bytes]:
        offset, count = read_request(body)
        data = content[offset : offset + count + over]
        if data or last == "nothing":
            return [packet(103, request, text(data))]
        return [status(request, 1 if last == "end" else 4)]

    for size in (-1, 0, 99_999, 100_000, 100_001, 2**62):
        with session(answer) as (talk, _):
            assert b"".join(talk.content(b"h", size)) == content
            assert talk.ended_by == (4 if last == "failure" else 1)


@pytest.mark.parametrize("code", [2, 3, 4])
def test_a_file_of_which_no_byte_may_be_read(code: int) -> None:
    with session(lambda _kind, request, _body: [status(request, code)]) as (talk, _):
        with pytest.raises(RequestRefused) as caught:
            list(talk.content(b"h", 10))
        assert caught.value.status == code


@pytest.mark.parametrize("version", [packet(2, 2), packet(101, 3), packet(2)], ids=repr)
def test_an_older_protocol_is_not_spoken(version: bytes) -> None:
    with pytest.raises(Nonsense), session(lambda *_: [], version):
        pass


def test_a_refusal_keeps_its_number_and_none_of_its_text() -> None:
    def refuse(_kind: int, request: int, _body: bytes) -> list[bytes]:
        return [status(request, 4)]

    with session(refuse) as (talk, _):
        acts: list[Callable[[], Any]] = [lambda: talk.remove(b"a"), lambda: talk.rename(b"a", b"b")]
        acts += [lambda: talk.stat(b"a"), lambda: talk.open(b"a"), lambda: list(talk.entries(b"a"))]
        for act in acts:
            with pytest.raises(RequestRefused) as caught:
                act()
            assert (caught.value.status, str(caught.value)) == (4, "4")


def test_moving_writes_over_nothing_where_a_rename_would() -> None:
    files = {b"./a.x12": b"new", b"done/a.x12": b"old", b"done/a.x12_1": b"older"}

    def answer(kind: int, request: int, body: bytes) -> list[bytes]:
        length = int.from_bytes(body[:4], "big")
        path = body[4 : 4 + length]
        if kind == 7:
            if path not in files:
                return [status(request, 2)]
            return [packet(105, request, 1, struct.pack(">Q", len(files[path])))]
        assert kind == 18
        files[body[8 + length :]] = files.pop(path)
        return [status(request, 0)]

    server = Server("h.example", 22, "me", Path("/none"))
    with session(answer) as (talk, _):
        drop = Drop(DropSettings(server, ".", ("*.x12",)), Guard(Clock(), threading.Event()), 20_000, talk)
        assert drop.move(RemoteFile(b"a.x12", 3, 0), "done") == b"done/a.x12_2"
    assert files == {b"done/a.x12": b"old", b"done/a.x12_1": b"older", b"done/a.x12_2": b"new"}


def test_the_end_of_the_connection_is_the_end() -> None:
    def hang_up(_kind: int, _request: int, _body: bytes) -> list[bytes]:
        raise OSError

    with session(hang_up) as (talk, _), pytest.raises(EOFError):
        talk.stat(b"a")
