"""What the lane of the spool works by, and what it says."""

from typing import NamedTuple

from worker.core.schedule.cadence import Schedule
from worker.core.x12.batch import TAKE_ALL, HoldRules


class SpoolRules(NamedTuple):
    """``every_ms`` is how often the folder is looked at, ``keep_done_ms`` how long what was taken stays there.

    ``origin`` is that of the API; empty: as the database knows it.
    """

    every_ms: int
    keep_done_ms: int
    schedule: Schedule
    origin: str = ""
    hold: HoldRules = TAKE_ALL


# Seen twice like this, so long apart, a file is taken.
SETTLE_MS = 1_000

# One of which something cannot be read may still be written: it is read again until it has stayed as it is for so long.
PATIENCE_MS = 10_000

# Of a name that says that its file is being written.
ABANDONED_MS = 86_400_000

# Ids, JSON and headers of one file. A batch may have any size.
MOST_TEXT_BYTES = 16 * 1024 * 1024

# Files, and rows of them, that come into one transaction.
GROUP_FILES, GROUP_ROWS = 100, 500
GROUP_BYTES = 1024 * 1024
