"""Feeds systemd's watchdog while this server answers.

gunicorn replaces a worker process that stands still. What it cannot see is one whose threads are all held up, by a disk
that does not answer, say. So its first process, which systemd watches, asks as every other client does.
"""

import socket
import threading
from typing import Any

from worker.gateways.systemd import Notify

ANSWER_S = 5.0
_QUESTION = b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n"

_SILENT = (
    "It does not answer to itself, and is started again where that lasts; another ListenStream= than localhost's needs"
    " the same address in IPAddressAllow= of this unit"
)


class Probe:
    """Asks the server of a listener, and tells systemd. It writes no log: a lock of that would stay taken in a worker
    process which is forked at that moment."""

    def __init__(self, listener: socket.socket, notify: Notify) -> None:
        self._family, self._address = listener.family, listener.getsockname()
        self._notify = notify
        self._well = True

    def ask(self) -> None:
        """Feed the watchdog where it answers. Where it begins or ends to, `systemctl status` shows that."""
        well = answers(self._family, self._address)
        if well:
            self._notify.send("WATCHDOG=1")
        if well != self._well:
            self._notify.send("STATUS=It answers" if well else f"STATUS={_SILENT}")
        self._well = well


def begin_probing(listener: socket.socket, interval_ms: int) -> None:
    """Ask three times in each interval of the watchdog, until this process ends."""
    probe = Probe(listener, Notify())

    def work() -> None:
        never = threading.Event()
        while not never.wait(interval_ms / 3000):
            probe.ask()

    threading.Thread(target=work, name="probe", daemon=True).start()


def answers(family: int, address: Any) -> bool:
    """Whether a server there says that it is well."""
    with socket.socket(family, socket.SOCK_STREAM) as asked:
        asked.settimeout(ANSWER_S)
        try:
            asked.connect(address)
            asked.sendall(_QUESTION)
            return asked.recv(64).partition(b" ")[2].startswith(b"200 ")
        except OSError:
            return False
