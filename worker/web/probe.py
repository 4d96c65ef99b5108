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


def begin_probing(listener: socket.socket, interval_ms: int) -> None:
    """Ask three times in each interval of the watchdog, until this process ends. The thread holds no lock when a worker
    process is forked."""
    notify = Notify()

    def work() -> None:
        never = threading.Event()
        while not never.wait(interval_ms / 3000):
            if answers(listener.family, listener.getsockname()):
                notify.send("WATCHDOG=1")

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
