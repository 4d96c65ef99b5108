"""The real daemon against one vendor that misbehaves in every way at once, and in the end tells the truth.

Each id has a way of its own of being wrong for its first looks. Whatever it is, the daemon must not believe it,
must not let it hold up the others, and must not repeat any of it to anybody.
"""

import gzip
import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.cdpoll_process import House
from tests.support.loopback import Asked, Loopback, Peer, answer, bomb, head

PATIENT = "Quixote^Zebulon"
SECRET = "s3cret-of-the-client"
TOKEN = "t0ken-of-the-vendor"
PREFIX = "/rcm/eligibility/v1"
DEADLINE = 40
MEGABYTES = 260

Way = Callable[[str, Peer, int], bytes]


def document(task_id: str, outcome: str = "success", **more: object) -> dict[str, object]:
    subscriber = {
        "id": "p",
        "name": "Medicare",
        "transaction": {"status": "eligible", "x12-271": f"NM1*IL*1*{PATIENT}~"},
    }
    return {"id": task_id, "status": outcome, "name": PATIENT, "discoveryPaths": {"successful": [subscriber]}} | more


def said(status: int, document: object, *headers: str) -> bytes:
    return answer(status, json.dumps(document).encode(), "content-type: application/json", *headers)


def result(task_id: str, status: str = "success") -> bytes:
    return json.dumps(document(task_id, status)).encode()


def opposite(task_id: str) -> str:
    """The outcome that would be wrong: what every false answer claims."""
    return "failure" if truth(task_id) == "success" else "success"


def truth(task_id: str) -> str:
    return "success" if len(task_id) % 2 else "failure"


def raw(make: Callable[[str], bytes], *, then_close: bool = True) -> Way:
    """Bytes as they are, and the end of the connection."""

    def way(task_id: str, peer: Peer, look: int) -> bytes:
        peer.send(make(task_id))
        if then_close:
            peer.close()
        peer.hold()

    return way


def plain(make: Callable[[str], bytes]) -> Way:
    return lambda task_id, peer, look: make(task_id)


def wrong(task_id: str, **more: object) -> bytes:
    return said(200, document(task_id, opposite(task_id), **more))


def drip(before: Callable[[str], bytes]) -> Way:
    def way(task_id: str, peer: Peer, look: int) -> bytes:
        peer.send(before(task_id))
        peer.drip(b"x-a: b\r\n" * 10_000)
        peer.hold()

    return way


def reset(task_id: str, peer: Peer, look: int) -> bytes:
    peer.reset()


def black_hole(task_id: str, peer: Peer, look: int) -> bytes:
    peer.hold()


