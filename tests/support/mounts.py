"""Whether this machine lets the tests mount a file system of their own."""

import os
from pathlib import Path

_CAP_SYS_ADMIN = 1 << 21


def may_mount() -> bool:
    """Whether this process may mount a file: containers mostly may not, though they run as root."""
    rights = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("CapEff:"))
    return bool(int(rights.split()[1], 16) & _CAP_SYS_ADMIN) and os.access("/dev/loop-control", os.R_OK | os.W_OK)
