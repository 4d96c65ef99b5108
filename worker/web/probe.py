"""Feeds systemd's watchdog while this server answers.

gunicorn replaces a worker process that stands still. What it cannot see is one whose threads are all held up, by a disk
that does not answer, say. So its first process, which systemd watches, asks as every other client does.
"""

import os
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Any

from worker.gateways.systemd import Notify

ANSWER_S = 5.0
_QUESTION = b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n"

_SILENT = (
    "It does not answer to itself, and is started again where that lasts; where the unit has IPAddressDeny=, the"
    " address of another ListenStream= than localhost's belongs into its IPAddressAllow="
)

# A worker process is a copy of this one. Were it made while OpenSSL works here, a lock would stay taken in it.
_AT_WORK = threading.Lock()


class Probe:
    """Asks the server of a listener, and tells systemd. It writes no log: a lock of that would stay taken in a worker
    process which is forked at that moment. ``has_tls``: whether it serves TLS at present."""

    def __init__(self, listener: socket.socket, notify: Notify, has_tls: Callable[[], bool] = lambda: False) -> None:
        self._family, self._address = listener.family, listener.getsockname()
        self._notify = notify
        self._has_tls = has_tls if listener.family != socket.AF_UNIX else bool
        self._well = True

    def ask(self) -> None:
        """Feed the watchdog where it answers. Where it begins or ends to, `systemctl status` shows that."""
        well = answers(self._family, self._address, self._has_tls())
        if well:
            self._notify.send("WATCHDOG=1")
        if well != self._well:
            self._notify.send("STATUS=It answers" if well else f"STATUS={_SILENT}")
        self._well = well


def begin_probing(listener: socket.socket, interval_ms: int, has_tls: Callable[[], bool]) -> None:
    """Ask three times in each interval of the watchdog, until this process ends."""
    probe = Probe(listener, Notify(), has_tls)
    os.register_at_fork(before=_AT_WORK.acquire, after_in_parent=_AT_WORK.release, after_in_child=_AT_WORK.release)

    def work() -> None:
        never = threading.Event()
        while not never.wait(interval_ms / 3000):
            probe.ask()

    threading.Thread(target=work, name="probe", daemon=True).start()


def answers(family: int, address: Any, tls: bool = False) -> bool:
    """Whether a server there says that it is well. With TLS it is not asked for a certificate of that address."""
    with socket.socket(family, socket.SOCK_STREAM) as asked:
        asked.settimeout(ANSWER_S)
        try:
            asked.connect(address)
            told = _by_tls(asked) if tls else _plainly(asked)
        except OSError:
            return False
    return told.partition(b" ")[2].startswith(b"200 ")


def _plainly(asked: socket.socket) -> bytes:
    asked.sendall(_QUESTION)
    return asked.recv(64)


def _by_tls(asked: socket.socket) -> bytes:
    """Ask through TLS, with OpenSSL at work under the lock only, and never while it waits."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with _AT_WORK:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        tls = context.wrap_bio(incoming, outgoing)

    def until_done(step: Callable[[], Any]) -> Any:
        while True:
            with _AT_WORK:
                try:
                    done, result = True, step()
                except ssl.SSLWantReadError:
                    done, result = False, None
                told = outgoing.read()
            asked.sendall(told)
            if done:
                return result
            heard = asked.recv(65536)
            if not heard:
                raise ConnectionResetError
            incoming.write(heard)

    until_done(tls.do_handshake)
    until_done(lambda: tls.write(_QUESTION))
    got: bytes = until_done(lambda: tls.read(64))
    return got
