"""What several test files share.

Hypothesis makes the same examples in every run, so that a red test is red again. `HYPOTHESIS_PROFILE=explore` looks for
new ones.
"""

import gc
import os
import shutil
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import settings

from sandbox.server import Sandbox
from tests.support import made_once
from tests.support.bent_sftp import Bend, BentServer
from tests.support.cdpoll_process import House
from tests.support.engine import POSTGRESQL, on_server
from tests.support.loopback import LONG, Certificate, Loopback, MakeClient, Serve, make_certificate
from tests.support.mounts import may_mount
from tests.support.postgres import Cluster
from tests.support.scripted_vendor import ScriptedVendor
from tests.support.sshd import Sshd, emptied, sshd
from tests.support.token_endpoint import Endpoint, NeverStopped, asking
from worker.clock import Clock
from worker.gateways.http.client import HttpClient, tls_context
from worker.gateways.http.token import Tokens
from worker.place import DatabasePlace
from worker.store.db.store import Store
from worker.store.opening import open_store

settings.register_profile("fixed", derandomize=True, deadline=None)
settings.register_profile("explore", max_examples=1000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))

# Commits wait for a disk; those of the tests' own folders need not, where there is room for all of them in memory.
MEMORY, LEAST_ROOM_BYTES = Path("/dev/shm"), 4 << 30
if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= LEAST_ROOM_BYTES:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))

made_once.copy_from_now_on()

# What this machine cannot do is left out, and said at the end of the report.
collect_ignore = [] if may_mount() else ["field/test_read_only_disk.py"]


def pytest_collection_finish() -> None:
    gc.freeze()  # what was imported and collected stays, and each full collection would go through it


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if collect_ignore:
        terminalreporter.write_line(f"left out, for nothing can be mounted here: tests/{collect_ignore[0]}")


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    """A command that was called in this process has set its own."""
    before = os.umask(0o022)
    yield
    os.umask(before)


# A database where nothing is yet.


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "cdpoll.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with open_store(path, create=True) as opened:
        yield opened


# A PostgreSQL server with a database that is for one test. It is started for the first test that asks.


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    with Cluster() as running:
        yield running


@pytest.fixture(autouse=POSTGRESQL)
def _on_server(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with on_server(cluster, monkeypatch):
        yield


@pytest.fixture
def place(cluster: Cluster, path: Path) -> Iterator[DatabasePlace]:
    name = cluster.databases.new()
    yield cluster.databases.at(path, name)
    cluster.databases.leave([name])


@pytest.fixture
def server_store(place: DatabasePlace) -> Iterator[Store]:
    with open_store(place) as opened:
        yield opened


# The real command, with a simulated vendor to ask.


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(Clock()) as opened:
        yield opened


@pytest.fixture
def house(tmp_path: Path, sandbox: Sandbox) -> House:
    return House(tmp_path, sandbox)


# A real OpenSSH, with a drop.


@pytest.fixture(scope="session")
def _running_sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with sshd(tmp_path_factory.mktemp("sshd")) as running:
        yield running


@pytest.fixture
def server(_running_sshd: Sshd) -> Iterator[Sshd]:
    with emptied(_running_sshd):
        yield _running_sshd


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as stack:
        yield lambda script, **more: stack.enter_context(Loopback(script, **more))


@pytest.fixture(scope="session")
def plain_tls() -> ssl.SSLContext:
    return tls_context(None)


@pytest.fixture
def make_client(plain_tls: ssl.SSLContext) -> Iterator[MakeClient]:
    clients: list[HttpClient] = []

    def make(tls: ssl.SSLContext = plain_tls, timeout: int = LONG, proxy: str | None = None) -> HttpClient:
        clients.append(HttpClient(tls, timeout, proxy))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def client(make_client: MakeClient) -> HttpClient:
    return make_client()


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


# An SFTP server whose answers a test bends.


@pytest.fixture
def bend(tmp_path: Path) -> Iterator[Bend]:
    with ExitStack() as stack:
        yield lambda drop: stack.enter_context(BentServer(drop, tmp_path))


@pytest.fixture
def scripted() -> Iterator[ScriptedVendor]:
    made = ScriptedVendor()
    with made.server:
        yield made


# What asks for tokens, and whom (tests/support/token_endpoint.py).


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    made = Endpoint()
    with made.server:
        yield made


@pytest.fixture
def stop() -> NeverStopped:
    return NeverStopped()


@pytest.fixture
def tokens(endpoint: Endpoint, stop: NeverStopped) -> Tokens:
    return Tokens(asking(endpoint.server.url), stop)