def half(data: bytes) -> bytes:
    return data[: len(data) // 2]


BOMB = bomb(b'{"status": "success", "name": "' + PATIENT.encode() + b'", "discoveryPaths": {}')


def ways(foreign: str) -> dict[str, Way]:
    """Each id, and how it is wrong at first."""
    error = {"error": PATIENT, "error_description": PATIENT, "traceId": "t"}
    html = f"<html>{PATIENT}: success</html>".encode()
    return {
        "html": plain(lambda i: answer(200, html)),
        "html-with-an-error": plain(lambda i: answer(502, html)),
        "half-a-body": plain(lambda i: answer(200, half(result(i, opposite(i))))),
        "another-id": plain(lambda i: said(200, document("good-1", opposite(i)))),
        "Another-Case": plain(lambda i: said(200, document(i.lower(), opposite(i)))),
        "an-id-that-is-a-number": plain(lambda i: wrong(i, id=17)),
        "no-id-and-no-paths": plain(lambda i: said(200, {"status": opposite(i), "name": PATIENT})),
        "an-array": plain(lambda i: said(200, [document(i, opposite(i))])),
        "a-status-nobody-knows": plain(lambda i: said(200, document(i, PATIENT))),
        "a-status-of-null": plain(lambda i: wrong(i, status=None)),
        "a-status-inside": plain(lambda i: wrong(i, status={"status": opposite(i)})),
        "deep": plain(lambda i: answer(200, b'{"id":' * 100_000)),
        "deep-401": plain(lambda i: answer(401, b"[" * 9_000)),
        "a-start-past-all-calendars": plain(
            lambda i: wrong(i, status="pending", startDateTime="9999-12-31T23:59:59-12:00")
        ),
        "half-a-surrogate": plain(lambda i: wrong(i, status="pending", name="\ud800", correlationId="\udfff")),
        "nan": plain(lambda i: wrong(i, status=float("nan"))),
        "bomb": plain(lambda i: answer(200, BOMB, "content-encoding: gzip")),
        "half-a-gzip": plain(
            lambda i: answer(200, half(gzip.compress(result(i, opposite(i)))), "content-encoding: gzip")
        ),
        "brotli": plain(lambda i: answer(200, result(i, opposite(i)), "content-encoding: br")),
        "oversized": raw(lambda i: head(200, "connection: close") + result(i, opposite(i)) + b" " * 9_000_000),
        "cut-in-the-body": raw(lambda i: half(said(200, document(i, opposite(i))))),
        "cut-in-a-chunk": raw(lambda i: head(200, "transfer-encoding: chunked") + b"fff\r\n" + result(i, opposite(i))),
        "reset": reset,
        "black-hole": black_hole,
        "drip-of-headers": drip(lambda i: b"HTTP/1.1 200 OK\r\n"),
        "drip-of-a-body": drip(lambda i: head(200) + half(result(i, opposite(i)))),
        "headers-without-end": raw(lambda i: b"HTTP/1.1 200 OK\r\nx: " + PATIENT.encode() * 20_000),
        "no-http": raw(lambda i: f"220 {PATIENT} ESMTP\r\n\r\n".encode()),
        "redirect": plain(lambda i: answer(302, b"", f"location: {foreign}/{PATIENT}")),
        "redirect-307": plain(lambda i: answer(307, b"", f"location: {foreign}/coverage-discovery/{i}")),
        "another-tenant": plain(lambda i: said(200, document(i, opposite(i)), "x-optum-tenant-id: T2")),
        "404": plain(lambda i: said(404, [f"no task of {PATIENT}"])),
        "422": plain(lambda i: said(422, [PATIENT])),
        "500": plain(lambda i: said(500, [PATIENT])),
        "401": plain(lambda i: said(401, error)),
        "403": plain(lambda i: said(403, [PATIENT])),
        "429": plain(lambda i: said(429, [PATIENT], "retry-after: 0")),
        "503": plain(lambda i: said(503, [PATIENT], "retry-after: 1")),
        "202": plain(lambda i: said(202, document(i, opposite(i)))),
        "http-1.0": raw(lambda i: b"HTTP/1.0 200 OK\r\n\r\n" + result(i, "pending")),
        "interim": plain(lambda i: head(100) + head(103) + said(200, document(i, "pending"))),
        "closes-after-each": raw(lambda i: said(200, document(i, "pending"))),
        "latin-1": plain(lambda i: answer(200, b'{"id": "' + i.encode() + b'", "status": "pending", "name": "\xe9"}')),
        "utf-16": plain(lambda i: answer(200, result(i, "pending").decode().encode("utf-16"))),
    } | {f"good-{n}": plain(lambda i: said(200, document(i, "pending"))) for n in range(1, 8)}


class HostileVendor:
    """Wrong for two looks at each id, then ``pending`` once, then the truth."""

    WRONG = 2

    def __init__(self, foreign: str) -> None:
        self.ways = ways(foreign)
        self.looks: dict[str, int] = dict.fromkeys(self.ways, 0)
        self.strangers: list[str] = []
        self._lock = threading.Lock()
        self._tokens = 0

    def __call__(self, asked: Asked, peer: Peer) -> bytes:
        if asked.target == "/apip/auth/v2/token":
            return self._token(asked)
        if not (asked.header("authorization") or "").startswith(f"Bearer {TOKEN}"):
            self.strangers.append(asked.target)
        if asked.target == PREFIX + "/healthcheck":
            return said(200, {"status": "ok"})
        task_id = asked.target.removeprefix(PREFIX + "/coverage-discovery/")
        with self._lock:
            self.looks[task_id] += 1
            look = self.looks[task_id]
        if look <= self.WRONG:
            return self.ways[task_id](task_id, peer, look)
        return said(200, document(task_id, "pending" if look == self.WRONG + 1 else truth(task_id)))

    def _token(self, asked: Asked) -> bytes:
        assert json.loads(asked.body)["client_secret"] == SECRET
        with self._lock:
            self._tokens += 1
            number = self._tokens
        if number == 1:
            return said(500, [PATIENT])
        return said(200, {"access_token": f"{TOKEN}-{number}", "token_type": "bearer", "expires_in": "0"})


@pytest.fixture
def foreign() -> Iterator[Loopback]:
    with Loopback(lambda asked, peer: answer(200, b"{}")) as server:
        yield server


def peak_megabytes(pid: int) -> float:
    """The most memory the process ever had, as long as it runs."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def watched(house: House) -> tuple[int, str, float]:
    """Run the daemon until nothing is pending: exit code, all it said, and its memory at the peak."""
    out = house.folder / "daemon.out"
    peak = 0.0
    with out.open("wb") as stream:
        process = subprocess.Popen(
            house.line("run", "--until-idle"), stdout=stream, stderr=stream, env=house.environment()
        )
        try:
            for _ in range(DEADLINE * 20):
                # Read before it is known to have ended: afterwards there is nothing left to read.
                peak = max(peak, peak_megabytes(process.pid))
                try:
                    process.wait(0.05)
                except subprocess.TimeoutExpired:
                    continue
                break
            else:
                pytest.fail(f"still running: {house.status()}")
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    return process.returncode, out.read_text(), peak


def test_no_lie_is_believed_and_every_end_is_reached(tmp_path: Path, foreign: Loopback) -> None:
    vendor = HostileVendor(foreign.url)
    with Loopback(vendor) as server:
        house = House(
            tmp_path,
            api_base_url=server.url + PREFIX,
            api_timeout="1s",
            api_tenant_id="T1",
            polling_cadence="50ms x1.4 500ms 10%",
            polling_min_interval="20ms",
            polling_max_interval="500ms",
            polling_not_found_grace="200ms",
            polling_requests_per_second="200",
            polling_burst="20",
            polling_max_in_flight="8",
            log_level="debug",
        )
        (tmp_path / "secret").write_text(SECRET)
        house.record(*vendor.ways)
        code, log, peak = watched(house)
        status = house.cdpoll("status", "--json", check=0)

        # Every end was reached, each the right one, with the very bytes that told it, once.
        assert code == 0, log[-2000:]
        ends = house.rows(
            "SELECT t.id, t.state, t.outcome, r.outcome, r.body FROM tasks t JOIN results r ON r.task = t.seq"
        )
        assert {row[0] for row in ends} == set(vendor.ways)
        assert len(ends) == len(vendor.ways)
        for task_id, state, outcome, of_result, body in ends:
            assert (task_id, state, outcome) == (task_id, "concluded", truth(task_id))
            assert (task_id, of_result, body) == (task_id, truth(task_id), result(task_id, truth(task_id)))

        # No other server was asked, and none was asked without a token.
        assert foreign.connections == 0
        assert vendor.strangers == []

        # No hot loop: four looks are needed, a repeat after a 401 and some probes come on top of that.
        assert max(vendor.looks.values()) <= 8, vendor.looks
        assert len(server.asked) < 8 * len(vendor.ways)
        # A life of no seconds is no reason to fetch a token for each look.
        assert server.count("/apip/auth/v2/token") < 12

    assert peak < MEGABYTES

    # Nothing of anybody was said to anybody.
    for shown in (log, status.text, status.err):
        for private in (PATIENT, "Zebulon", SECRET, TOKEN, "/coverage-discovery/"):
            assert private not in shown
    stored = b"".join(path.read_bytes() for path in house.database.parent.iterdir())
    assert SECRET.encode() not in stored
    assert TOKEN.encode() not in stored
