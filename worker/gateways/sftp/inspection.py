"""What a person wants to know of an SFTP server beside the files in its drop: what was agreed on, and what we may do
there, as far as owners and modes tell. Nothing is opened, moved or removed."""

import contextlib
import stat
import threading
from collections.abc import Iterator
from typing import NamedTuple

import paramiko

from worker.gateways.sftp.drop import Drop, DropSettings, SftpFailed, open_session
from worker.gateways.sftp.guard import Guard, SteadyClock
from worker.gateways.sftp.known_hosts import fingerprint, key_type
from worker.gateways.sftp.login import agreed_kex, hang_up, log_in
from worker.gateways.sftp.packets import Attributes
from worker.gateways.sftp.remote_file import as_path
from worker.gateways.sftp.server import cut_or
from worker.gateways.sftp.session import RequestRefused, Session

READ, WRITE, ENTER = stat.S_IROTH, stat.S_IWOTH, stat.S_IXOTH


class Agreed(NamedTuple):
    """The algorithms of a connection, and the server's key as people compare it."""

    kex: str
    cipher: str
    mac: str
    key_type: str
    fingerprint: str


class Inspection:
    """A connection that is logged in. Every method raises SftpFailed."""

    def __init__(self, settings: DropSettings, guard: Guard, step: int, session: Session, agreed: Agreed) -> None:
        self.agreed = agreed
        self.drop = Drop(settings, guard, step, session)
        self._settings, self._guard, self._step, self._session = settings, guard, step, session

    def folder(self, name: str) -> Attributes | None:
        """What the server says of a folder; ``None``: it says that there is none, or does not say."""
        with self._guard.within(self._step):
            try:
                return self._session.target(as_path(name) or b"/")
            except RequestRefused:
                return None
            except Exception as error:
                raise cut_or(error, self._guard, self._settings.server, "asking about a folder") from None

    def our_number(self) -> int | None:
        """The number of our user there, as far as it can be told: the owner of the folder that a login begins in."""
        if self._settings.server.username == "root":
            return 0
        home = self.folder(".")
        # Where a server shows one folder alone, that folder is root's.
        return None if home is None or not home.owner else home.owner


@contextlib.contextmanager
def inspecting(settings: DropSettings, clock: SteadyClock, stop: threading.Event, step: int) -> Iterator[Inspection]:
    """Connect and log in, each step within ``step`` ms, all until ``stop`` is set. Raises SftpFailed."""
    guard = Guard(clock, stop)
    transport = log_in(settings.server, guard, step)
    try:
        session = open_session(transport, settings.server, guard, step)
        yield Inspection(settings, guard, step, session, _agreed(transport))
    finally:
        hang_up(transport, guard)


def _agreed(transport: paramiko.Transport) -> Agreed:
    key = transport.get_remote_server_key().asbytes()
    cipher = str(getattr(transport, "remote_cipher", ""))
    mac = "" if "gcm" in cipher else str(getattr(transport, "remote_mac", ""))  # with GCM there is no separate one
    return Agreed(agreed_kex(transport), cipher, mac, key_type(key), fingerprint(key))


def may(told: Attributes, user: int | None, needed: int) -> bool | None:
    """Whether a user may do what ``needed`` (READ, WRITE, ENTER or several) says, as far as owner and mode tell.

    By hand: mode 0755 lets all read, mode 0700 of user 7 lets user 8 do nothing, and of mode 0750 no one can tell
    whether user 8 is in its group.
    """
    if user == 0:
        return True
    if told.mode is None:
        return None
    owners, groups, others = (told.mode >> shift & needed == needed for shift in (6, 3, 0))
    if user is None or told.owner is None:
        possible = {owners, groups, others}
    else:
        possible = {owners} if told.owner == user else {groups, others}
    return possible.pop() if len(possible) == 1 else None


__all__ = ["ENTER", "READ", "WRITE", "Agreed", "Inspection", "SftpFailed", "inspecting", "may"]
