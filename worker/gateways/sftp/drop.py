"""The vendor's SFTP drop: list, fetch, move and remove the files that are meant for us.

The drop is shared. A name that does not match ``include`` (or matches ``exclude``) is never opened, looked at, moved or
deleted: some servers move a file away when it is opened, and its owner would miss it.

One thread uses a Drop. The guard ends every wait at its deadline.
"""

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import paramiko

from worker.gateways.sftp.failure import SftpFailed
from worker.gateways.sftp.guard import Guard, SteadyClock
from worker.gateways.sftp.landing import Fetched, Landing
from worker.gateways.sftp.login import hang_up, log_in
from worker.gateways.sftp.packets import Attributes, Entry
from worker.gateways.sftp.remote_file import (
    UNKNOWN_SIZE_BYTES,
    DropSettings,
    RemoteFile,
    as_file,
    as_path,
    is_name,
    renamed,
)
from worker.gateways.sftp.server import REFUSALS, Server, cut_or, refusal_of
from worker.gateways.sftp.session import END, NO_SUCH_FILE, RequestRefused, Session
from worker.gateways.sftp.sorting import Sorting, too_many

__all__ = ["UNKNOWN_SIZE_BYTES", "Drop", "DropSettings", "Fetched", "RemoteFile", "Server", "SftpFailed", "connect"]

STEP_MS = 30_000  # for each of: connecting, logging in, moving, and silence while files are listed or fetched
_LISTING_MS = 3_600_000  # for a listing in which the server is never silent
_MOST_ENTRIES = 1_000_000  # of the folder, whatever they are
_MOST_NAMESAKES = 1000
_MOST_ALIKE_ENTRIES = 10
_WINDOW_BYTES = 4 * 1024 * 1024
_PACKET_BYTES = 256 * 1024 - 1024  # the most that a piece of a file needs; smaller ones cost twice the CPU

Progress = Callable[[int], None]


def connect(
    settings: DropSettings,
    clock: SteadyClock,
    stop: threading.Event,
    *,
    step: int = STEP_MS,
    moving: Callable[[], None] = lambda: None,
) -> "contextlib.AbstractContextManager[Drop]":
    """Connect and log in; the drop, for as long as the ``with`` block lasts. Raises SftpFailed.

    Every step ends within ``step`` ms of ``clock`` without a word from the server, or soon after ``stop`` is set, by
    cutting the connection. ``moving`` is called, by another thread, while bytes come.
    """
    return _connected(settings, Guard(clock, stop, moving), step)


@contextlib.contextmanager
def _connected(settings: DropSettings, guard: Guard, step: int) -> Iterator["Drop"]:
    transport = log_in(settings.server, guard, step)
    try:
        yield Drop(settings, guard, step, open_session(transport, settings.server, guard, step))
    finally:
        hang_up(transport, guard)


