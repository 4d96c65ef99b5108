"""A way out into a folder: each result becomes one file, and its 271s files beside it.

A reader of the folder never meets half of a file. Files are written in another folder of the same file system, put on
the disk, and then renamed; the JSON file comes last, so where it is, the 271s are. A name that is taken by another
result is left alone: the new file gets its number at the end.
"""

import contextlib
import errno
import json
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from worker.core.delivery import Delivered, Letter, LetterRefused, ReceiverDown, Sent
from worker.core.file_name import name_of, numbered
from worker.files import open_regular, sync_folder
from worker.ownership import obstacle, read_only, user_name

UNFINISHED = re.compile(r"cdpoll-[0-9]+\.part")
_BAD_NAME = (errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ)
_CODES = {
    errno.ENOSPC: "full",
    errno.EDQUOT: "full",
    errno.ENOENT: "missing",
    errno.ENOTDIR: "missing",
    errno.EACCES: "denied",
    errno.EPERM: "denied",
    errno.EROFS: "read_only",
    errno.EXDEV: "other_file_system",
}

_File = tuple[Path, bytes]


@dataclass(frozen=True, slots=True)
class Folders:
    """``path`` is where the files appear, ``aside`` where they are written before, named like :data:`UNFINISHED`."""

    path: Path
    aside: Path


