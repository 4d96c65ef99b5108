"""When `status` says that nothing is taken from the spool."""

from pathlib import Path

from tests.support.database import MACHINE, NOW
from worker.core.status_rules import StatusRules
from worker.store.db.store import Store
from worker.store.opening import open_store
from worker.store.state import daemon, spool
from worker.store.views.problems import problems
from worker.store.views.spool import SILENT_MS, WAITING_MS

RULES = StatusRules(asks=False, spool="/spool")


def told(store: Store, now: int, rules: StatusRules = RULES) -> dict[str, str]:
    found = problems(store, now, rules, MACHINE, alive=True)
    return {one.code: one.hint for one in found if one.code.startswith("spool")}


def test_silence_and_a_file_that_waits_are_told_while_the_daemon_lives(tmp_path: Path) -> None:
    with open_store(tmp_path / "cdpoll.db", create=True) as store:
        with store.write():
            daemon.beat(store, pid=1, version="1", started_at=NOW, now=NOW, token_expires_at=None)
        assert told(store, NOW + SILENT_MS) == {}
        assert "it was last looked at 15 min 1 s ago" in told(store, NOW + SILENT_MS + 1_000)["spool_stuck"]
        assert told(store, NOW + SILENT_MS + 1_000, RULES._replace(spool=None)) == {}
        late = NOW + WAITING_MS + 1_000
        with store.write():
            spool.put(store, spool.SpoolSeen(late, waiting=2, oldest_at=1))
        assert "a file has waited for 1 h" in told(store, late)["spool_stuck"]
        assert told(store, late - 2_000) == {}
