"""What systemd says of a unit of ours."""

import subprocess
from typing import NamedTuple

_ASKED = ("LoadState", "ActiveState", "MainPID", "WatchdogUSec", "Restart")
ANSWERS_WITHIN_S = 5.0


class Unit(NamedTuple):
    """``state``: active, failed and so on; ``watched``: a watchdog is set; ``restarts``: it is started again when it
    ends. ``pid`` is 0 where it does not run."""

    known: bool
    state: str
    pid: int
    watched: bool
    restarts: bool


def unit_of(name: str) -> Unit | None:
    """``None``: no systemd runs this machine, or it does not answer."""
    command = ["systemctl", "show", f"--property={','.join(_ASKED)}", name]
    try:
        said = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=ANSWERS_WITHIN_S, check=True
        ).stdout.decode("utf-8", "replace")
    except (OSError, subprocess.SubprocessError):
        return None
    told = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
    pid = told.get("MainPID", "")
    return Unit(
        told.get("LoadState") == "loaded",
        told.get("ActiveState", ""),
        int(pid) if pid.isdigit() else 0,
        told.get("WatchdogUSec", "0") not in ("", "0", "infinity"),
        told.get("Restart", "no") not in ("", "no"),
    )
