"""Who brings the database of an earlier release up to date, and the copy that is kept of it."""

import os
import shutil
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from cli.main import call
from tests.store.test_migrations import NEXT, next_step, version
from tests.support.cdpoll_process import DEADLINE, ROOT, House, small_files
from tests.support.database import record
from tests.support.engine import elsewhere
from worker.core.errors import StorageFailed
from worker.store import opening
from worker.store.db.lock import DaemonLock
from worker.store.db.sqlite import SqliteStore
from worker.store.opening import SCHEMA_VERSION, open_store
from worker.store.schema import migrations

pytestmark = pytest.mark.sqlite


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    """A database of the present version with a task; then the next version is there."""
    made = House(tmp_path)
    made.record("a")
    monkeypatch.setattr(opening, "SCHEMA_VERSION", NEXT)
    monkeypatch.setitem(migrations.STEPS, NEXT, next_step)
    for name in [name for name in os.environ if name.startswith("CDPOLL_")]:
        monkeypatch.delenv(name)
    return made


def run(house: House, *command: str) -> int:
    """A command in this process, where the next version is known."""
    return call(["--config", str(house.config), *command])


def copies(path: Path) -> list[str]:
    return sorted(one.name.removeprefix(path.name) for one in path.parent.glob(f"{path.name}.schema-*"))


COPY = f".schema-{SCHEMA_VERSION}"


def test_db_migrate_does_after_a_copy(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(house, "db", "migrate") == 0
    assert version(house.database) == NEXT
    assert copies(house.database) == [COPY]
    copy = house.database.with_name(house.database.name + COPY)
    assert version(copy) == SCHEMA_VERSION
    assert elsewhere(copy, "SELECT id FROM tasks") == [("a",)]
    assert f'"schema": {NEXT}' in house.database.with_name(house.database.name + ".marker").read_text()
    assert f"to {NEXT}; as it was: {copy}" in capsys.readouterr().out
    before = copy.stat()
    assert run(house, "db", "migrate") == 0
    assert copy.stat() == before


def test_the_copy_is_a_database_that_can_be_put_back(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(house, "db", "migrate") == 0
    house.database.with_name(house.database.name + COPY).replace(house.database)
    monkeypatch.setattr(opening, "SCHEMA_VERSION", SCHEMA_VERSION)
    with open_store(house.database) as store:
        assert record(store, "b").new == ["b"]


def test_ingest_does_and_record_and_readers_say_who_does(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    for command, code in ((("record", "b"), 75), (("status",), 74), (("tasks",), 74), (("db", "integrity"), 74)):
        assert run(house, *command) == code
        assert "cdpoll db migrate" in capsys.readouterr().err
    assert run(house, "status", "--check") == 3
    assert version(house.database) == SCHEMA_VERSION
    assert copies(house.database) == []
    assert run(house, "ingest", os.devnull) in (0, 1, 65)
    assert version(house.database) == NEXT
    assert copies(house.database) == [COPY]


def test_nothing_is_done_while_a_daemon_works_on_it(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    daemon = DaemonLock(house.database)
    try:
        for command in (("db", "migrate"), ("ingest", os.devnull)):
            assert run(house, *command) == 75
            assert "already works" in capsys.readouterr().err
    finally:
        daemon.release()
    assert (version(house.database), copies(house.database)) == (SCHEMA_VERSION, [])
    assert run(house, "db", "migrate") == 0


RUN = """
import sys
from cli.main import call
from tests.store.test_migrations import NEXT, next_step
from worker.store import opening
from worker.store.schema import migrations

opening.SCHEMA_VERSION = NEXT
migrations.STEPS[NEXT] = next_step
sys.exit(call(["--config", sys.argv[1], "run", "--once"]))
"""


def test_run_does_and_keeps_systemd_waiting_meanwhile(house: House, tmp_path: Path) -> None:
    name = f"cdpoll-test-migrating-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind("\0" + name)
        heard.settimeout(DEADLINE)
        ended = subprocess.run(
            [sys.executable, "-c", RUN, str(house.config)],
            env=house.environment(NOTIFY_SOCKET="@" + name), cwd=ROOT, timeout=DEADLINE, capture_output=True,
        )  # fmt: skip
        messages = [heard.recv(65536).decode()]
        heard.setblocking(False)
        try:
            while True:
                messages.append(heard.recv(65536).decode())
        except BlockingIOError:
            pass
    assert version(house.database) == NEXT, ended.stderr
    extended = [n for n, message in enumerate(messages) if "EXTEND_TIMEOUT_USEC=" in message]
    ready = [n for n, message in enumerate(messages) if "READY=1" in message]
    assert extended
    assert len(ready) == 1
    assert max(extended) < ready[0]


def unseen() -> None:
    """Who looks on while it is brought up to date."""


def test_where_no_copy_can_be_made_nothing_is_changed(house: House) -> None:
    before = house.database.read_bytes()
    with small_files(len(before) // 2), pytest.raises(StorageFailed) as caught:
        open_store(house.database, migrate=unseen)
    assert caught.value.hint
    assert house.database.read_bytes() == before
    assert copies(house.database) == []


def test_what_killed_attempts_have_left_is_no_hindrance_and_older_copies_go(house: House) -> None:
    for left in (COPY, COPY + ".new", ".schema-1"):
        house.database.with_name(house.database.name + left).write_bytes(b"left")
    open_store(house.database, migrate=unseen).close()
    assert copies(house.database) == [COPY]
    assert version(house.database.with_name(house.database.name + COPY)) == SCHEMA_VERSION


@pytest.mark.parametrize("journal", ["wal", "truncate"])
def test_the_copy_holds_what_still_stands_in_the_wal(tmp_path: Path, journal: str) -> None:
    path = tmp_path / "cdpoll.db"
    called: list[int] = []
    with open_store(path, journal, create=True) as other:
        record(other, *(f"t{n}" for n in range(300)))
        with SqliteStore(path) as store:
            steps = {NEXT: next_step}
            migrations.bring_up(store, NEXT, lambda: called.append(1), steps)
    copy = path.with_name(path.name + COPY)
    assert elsewhere(copy, "SELECT count(*) FROM tasks") == [(300,)]
    assert elsewhere(copy, "PRAGMA integrity_check") == [("ok",)]
    assert called
    shutil.copy(copy, path.with_name("again.db"))
    with closing(sqlite3.connect(path.with_name("again.db"))) as conn:
        assert conn.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
