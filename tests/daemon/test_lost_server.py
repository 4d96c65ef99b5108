"""A database server that cannot be reached is told of once, and that it is back."""

from tests.support.kept_log import KeptLog
from worker.core.errors import ServerLost, StorageFailed
from worker.daemon.faults import Faults
from worker.daemon.notices import Notices
from worker.gateways.systemd import Notify

LOST = ServerLost("postgresql://db/cdpoll: connection refused", "cdpoll goes on when the server can be reached again")


def test_it_is_logged_when_it_begins_and_when_it_is_over() -> None:
    log = KeptLog()
    faults = Faults(Notify(), Notices(), log)
    for now in range(3):
        faults.caught("retention", "removing failed", LOST)
        faults.storage_fails(LOST, now)
    assert faults.unwritable is not None
    assert faults.unwritable.since == 0
    for _ in range(2):
        faults.storage_well()
    assert log.lines == [
        ("the database server cannot be reached; it is tried again", {"error": LOST.message}),
        ("the database server can be reached again", {}),
    ]


def test_another_failure_of_the_database_is_none_of_the_way_to_it() -> None:
    log = KeptLog()
    faults = Faults(Notify(), Notices(), log)
    faults.storage_fails(StorageFailed("x: disk full", "free space"), 0)
    faults.storage_well()
    assert log.lines == []
