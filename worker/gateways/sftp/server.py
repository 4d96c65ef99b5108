"""The server's address and our login; and the failure that an error of paramiko's, or a refusal, stands for."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from worker.core.ssh import MODERN, Algorithms
from worker.gateways.sftp.failure import SftpFailed
from worker.gateways.sftp.guard import Guard
from worker.gateways.sftp.session import NO_SUCH_FILE, PERMISSION_DENIED

REFUSALS = ("vanished", "permission", "refused")

Reveal = Callable[[], str]


@dataclass(frozen=True, slots=True)
class Server:
    """Where to log in and how. Secrets are functions that look them up; ``key_file``, ``password`` or both are set."""

    host: str
    port: int
    username: str
    known_hosts: Path
    algorithms: Algorithms = MODERN
    key_file: Path | None = None
    passphrase: Reveal | None = None
    password: Reveal | None = None

    @property
    def name(self) -> str:
        """``host`` or ``host:port``, for people."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == 22 else f"{host}:{self.port}"


def cut_or(error: BaseException, guard: Guard, server: Server, during: str) -> SftpFailed:
    """What an error of paramiko's means; ``during`` says what was being done, as ``logging in``."""
    if guard.cause == "stopped":
        return SftpFailed("stopped", f"told to stop while {during}")
    if guard.cause == "timeout" or isinstance(error, TimeoutError):
        hint = "is the server busy, or does a firewall between drop what it does not know?"
        return SftpFailed("timeout", f"{server.name} was silent, or too slow, while {during}", hint)
    if isinstance(error, EOFError | OSError):
        hint = "the next attempt may succeed; if none does, ask the server's side for the reason in its log"
        return SftpFailed("cut", f"{server.name} ended the connection while {during}", hint)
    hint = "is this an SFTP server, and is it the right port?"
    return SftpFailed("protocol", f"{server.name} said something unexpected while {during}", hint)


def refusal_of(status: int, server: Server, during: str) -> SftpFailed:
    """What the status of an answer means, as one of :data:`REFUSALS`."""
    if status == NO_SUCH_FILE:
        hint = "another system may have taken it; a server may also move a file away once it was read"
        return SftpFailed("vanished", f"{server.name}: the file is not there, while {during}", hint)
    if status == PERMISSION_DENIED:
        hint = f"ask its side to allow this to {server.username}, or set after = leave for a read-only drop"
        return SftpFailed("permission", f"{server.name} does not allow {during}", hint)
    hint = "ask its side for the reason in its log"
    return SftpFailed("refused", f"{server.name} refused (status {status}) while {during}", hint)
