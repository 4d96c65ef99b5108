"""The database with several at work in it: nothing is lost, and each waits for the other only as long as it must."""

import sqlite3
import subprocess
import sys
import threading
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from tests.support.cdpoll_process import ROOT
from tests.support.database import MACHINE, NOW, SCHEDULE, record
from tests.support.engine import JOURNALS, elsewhere, handed
from worker.core.errors import TryLater
from worker.store.db.store import Store
from worker.store.opening import SCHEMA_VERSION, open_store
from worker.store.state import api, daemon
from worker.store.tasks import polling as tasks
from worker.store.tasks import tallies
from worker.store.views import report as story
from worker.store.views import status as look
from worker.store.views.problems import StatusRules


@pytest.mark.parametrize("journal", JOURNALS)
def test_many_threads_recording_at_once_lose_nothing(path: Path, journal: str) -> None:
    wrong: list[str] = []
    gate = threading.Barrier(8)

    def work(who: int) -> None:
        gate.wait()
        try:
            with open_store(path, journal, create=True) as store:
                for n in range(10):
                    record(store, f"w{who}-{n}", "everybodys", ref=f"{who}-{n}")
        except Exception as error:
            wrong.append(f"{type(error).__name__}: {error}")

    threads = [threading.Thread(target=work, args=(who,)) for who in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert elsewhere(path, "SELECT count(*) FROM tasks") == [(81,)]
    assert elsewhere(path, "SELECT count(*) FROM refs") == [(160,)]


# One of sixteen processes: for each line it reads it opens a database, records, and says what came of it.
ONE_OF_MANY = """
import sys
from worker.core.intake.intake import Recording
from tests.support.engine import open_handed
from worker.core.schedule.cadence import Schedule
from worker.store.schema import migrations
from worker.store.tasks.recording import record

who = sys.argv[1]
print("here", flush=True)
for path in sys.stdin:
    try:
        with open_handed(path, create=True) as store:
            for n in range(3):
                ids = [Recording(name, "id", ref=f"{who}-{n}") for name in (f"w{who}-{n}", "everybodys")]
                record(store, ids, (), origin="", now=1_800_000_000_000, schedule=Schedule())
    except Exception as error:
        print(type(error).__name__, error, flush=True)
    else:
        print("ok", flush=True)
"""


def test_sixteen_processes_create_one_database_in_a_new_folder_and_lose_nothing(tmp_path: Path) -> None:
    with ExitStack() as stack:
        crowd = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", ONE_OF_MANY, str(who)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    cwd=ROOT,
                    text=True,
                )
            )
            for who in range(16)
        ]
        answers = [one.stdout.readline for one in crowd if one.stdout is not None]
        assert [answer() for answer in answers] == ["here\n"] * 16
        for turn in range(3):
            path = tmp_path / f"new{turn}" / "cdpoll.db"
            for one in crowd:
                assert one.stdin is not None
                one.stdin.write(f"{handed(path, made=False)}\n")
                one.stdin.flush()
            assert [answer() for answer in answers] == ["ok\n"] * 16
            assert elsewhere(path, "SELECT count(*) FROM tasks") == [(49,)]
            assert elsewhere(path, "SELECT count(*) FROM refs") == [(96,)]
            with open_store(path) as store:
                assert store.version() == SCHEMA_VERSION


@pytest.mark.sqlite
def test_a_new_folder_that_somebody_else_makes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make = Path.mkdir

    def slower(self: Path, *args: Any, **kwargs: Any) -> None:
        make(self, mode=0o700)
        make(self, *args, **kwargs)

    monkeypatch.setattr(Path, "mkdir", slower)
    with open_store(tmp_path / "new" / "cdpoll.db", create=True) as store:
        assert tallies.by_state(store)["pending"] == 0


def test_a_writer_waits_for_another_and_says_so_when_it_takes_too_long(path: Path, store: Store) -> None:
    with open_store(path, timeout=0.05, create=True) as impatient:
        with store.write():
            store.execute("INSERT INTO meta (key, value) VALUES ('k', 'v')")
            with pytest.raises(TryLater) as caught, impatient.write():
                pass
            assert caught.value.exit_code == 75
            assert caught.value.hint
        with impatient.write():
            impatient.execute("INSERT INTO meta (key, value) VALUES ('l', 'v')")
    assert elsewhere(path, "SELECT count(*) FROM meta WHERE key IN ('k', 'l')") == [(2,)]


@pytest.mark.sqlite
def test_a_commit_that_a_reader_prevents_is_rolled_back_and_the_connection_stays_usable(path: Path) -> None:
    with open_store(path, "truncate", timeout=0.05, create=True) as store, closing(sqlite3.connect(path)) as reader:
        record(store, "a", "b", "c")
        cursor = reader.execute("SELECT id FROM tasks")
        assert cursor.fetchone() == ("a",)
        with pytest.raises(TryLater), store.write():
            store.execute("INSERT INTO meta (key, value) VALUES ('k', 'v')")
        assert not store.conn.in_transaction
        cursor.close()
        assert elsewhere(path, "SELECT count(*) FROM meta WHERE key <> 'identity'") == [(0,)]
        with store.write():
            store.execute("INSERT INTO meta (key, value) VALUES ('k', 'w')")
        assert elsewhere(path, "SELECT value FROM meta WHERE key <> 'identity'") == [("w",)]


@pytest.mark.sqlite
def test_no_read_keeps_others_from_writing(path: Path) -> None:
    """Under TRUNCATE an open cursor makes everybody's COMMIT fail; so no read may leave one behind."""
    with open_store(path, "truncate", create=True) as one, open_store(path, "truncate", timeout=0) as other:
        record(one, *(f"t{n}" for n in range(50)))
        keep = [
            one.read("SELECT * FROM tasks"),
            one.one("SELECT * FROM tasks"),
            tasks.next_due(one),
            tasks.by_seq(one, [1], 0),
            api.get(one),
            daemon.last_beat(one),
            look.status(one, NOW, StatusRules(SCHEDULE), MACHINE),
            story.show(one, "t1", body=True),
        ]
        record(other, "new")
        assert len(keep) == 8
        with one.write():
            tasks.lease(one, [task.seq for task in tasks.due(one, 0, NOW, 3, due_by=NOW * 2)], NOW * 3)
        record(other, "newer")
