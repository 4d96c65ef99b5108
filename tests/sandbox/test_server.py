"""The server itself: connections, framing, starting and stopping, counters, and the configuration it hands out."""

import json
import re
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sandbox import examples
from sandbox.account import Account
from sandbox.server import LARGEST_BODY_BYTES, Sandbox
from sandbox.settings import config_text
from tests.support.frozen_clock import FrozenClock
from tests.support.sandbox_client import DAY, Rig
from worker.clock import Clock
from worker.config import load
from worker.config.settings import PollingSection
from worker.core.pacing.limiter import STEPS, RateLimit

HEALTH = "/healthcheck"


@pytest.fixture
def rig() -> Iterator[Rig]:
    with Rig() as rig:
        yield rig


def talk(sandbox: Sandbox, *pieces: bytes) -> bytes:
    """Send raw bytes; everything that comes back until the sandbox closes the connection."""
    host, port = sandbox.origin.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        for piece in pieces:
            connection.sendall(piece)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while piece := connection.recv(65536):
            received += piece
    return received


def request(rig: Rig, method: str, path: str, *headers: str, close: bool = False) -> bytes:
    if not rig.token:
        rig.ask_token()
    lines = [f"{method} /rcm/eligibility/v1{path} HTTP/1.1", "Host: x", f"Authorization: Bearer {rig.token}", *headers]
    return ("\r\n".join([*lines, *(["Connection: close"] if close else [])]) + "\r\n\r\n").encode()


def test_one_connection_serves_many_requests(rig: Rig) -> None:
    one = request(rig, "GET", HEALTH)
    answer = talk(rig.sandbox, one + one, one, request(rig, "GET", HEALTH, close=True))
    assert answer.count(b"HTTP/1.1 200 OK") == 4
    assert answer.count(b"Connection: close") == 1


def test_a_body_in_chunks(rig: Rig) -> None:
    body = json.dumps(examples.real_time_request(1)).encode()
    chunks = b"".join(b"%x;x=y\r\n%s\r\n" % (len(part), part) for part in (body[:10], body[10:])) + b"0\r\nT: x\r\n\r\n"
    head = request(rig, "POST", "", "Transfer-Encoding: chunked")
    answer = talk(rig.sandbox, head, chunks, request(rig, "GET", HEALTH))
    assert answer.count(b"HTTP/1.1 200 OK") == 2


def test_expect_100(rig: Rig) -> None:
    body = json.dumps(examples.real_time_request(1)).encode()
    head = request(rig, "POST", "", f"Content-Length: {len(body)}", "Expect: 100-continue")
    answer = talk(rig.sandbox, head, body)
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize(
    ("headers", "rest", "status"),
    [
        (["Content-Length: x"], b"", b"400"),
        (["Content-Length: -1"], b"", b"400"),
        ([f"Content-Length: {LARGEST_BODY_BYTES + 1}"], b"", b"413"),
        (["Transfer-Encoding: chunked"], b"zz\r\n", b"400"),
        (["Transfer-Encoding: chunked"], b"-5\r\n", b"413"),
        (["Transfer-Encoding: chunked"], b"fffffff\r\n", b"413"),
        ([f"X-{n}: y" for n in range(101)], b"", b"431"),
    ],
)
def test_what_is_no_request(rig: Rig, headers: list[str], rest: bytes, status: bytes) -> None:
    answer = talk(rig.sandbox, request(rig, "POST", "", *headers) + rest)
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert isinstance(json.loads(answer.partition(b"\r\n\r\n")[2]), list)
    assert b"Connection: close" in answer
    assert rig.get(HEALTH).status_code == 200


def test_noise_does_not_stop_it(rig: Rig) -> None:
    for noise in (b"", b"\x16\x03\x01\x02\x00", b"GET\r\n\r\n", b"\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\xff" * 70_000):
        talk(rig.sandbox, noise)
    assert rig.get(HEALTH).status_code == 200


def test_head_has_no_body(rig: Rig) -> None:
    answer = talk(rig.sandbox, request(rig, "HEAD", HEALTH, close=True))
    assert answer.startswith(b"HTTP/1.1 405")
    assert answer.endswith(b"\r\n\r\n")


def test_it_counts_and_logs_without_the_query(rig: Rig) -> None:
    rig.get(HEALTH)
    rig.get("/transactions?memberId=SECRET")
    rig.get("/transactions/none")
    assert rig.sandbox.requests == {
        ("token", 200): 1,
        ("healthcheck", 200): 1,
        ("transaction_list", 200): 1,
        ("transaction_get", 404): 1,
    }
    assert rig.sandbox.log[-2:] == [
        ("GET", "/rcm/eligibility/v1/transactions", 200),
        ("GET", "/rcm/eligibility/v1/transactions/none", 404),
    ]


