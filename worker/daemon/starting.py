"""A start on a full disk: it waits for room, and says so. To end would have systemd try again every few seconds."""

import threading
from collections.abc import Callable
from pathlib import Path

from worker.clock import Clock
from worker.core.errors import StorageFailed
from worker.core.instant import words
from worker.gateways.machine import disk_of
from worker.gateways.systemd import Notify
from worker.rounds.log_lines import Log
from worker.store.db.failures import FREE_SPACE, LEAST_ROOM_BYTES

FIRST_WAIT_MS = 5_000
LONGEST_WAIT_MS = 60_000

# How much longer than the wait systemd is told to be patient with a start.
PATIENCE_MS = 60_000


def wait_for_room(
    start: Callable[[], int], folder: Path, clock: Clock, stop: threading.Event, tell: Notify, log: Log
) -> int:
    """Call ``start`` until its storage does not fail for lack of room, less and less often; its exit code.

    Any other failure is raised, for it needs a person. 0: ``stop`` was set meanwhile.
    """
    wait_ms, said = FIRST_WAIT_MS, False
    while True:
        try:
            return start()
        except StorageFailed as error:
            if not _lacks_room(error, folder):
                raise
            if not said:
                log.error("not started: there is no room on the disk; it is tried again", error=error.message)
            said = True
            tell.send(
                f"STATUS=not started, tried again in {words(wait_ms)}: {error.message}; {error.hint}",
                f"EXTEND_TIMEOUT_USEC={(wait_ms + PATIENCE_MS) * 1000}",
            )
        if clock.wait(stop, wait_ms):
            return 0
        wait_ms = min(2 * wait_ms, LONGEST_WAIT_MS)


def _lacks_room(error: StorageFailed, folder: Path) -> bool:
    disk = disk_of(folder)
    return error.hint == FREE_SPACE or (disk is not None and disk.free_bytes < LEAST_ROOM_BYTES)