def open_session(transport: paramiko.Transport, server: Server, guard: Guard, step: int) -> Session:
    """SFTP over a connection that is logged in, within ``step`` ms. Raises SftpFailed."""
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
        self._broken = False
        self.others = 0
        """How many entries of the folder the last :meth:`list` left alone."""
        self.links: list[RemoteFile] = []
        """Those of them that are links with names meant for us, at most a thousand."""
        self.answers_looks = True
        """Whether the server answers :meth:`look`. Once it has left one unanswered, it is not asked again; the caller
        hands this on to its next connection."""

    @property
    def broken(self) -> bool:
        """Whether the connection is of no use any more."""
        return self._broken or self._guard.cause is not None or self._session.over

    def list(self) -> list[RemoteFile]:
        """The regular files that are meant for us, by name; a name that is listed twice is there twice."""
        sorting = Sorting(self._settings)
        with self._doing("looking into the drop", self._listing(), repeatable=True):
            for entry in self._entries("drop", self._settings.folder):
                sorting.add(entry)
        found = sorting.files + list(filter(None, (self._cleared_up(file, sorting) for file in sorting.unclear)))
        self.others, self.links = sorting.seen - len(found), sorting.links
        return sorted(found, key=lambda file: file.name)

    def archived(self, folder: str, wanted: Iterable[RemoteFile]) -> dict[bytes, Sequence[RemoteFile]]:
        """The files of ``folder`` that may be those wanted, by the name wanted, the likeliest first.

        A server that moves a file away once it was opened may give it another name if the first is taken (``a.x12_1``,
        ``a_1.x12``). What has another size is another file; the time may have been changed by the move.
        """
        files = list(wanted)
        found: dict[bytes, list[RemoteFile]] = {one.name: [] for one in files}
        sizes = {one.size for one in files}
        with self._doing("looking into the archive", self._listing(), repeatable=True):
            for entry in self._entries("archive", folder):
                held = as_file(entry.name, entry.attributes)
                if entry.regular is False or not is_name(held.name) or held.size not in sizes:
                    continue
                for one in files:
                    if held.size == one.size and renamed(one.name, held.name):
                        found[one.name].append(held)
        return {
            one.name: sorted(
                found[one.name],
                key=lambda file, time=one.mtime: (file.mtime == time, file.mtime),  # type: ignore[misc]
                reverse=True,
            )[:_MOST_ALIKE_ENTRIES]
            for one in files
        }

    def _entries(self, key: str, folder: str) -> Iterator[Entry]:
        """All entries of the folder that ``key`` names, of any type."""
        try:
            for number, entry in enumerate(self._session.entries(as_path(folder) or b"/")):
                if number == _MOST_ENTRIES:
                    raise too_many(f"more than {_MOST_ENTRIES} entries")
                yield entry
        except RequestRefused as refusal:
            if refusal.status == NO_SUCH_FILE:
                raise self._no_folder(key, folder) from None
            raise

    def _cleared_up(self, file: RemoteFile, sorting: Sorting) -> RemoteFile | None:
        """The file with what the server says when it is asked; ``None`` if that is no file."""
        told = self.look(file)
        if told is None:
            return file
        if told.regular is False:
            sorting.no_file(file, told)
            return None
        asked = as_file(file.name, told)
        return replace(
            file, size=asked.size if file.size == UNKNOWN_SIZE_BYTES else file.size, mtime=file.mtime or asked.mtime
        )

    def _no_folder(self, key: str, folder: str) -> SftpFailed:
        message = f"{self._settings.server.name} has no folder {folder}"
        hint = f"check {key} under [sftp]: is it written as the server calls it? a relative path begins at the login"
        return SftpFailed(f"{key}_missing", message, hint)

    def look(self, remote: RemoteFile, *, archive: str | None = None) -> Attributes | None:
        """What the server says of a file now; ``None`` where it does not say."""
        path = self._path(remote, archive)
        if not self.answers_looks:
            return None
        try:
            with self._doing("asking about a file", self._guard.within(self._step), repeatable=True):
                return self._session.stat(path)
        except SftpFailed as failure:
            if failure.code == "timeout":
                self.answers_looks = False
            if failure.code in REFUSALS:
                return None
            raise

    def fetch(
        self, remote: RemoteFile, to: Path, on_progress: Progress | None = None, *, archive: str | None = None
    ) -> Fetched:
        """Bring a file into the private folder ``to``, durable, under its hash.

        Between OPEN and CLOSE there is nothing but READ, to the end of the file: some servers take any other question
        for the end, and give a file once. What they say of its size is a guess; whether it is whole, its content tells.
        ``on_progress`` is told how many bytes are there. ``archive``: the folder where :meth:`archived` found it.
        """
        before = self.look(remote, archive=archive)
        file = remote if before is None else self._as_told(remote, before)
        path = self._path(remote, archive)
        landing = Landing(to, file.size)
        try:
            with self._doing("opening a file", self._guard.within(self._step)):
                handle = self._session.open(path)
            with self._closing(handle), self._doing("fetching a file", self._guard.streaming(self._step)):
                for piece in self._session.content(handle, file.size):
                    landing.write(piece)
                    if on_progress is not None:
                        on_progress(landing.size)
                # Durable before the handle is closed: that is when some servers move the file away.
                fetched = landing.finish()
        except BaseException:
            landing.abandon()
            raise
        cut = self._session.ended_by != END and 0 <= fetched.size < file.size
        return replace(fetched, told=file, changed=cut or self._has_changed(file, archive, fetched.size))

    def _as_told(self, remote: RemoteFile, told: Attributes) -> RemoteFile:
        """What is said of a file that is about to be opened goes before what the listing said."""
        asked = as_file(remote.name, told)
        return replace(asked, size=remote.size if told.size is None else asked.size, mtime=asked.mtime or remote.mtime)

    def _has_changed(self, file: RemoteFile, archive: str | None, size: int) -> bool:
        """Whether a file that was read is another one now, so that what came may be half of each.

        It need not be there any more. One that has only grown or shrunk after it was read to its end is no such case.
        """
        try:
            told = self.look(file, archive=archive)
        except SftpFailed:
            return False  # the file is here
        if told is None:
            return False
        now = as_file(file.name, told)
        if now.size not in (UNKNOWN_SIZE_BYTES, file.size):
            return size != file.size
        return bool(now.mtime and file.mtime and now.mtime != file.mtime)

    @contextlib.contextmanager
    def _closing(self, handle: bytes) -> Iterator[None]:
        """Close the handle in the end; what goes wrong with that changes nothing for a file that is here."""
        try:
            yield
        finally:
            if not self.broken:
                with contextlib.suppress(SftpFailed), self._doing("closing a file", self._guard.within(self._step)):
                    self._session.close(handle)

    def remove(self, remote: RemoteFile) -> None:
        """Delete a file, if it is still the one that ``remote`` says (else ``changing``)."""
        path = self._path(remote)
        self._check_same(remote)
        with self._doing("deleting a file", self._guard.within(self._step)):
            self._session.remove(path)

    def move(self, remote: RemoteFile, to: str) -> bytes:
        """Move a file to the folder ``to``, if it is still the one that ``remote`` says; the path it has now.

        A name that is taken there gets ``_1``, ``_2`` and so on: nothing is written over.
        """
        path = self._path(remote)
        self._check_same(remote)
        with self._doing("moving a file", self._guard.answering(self._step, _LISTING_MS)):
            for number in range(_MOST_NAMESAKES):
                target = as_path(to) + b"/" + remote.name + (b"_%d" % number if number else b"")
                if self._exists(target):
                    continue
                try:
                    self._session.rename(path, target)
                except RequestRefused as refusal:
                    if not self._exists(path):
                        raise
                    if self._exists(target):
                        continue  # another took the name in between
                    if refusal.status == NO_SUCH_FILE or not self._exists(as_path(to) or b"/"):
                        raise self._no_folder("move_to", to) from None
                    raise
                return target
        raise SftpFailed("refused", f"{to} holds a thousand files of one name", "clear it out")

    def _path(self, remote: RemoteFile, archive: str | None = None) -> bytes:
        if archive is not None:
            return as_path(archive) + b"/" + remote.name
        if not is_name(remote.name) or not self._settings.wants(remote.name):
            raise ValueError("a file that is not meant for us")
        return as_path(self._settings.folder) + b"/" + remote.name

    def _check_same(self, remote: RemoteFile) -> None:
        """That what the server says of a file is what it said before; what it does not say is no difference."""
        with self._doing("asking about a file", self._guard.within(self._step), repeatable=True):
            try:
                now = as_file(remote.name, self._session.stat(self._path(remote)))
            except RequestRefused as refusal:
                if refusal.status == NO_SUCH_FILE:
                    raise
                return
        for known, told, none in ((remote.size, now.size, UNKNOWN_SIZE_BYTES), (remote.mtime, now.mtime, 0)):
            if none not in (known, told) and known != told:
                hint = "cdpoll tries again"
                raise SftpFailed("changing", "the file is still changing, or not the one that was seen", hint)

    def _exists(self, path: bytes) -> bool:
        try:
            self._session.stat(path)
        except RequestRefused as refusal:
            if refusal.status == NO_SUCH_FILE:
                return False
            raise
        return True

    def _listing(self) -> contextlib.AbstractContextManager[None]:
        return self._guard.answering(self._step, _LISTING_MS)

    @contextlib.contextmanager
    def _doing(
        self, during: str, guarded: contextlib.AbstractContextManager[None], *, repeatable: bool = False
    ) -> Iterator[None]:
        """Run a step within its time. Every error of it is raised as SftpFailed.

        ``repeatable``: it may be done again at once over another connection, where this one is broken.
        """
        server = self._settings.server
        with guarded:
            try:
                yield
            except SftpFailed:
                raise
            except RequestRefused as refusal:
                raise refusal_of(refusal.status, server, during) from None
            except Exception as error:
                self._broken = True
                failure = cut_or(error, self._guard, server, during)
                failure.repeatable = repeatable and failure.code != "stopped"
                raise failure from None