def test_many_at_once_lose_nothing(rig: Rig) -> None:
    rig.ask_token()
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda n: rig.call("POST", "", examples.real_time_request(n, 1, "TWO")), range(80)))
    named = {task for reply in replies for task in re.findall(r"</coverage-discovery/([^>]+)>", reply.headers["link"])}
    assert len(named) == 160
    assert named == {task.id for task in rig.sandbox.tasks}
    assert rig.sandbox.requests["real_time", 200] == 80


def test_it_can_go_away_and_come_back_on_the_same_port() -> None:
    with Rig() as rig:
        task_id = rig.task("NOW")
        origin = rig.sandbox.origin
        rig.sandbox.stop()
        with pytest.raises(OSError, match="refused"):
            talk(rig.sandbox, b"")
        rig.http.close()
        rig.http = type(rig.http)(trust_env=False, verify=False)
        rig.sandbox.start()
        assert rig.sandbox.origin == origin
        assert rig.body(task_id)["id"] == task_id


def test_stopping_does_not_wait_for_a_slow_answer() -> None:
    class Watched(Clock):
        entered = threading.Event()

        def wait(self, event: threading.Event, ms: int) -> bool:
            self.entered.set()
            return super().wait(event, ms)

    before = threading.enumerate()
    with Sandbox(Watched(), faults="slow:1h,drip:1h") as sandbox:
        host, port = sandbox.origin.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(b"GET /rcm/eligibility/v1/healthcheck HTTP/1.1\r\nHost: x\r\n\r\n")
            assert Watched.entered.wait(10)
            sandbox.stop()
            assert connection.recv(1) in (b"", b"H")
    assert [thread for thread in threading.enumerate() if thread not in before] == []


def test_two_sandboxes_do_not_share_a_port() -> None:
    with Sandbox(FrozenClock()) as first:
        port = int(first.origin.rpartition(":")[2])
        with pytest.raises(OSError, match="in use"):
            Sandbox(FrozenClock()).start(port)


def test_what_cannot_be() -> None:
    with pytest.raises(ValueError, match="speed"):
        Sandbox(FrozenClock(), speed=0)


@pytest.mark.parametrize("speed", [1, 60, 1500, 1_000_000])
def test_the_configuration_is_ready_to_use(tmp_path: Path, speed: float) -> None:
    with Rig(speed=speed, account=Account("me", "my-secret")) as rig:
        path = tmp_path / "cdpoll.ini"
        secret = tmp_path / "client-secret"
        secret.write_text("my-secret\n")
        path.write_text(config_text(rig.sandbox, str(tmp_path / "cdpoll.db"), str(secret)))
        config = load(str(path), {})
        assert config.warnings == ()
        api = config.require_api()
        assert api.base_url == rig.sandbox.base_url
        assert api.tenant_id == rig.sandbox.account.tenant_id
        assert config.store.path == tmp_path / "cdpoll.db"
        polling = config.polling
        assert polling.min_interval_ms <= polling.cadence.first <= polling.cadence.ceiling
        assert polling.cadence.ceiling <= polling.max_interval_ms < polling.alert_after_ms
        assert polling.give_up_after_ms >= 45 * DAY / speed
        credentials = {
            "client_id": api.client_id.reveal(),
            "client_secret": api.client_secret.reveal(),
            "grant_type": "client_credentials",
        }
        assert rig.http.post(api.token_url, json=credentials).status_code == 200


def test_the_installed_service_is_to_take_what_is_left_in_the_spool(tmp_path: Path) -> None:
    with Rig() as rig:
        path = tmp_path / "service.ini"
        path.write_text(config_text(rig.sandbox, "", ""))
    config = load(str(path), {})
    assert (config.warnings, config.spool is not None) == ((), True)


def test_the_configuration_divides_every_span_of_polling(tmp_path: Path) -> None:
    with Rig(speed=1) as slow, Rig(speed=4) as fast:
        real, divided = (polling_of(rig, tmp_path) for rig in (slow, fast))
    spans = [name for name in PollingSection._fields if name.endswith("_ms")]
    assert {name: getattr(real, name) / getattr(divided, name) for name in spans} == dict.fromkeys(spans, 4)
    assert (real.cadence.first, real.cadence.ceiling) == (4 * divided.cadence.first, 4 * divided.cadence.ceiling)
    assert real.pace_recovery_ms == PACE_RECOVERY_MS


PACE_RECOVERY_MS = RateLimit(1, 1).step_ms * STEPS


def polling_of(rig: Rig, folder: Path) -> PollingSection:
    path, secret = folder / "one.ini", folder / "one-secret"
    secret.write_text("x\n")
    path.write_text(config_text(rig.sandbox, str(folder / "one.db"), str(secret)))
    return load(str(path), {}).polling
