"""The vendor's SFTP drop: list, fetch, move and remove the files that are meant for us.

The drop is shared. A name that does not match ``include`` (or matches ``exclude``) is never opened, looked at, moved or
deleted: some servers move a file away when it is opened, and its owner would miss it.

One thread uses a Drop. The guard ends every wait at its deadline.
"""

import contextlib
import fnmatch
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import paramiko

from worker.gateways.sftp.failure import SftpFailed
from worker.gateways.sftp.guard import Guard, SteadyClock
from worker.gateways.sftp.landing import Fetched, Landing
from worker.gateways.sftp.login import hang_up, log_in
from worker.gateways.sftp.server import Server, cut_or
from worker.gateways.sftp.session import NO_SUCH_FILE, PERMISSION_DENIED, Attributes, Entry, RequestRefused, Session

__all__ = ["Drop", "DropSettings", "Fetched", "RemoteFile", "Server", "SftpFailed", "connect"]

STEP_MS = 30_000  # for each of: connecting, logging in, listing, moving, and silence during a download
_SLOWEST_BYTES_PER_MS = 16  # bytes a millisecond: a download that takes longer than this on the whole is given up
_MOST_ENTRIES = 100_000
_MOST_NAMESAKES = 1000
_MOST_ALIKE_ENTRIES = 10
_WINDOW_BYTES = 4 * 1024 * 1024
_PACKET_BYTES = 256 * 1024 - 1024  # the most that a piece of a file needs; smaller ones cost twice the CPU


