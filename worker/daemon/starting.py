"""A start on a full disk, or while the database server is away: it waits, and says so. To end would have systemd try
again every few seconds."""

import threading
from collections.abc import Callable
from pathlib import Path

from worker.clock import Clock
from worker.core.errors import ServerLost, StorageFailed
from worker.core.instant import words
from worker.gateways.machine import disk_of
from worker.gateways.systemd import Notify
from worker.rounds.log_lines import Log
from worker.store.db.failures import FREE_SPACE, LEAST_ROOM_BYTES

FIRST_WAIT_MS = 5_000
LONGEST_WAIT_MS = 60_000

# A server that was started again is there within seconds.
LONGEST_WAIT_FOR_SERVER_MS = 10_000

# How much longer than the wait systemd is told to be patient with a start.
PATIENCE_MS = 60_000


def wait_for_storage(
    start: Callable[[], int], folder: Path, clock: Clock, stop: threading.Event, tell: Notify, log: Log
) -> int:
    """Call ``start`` until its storage does not fail for lack of room, or of its server, less and less often; its exit
    code.

    Any other failure is raised, for it needs a person. 0: ``stop`` was set meanwhile.
    """
    wait_ms, said = FIRST_WAIT_MS, ""
    while True:
        try:
            return start()
        except (StorageFailed, ServerLost) as error:
            lost = isinstance(error, ServerLost)
            if not lost and not _lacks_room(error, folder):
                raise
            wait_ms = min(wait_ms, LONGEST_WAIT_FOR_SERVER_MS if lost else LONGEST_WAIT_MS)
            why = "the database server cannot be reached" if lost else "there is no room on the disk"
            if said != why:
                log.error(f"not started: {why}; it is tried again", error=error.message)
            said = why
            tell.send(
                f"STATUS=not started, tried again in {words(wait_ms)}: {error.message}; {error.hint}",
                f"EXTEND_TIMEOUT_USEC={(wait_ms + PATIENCE_MS) * 1000}",
            )
        if clock.wait(stop, wait_ms):
            return 0
        wait_ms *= 2


def _lacks_room(error: StorageFailed | ServerLost, folder: Path) -> bool:
    disk = disk_of(folder)
    return error.hint == FREE_SPACE or (disk is not None and disk.free_bytes < LEAST_ROOM_BYTES)