class _Trouble(Exception):
    """What is wrong with one of the folders, and what to do."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code)
        self.down = ReceiverDown(code, detail)


class Directory:
    """Writes into one folder. Nothing else may write there under the same names; readers may take files away.

    ``mode`` is that of the files. In a folder with the setgid bit they get its group.
    """

    def __init__(self, folders: Folders, template: str, mode: int, *, with_x12: bool) -> None:
        """Makes the folder aside where it is missing, and removes what an earlier life left there unfinished."""
        self._folders = folders
        self._template = template
        self._mode = mode
        self._with_x12 = with_x12
        # What is wrong is found again, and told, when there is something to send.
        with contextlib.suppress(OSError):
            folders.aside.mkdir(mode=0o700, exist_ok=True)
            for found in folders.aside.iterdir():
                if UNFINISHED.fullmatch(found.name):
                    found.unlink()

    def close(self) -> None:
        """Nothing is held."""

    def _down(self, error: OSError) -> ReceiverDown:
        said = f"writing into {self._folders.path} failed: {_reason(error)}"
        if error.errno == errno.EXDEV:
            # Two folders of one file system that are mounted apart, as each of ReadWritePaths= is.
            said += f"; {self._folders.aside} is mounted apart: name the folder above both in ReadWritePaths="
        return ReceiverDown(_code(error), said)

    def flush(self) -> ReceiverDown | None:
        """Put the names of the files on the disk; until then they may be lost in a power cut."""
        try:
            sync_folder(self._folders.path)
        except OSError as error:
            return trouble_with(self._folders) or self._down(error)
        return None

    def send(self, letter: Letter, now: int) -> Sent:  # noqa: ARG002 - as every way out has it
        """Put one result into the folder. A file of the same result is replaced. :meth:`flush` makes it sure."""
        try:
            _prepare(self._folders)
            return self._put(letter)
        except _Trouble as trouble:
            return trouble.down
        except OSError as error:
            if error.errno in _BAD_NAME:
                said = f"{self._folders.path} cannot hold its name ({_reason(error)})"
                return LetterRefused("bad_name", f"{said}; write another template under name")
            # Its file name may hold the caller's key, so it is not told.
            return trouble_with(self._folders) or self._down(error)

    def _put(self, letter: Letter) -> Sent:
        texts = letter.x12 if self._with_x12 else ()
        endings = [".x12" if number == 1 else f".{number}.x12" for number in range(1, len(texts) + 1)]
        contents = [*zip(endings, texts, strict=True), (".json", letter.body)]
        plain = name_of(self._template, letter)
        for name in (plain, numbered(plain, letter)):
            files = [(self._folders.path / f"{name}{ending}", data) for ending, data in contents]
            if _is_free(files, letter):
                self._appear(files)
                return Delivered()
        said = f"in {self._folders.path} another file has its name, and one has its name with its number"
        return LetterRefused("name_taken", f"{said}; move them away")

    def _appear(self, files: list[_File]) -> None:
        """Write the files aside, then rename them. Those that are there already, byte for byte, are left alone."""
        written: list[tuple[Path, Path]] = []
        try:
            if any(_content(final) != data for final, data in files):
                for at, (final, data) in enumerate(files):
                    written.append((self._folders.aside / f"cdpoll-{at}.part", final))
                    self._write(written[-1][0], data)
            for temporary, final in written:
                temporary.rename(final)
        finally:
            for temporary, _ in written:
                with contextlib.suppress(OSError):
                    temporary.unlink()

    def _write(self, temporary: Path, data: bytes) -> None:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view) :]
            self._hand_over(fd)
            os.fsync(fd)
        finally:
            os.close(fd)

    def _hand_over(self, fd: int) -> None:
        folder = self._folders.path.stat()
        if folder.st_mode & stat.S_ISGID and os.fstat(fd).st_gid != folder.st_gid:
            try:
                os.fchown(fd, -1, folder.st_gid)
            except PermissionError:
                said = f"files for {self._folders.path} cannot be given to its group, gid {folder.st_gid}"
                raise _Trouble("denied", f"{said}; let {user_name(os.geteuid())} join that group") from None
        os.fchmod(fd, self._mode)


def trouble_with(folders: Folders) -> ReceiverDown | None:
    """What is wrong with the folders, as far as it can be seen; the folder aside is made if need be."""
    try:
        _prepare(folders)
    except _Trouble as trouble:
        return trouble.down
    except OSError as error:
        shut = obstacle(folders.path / "any", write=True) or obstacle(folders.aside / "any", write=True)
        said = _reason(error) if shut is None else f"{shut.words}; {shut.cure}"
        return ReceiverDown(_code(error), f"{folders.path} cannot be used: {said}")
    for folder in (folders.path, folders.aside):
        shut = read_only(folder) or obstacle(folder / "any", write=True)
        if shut is not None:
            code = "read_only" if shut.words.endswith("read-only") else "denied"
            return ReceiverDown(code, f"no file can be made in {folder}: {shut.words}; {shut.cure}")
    return None


def _prepare(folders: Folders) -> None:
    """Raises _Trouble for what is wrong in any case."""
    path, aside = folders.path, folders.aside
    if not path.is_dir():
        raise _Trouble("missing", f"there is no folder {path}; make it, or write another path")
    try:
        aside.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        said = f"the folder {aside} cannot be made ({_reason(error)})"
        raise _Trouble(_code(error), f"{said}; make it for {user_name(os.geteuid())}, or write another aside") from None
    if aside.stat().st_dev != path.stat().st_dev:
        said = f"{aside} is on another file system than {path}, so files cannot be renamed from one to the other"
        raise _Trouble("other_file_system", f"{said}; write an aside on the same one")


def _is_free(files: list[_File], letter: Letter) -> bool:
    """Whether these names are free, or their files are of this result, from an earlier attempt."""
    json_file, _ = files[-1]
    if os.path.lexists(json_file):
        return _holds(json_file, letter)
    # 271s alone: of an attempt that was cut short, or left behind by a reader that takes the JSON files only.
    return all(_content(file) == data for file, data in files if os.path.lexists(file))


def _holds(file: Path, letter: Letter) -> bool:
    """Whether the result in a file is this one. Other databases, and one that was restored, give its number, too, but
    at another instant."""
    content = _content(file)
    try:
        told = json.loads(content) if content is not None else None
    except ValueError:
        return False
    own = json.loads(letter.thin)
    return isinstance(told, dict) and all(told.get(key) == own.get(key) for key in ("seq", "visible_at"))


def _content(file: Path) -> bytes | None:
    try:
        if file.is_symlink():
            return None
        with open_regular(file) as opened:
            return opened.read()
    except OSError:
        return None  # of another, then: it is not ours to replace


def _code(error: OSError) -> str:
    return _CODES.get(error.errno or 0, "failed")


def _reason(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()
