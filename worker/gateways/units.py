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
    told = _shown(name, _ASKED)
    if told is None:
        return None
    pid = told.get("MainPID", "")
    return Unit(
        told.get("LoadState") == "loaded",
        told.get("ActiveState", ""),
        int(pid) if pid.isdigit() else 0,
        told.get("WatchdogUSec", "0") not in ("", "0", "infinity"),
        told.get("Restart", "no") not in ("", "no"),
    )


class SocketUnit(NamedTuple):
    """``address``: where it listens, such as ``127.0.0.1:9271``; ``more``: the other addresses, or paths."""

    enabled: bool
    active: bool
    address: str
    more: tuple[str, ...] = ()


def socket_of(name: str) -> SocketUnit | None:
    """Likewise of a socket unit."""
    lines = _asked("systemctl", "show", "--property=UnitFileState,ActiveState,Listen", name)
    if not lines:
        return None
    told = dict(lines)
    # Each address has a line of its own.
    address, *more = [text.partition(" ")[0] for key, text in lines if key == "Listen"] or [""]
    return SocketUnit(told.get("UnitFileState") == "enabled", told.get("ActiveState") == "active", address, tuple(more))


def time_is_kept() -> bool | None:
    """Whether the clock is kept by NTP; ``None``: systemd does not say."""
    told = dict(_asked("timedatectl", "show", "--property=NTPSynchronized")).get("NTPSynchronized")
    return None if told is None else told == "yes"


def _shown(name: str, properties: tuple[str, ...]) -> dict[str, str] | None:
    return dict(_asked("systemctl", "show", f"--property={','.join(properties)}", name)) or None


def _asked(*command: str) -> list[tuple[str, str]]:
    """What a program of systemd says: names and texts; empty where it cannot be asked."""
    try:
        said = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=ANSWERS_WITHIN_S, check=True
        ).stdout.decode("utf-8", "replace")
    except (OSError, subprocess.SubprocessError):
        return []
    return [(name, text) for name, sign, text in (line.partition("=") for line in said.splitlines()) if sign]