@dataclass(frozen=True, slots=True)
class DropSettings:
    """``folder`` is the drop, ``include`` and ``exclude`` patterns of names as :mod:`fnmatch` has them, case counts."""

    server: Server
    folder: str
    include: tuple[str, ...]
    exclude: tuple[str, ...] = ()

    def wants(self, name: bytes) -> bool:
        """Whether a file of this name is meant for us."""
        text = _text(name)
        return any(fnmatch.fnmatchcase(text, pattern) for pattern in self.include) and not any(
            fnmatch.fnmatchcase(text, pattern) for pattern in self.exclude
        )


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A regular file in the drop as it was at one listing.

    ``name`` is what the server calls it: bytes chosen by others, never to be used as a local path. ``mtime`` is in
    milliseconds since 1970 UTC (the protocol counts seconds), 0 when the server does not tell.
    """

    name: bytes
    size: int
    mtime: int

    @property
    def text(self) -> str:
        """The name for people and logs: what is not printable is escaped."""
        return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in _text(self.name))


Progress = Callable[[int], None]


def connect(
    settings: DropSettings, clock: SteadyClock, stop: threading.Event, *, step: int = STEP_MS
) -> "contextlib.AbstractContextManager[Drop]":
    """Connect and log in; the drop, for as long as the ``with`` block lasts. Raises SftpFailed.

    Every step ends within ``step`` ms of ``clock``, or soon after ``stop`` is set, by cutting the connection.
    """
    return _connected(settings, Guard(clock, stop), step)


@contextlib.contextmanager
def _connected(settings: DropSettings, guard: Guard, step: int) -> Iterator["Drop"]:
    transport = log_in(settings.server, guard, step)
    try:
        yield Drop(settings, guard, step, _open(transport, settings.server, guard, step))
    finally:
        hang_up(transport, guard)


def _open(transport: paramiko.Transport, server: Server, guard: Guard, step: int) -> Session:
    with guard.within(step):
        try:
            channel = transport.open_session(
                window_size=_WINDOW_BYTES, max_packet_size=_PACKET_BYTES, timeout=step / 1000
            )
            # Beside the guard, which alone bounds a whole step: one wait on the channel.
            channel.settimeout(2 * step / 1000)
            channel.invoke_subsystem("sftp")
            return Session(channel, guard)
        except Exception as error:
            if guard.cause is None and transport.is_active():
                hint = "is this account allowed to use SFTP?"
                raise SftpFailed("sftp", f"{server.name} let us in, but offers no SFTP", hint) from None
            raise cut_or(error, guard, server, "opening SFTP") from None


class Drop:
    """A logged-in connection to the drop. Every method raises SftpFailed."""

    def __init__(self, settings: DropSettings, guard: Guard, step: int, session: Session) -> None:
        self._settings = settings
        self._guard = guard
        self._step = step
        self._session = session
        self.others = 0
        """How many entries of the folder the last :meth:`list` left alone."""

    def list(self) -> list[RemoteFile]:
        """The regular files that are meant for us, by name."""
        found: list[RemoteFile] = []
        seen = 0
        with self._doing("looking into the drop", self._step):
            for entry in self._entries("drop", self._settings.folder):
                seen += 1
                if seen > _MOST_ENTRIES:
                    raise SftpFailed("protocol", f"the drop holds more than {_MOST_ENTRIES} entries", "clear it out")
                name = entry.name
                if entry.regular is not False and _is_name(name) and self._settings.wants(name):
                    found.append(RemoteFile(name, *_known(entry.attributes)))
            # Servers may leave the size out of a listing; that of a file of ours may be asked for.
            found = [file if file.size >= 0 else self._looked_at(file) for file in found]
        found = sorted((file for file in found if file.size >= 0), key=lambda file: file.name)
        self.others = seen - len(found)
        return found

    def archived(self, folder: str, wanted: Iterable[RemoteFile]) -> dict[bytes, Sequence[RemoteFile]]:
        """The files of ``folder`` that may be those wanted, by the name wanted, the likeliest first.

        A server that moves a file away once it was opened may give it another name if the first is taken (``a.x12_1``,
        ``a_1.x12``). What has another size is another file; the time may have been changed by the move.
        """
        found: dict[bytes, Sequence[RemoteFile]] = {}
        with self._doing("looking into the archive", self._step):
            held = [
                RemoteFile(entry.name, *_known(entry.attributes))
                for entry in self._entries("archive", folder)
                if entry.regular is not False and _is_name(entry.name)
            ]
        for one in wanted:
            alike = [file for file in held if file.size == one.size and _renamed(one.name, file.name)]
            alike.sort(key=lambda file, time=one.mtime: (file.mtime == time, file.mtime), reverse=True)  # type: ignore[misc]
            found[one.name] = alike[:_MOST_ALIKE_ENTRIES]
        return found

    def _entries(self, key: str, folder: str) -> Iterator[Entry]:
        """All entries of the folder that ``key`` names, of any type."""
        try:
            yield from self._session.entries(self._folder(folder) or b"/")
        except RequestRefused as refusal:
            if refusal.status == NO_SUCH_FILE:
                raise self._no_folder(key, folder) from None
            raise

    def _no_folder(self, key: str, folder: str) -> SftpFailed:
        message = f"{self._settings.server.name} has no folder {folder}"
        hint = f"check {key} under [sftp]: is it written as the server calls it? a relative path begins at the login"
        return SftpFailed(f"{key}_missing", message, hint)

    def fetch(
        self, remote: RemoteFile, to: Path, on_progress: Progress | None = None, *, archive: str | None = None
    ) -> Fetched:
        """Bring a file into the private folder ``to``, whole and durable, under its hash.

        ``changing`` when it is not, before and after, what ``remote`` says, or ends elsewhere. ``on_progress`` is told
        how many bytes are there. ``archive``: the folder it is in, if :meth:`archived` found it.
        """
        path = self._path(remote) if archive is None else self._folder(archive) + b"/" + remote.name
        landing = Landing(to, remote.size)
        try:
            time = self._step + remote.size // _SLOWEST_BYTES_PER_MS
            with self._doing("fetching a file", time, self._step):
                handle = self._session.open(path)
            with self._closing(handle), self._doing("fetching a file", time, self._step):
                self._bring(handle, remote, landing, on_progress)
                # Durable before the handle is closed: that is when some servers move the file away.
                return landing.finish()
        except BaseException:
            landing.abandon()
            raise

    def _bring(self, handle: bytes, remote: RemoteFile, landing: Landing, on_progress: Progress | None) -> None:
        before = self._session.look_at(handle)
        if before.size not in (None, remote.size):
            raise _changing()
        for piece in self._session.content(handle, remote.size):
            landing.write(piece)
            if landing.size > remote.size:
                raise _changing()
            if on_progress is not None:
                on_progress(landing.size)
        if landing.size != remote.size or self._look_again(handle, before) != before:
            raise _changing()

    @contextlib.contextmanager
    def _closing(self, handle: bytes) -> Iterator[None]:
        """Close the handle in the end; what goes wrong with that changes nothing for a file that is here."""
        try:
            yield
        finally:
            with contextlib.suppress(SftpFailed), self._doing("closing a file", self._step):
                self._session.close(handle)

    def remove(self, remote: RemoteFile) -> None:
        """Delete a file, if it is still the one that ``remote`` says (else ``changing``)."""
        path = self._path(remote)
        with self._doing("deleting a file", self._step):
            self._check_same(path, remote)
            self._session.remove(path)

    def move(self, remote: RemoteFile, to: str) -> bytes:
        """Move a file to the folder ``to``, if it is still the one that ``remote`` says; the path it has now.

        A name that is taken there gets ``_1``, ``_2`` and so on: nothing is written over.
        """
        path = self._path(remote)
        with self._doing("moving a file", self._step):
            self._check_same(path, remote)
            for number in range(_MOST_NAMESAKES):
                target = self._folder(to) + b"/" + remote.name + (b"_%d" % number if number else b"")
                if self._exists(target):
                    continue
                try:
                    self._session.rename(path, target)
                except RequestRefused as refusal:
                    if not self._exists(path):
                        raise
                    if self._exists(target):
                        continue  # another took the name in between
                    if refusal.status == NO_SUCH_FILE or not self._exists(self._folder(to) or b"/"):
                        raise self._no_folder("move_to", to) from None
                    raise
                return target
        raise SftpFailed("refused", f"{to} holds a thousand files of one name", "clear it out")

    def _path(self, remote: RemoteFile) -> bytes:
        if not _is_name(remote.name) or not self._settings.wants(remote.name):
            raise ValueError("a file that is not meant for us")
        return self._folder(self._settings.folder) + b"/" + remote.name

    def _folder(self, folder: str) -> bytes:
        return folder.rstrip("/").encode("utf-8", "surrogateescape")

    def _look_again(self, handle: bytes, before: Attributes) -> Attributes:
        try:
            return self._session.look_at(handle)
        except RequestRefused as refusal:
            # Some servers move a file to their archive when it was read to its end: then the file is whole.
            if refusal.status == NO_SUCH_FILE:
                return before
            raise

    def _looked_at(self, file: RemoteFile) -> RemoteFile:
        try:
            return RemoteFile(file.name, *_known(self._session.stat(self._path(file))))
        except RequestRefused:
            return file

    def _check_same(self, path: bytes, remote: RemoteFile) -> None:
        if _known(self._session.stat(path)) != (remote.size, remote.mtime):
            raise _changing()

    def _exists(self, path: bytes) -> bool:
        try:
            self._session.stat(path)
        except RequestRefused as refusal:
            if refusal.status == NO_SUCH_FILE:
                return False
            raise
        return True

    @contextlib.contextmanager
    def _doing(self, during: str, ms: int, silence: int | None = None) -> Iterator[None]:
        """Run a step within its time. Every error of it is raised as SftpFailed."""
        server = self._settings.server
        with self._guard.within(ms, silence):
            try:
                yield
            except SftpFailed:
                raise
            except RequestRefused as refusal:
                raise _refusal(refusal.status, server, during) from None
            except Exception as error:
                raise cut_or(error, self._guard, server, during) from None


def _refusal(status: int, server: Server, during: str) -> SftpFailed:
    if status == NO_SUCH_FILE:
        hint = "another system may have taken it; a server may also move a file away once it was read"
        return SftpFailed("vanished", f"{server.name}: the file is not there, while {during}", hint)
    if status == PERMISSION_DENIED:
        hint = f"ask its side to allow this to {server.username}, or set after = leave for a read-only drop"
        return SftpFailed("permission", f"{server.name} does not allow {during}", hint)
    hint = "ask its side for the reason in its log"
    return SftpFailed("refused", f"{server.name} refused (status {status}) while {during}", hint)


def _changing() -> SftpFailed:
    return SftpFailed("changing", "the file is still changing, or not the one that was seen", "it is looked at again")


def _known(attributes: Attributes) -> tuple[int, int]:
    """Size (-1 when not told) and time in milliseconds."""
    size = -1 if attributes.size is None else attributes.size
    return size, (attributes.modified or 0) * 1000


def _is_name(name: bytes) -> bool:
    return name not in (b"", b".", b"..") and b"/" not in name and b"\0" not in name


def _renamed(name: bytes, other: bytes) -> bool:
    """Whether ``other`` is the name, or what a server makes of it where it is taken."""
    stem, dot, ending = name.rpartition(b".")
    forms = [re.escape(name) + rb"(?:_\d{1,4})?"] + [re.escape(stem) + rb"_\d{1,4}" + re.escape(dot + ending)] * bool(
        dot
    )
    return any(re.fullmatch(form, other, re.DOTALL) for form in forms)


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")
