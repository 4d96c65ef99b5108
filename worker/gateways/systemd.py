"""The notify protocol of systemd: one datagram for each message. Outside systemd it does nothing."""

import contextlib
import os
import socket
from pathlib import Path

# A service manager that does not read its messages must not hold the daemon up.
LONGEST_WAIT_S = 1.0


class Notify:
    """Sends to ``$NOTIFY_SOCKET``. A failure to send is ignored: polling does not depend on it."""

    def __init__(self) -> None:
        path = os.environ.get("NOTIFY_SOCKET", "")
        # A leading @ stands for the abstract namespace, which the kernel spells with a NUL.
        self._address = "\0" + path[1:] if path.startswith("@") else path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) if path else None
        if self._socket is not None:
            self._socket.settimeout(LONGEST_WAIT_S)

    def send(self, *lines: str) -> None:
        """Send ``lines`` such as ``READY=1`` as one message."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.sendto("\n".join(lines).encode(), self._address)

    def close(self) -> None:
        """Send nothing any more."""
        if self._socket is not None:
            self._socket.close()


def runtime_directory() -> Path | None:
    """The first folder of ``RuntimeDirectory=``; ``None`` where the unit names none."""
    first = os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    return Path(first) if first else None


def watchdog_interval() -> int | None:
    """How often systemd wants to hear WATCHDOG=1, in ms; ``None`` where no watchdog is set for this process."""
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    return int(microseconds) // 1000 if microseconds.isdigit() and int(microseconds) else None
