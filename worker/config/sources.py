"""Finds the configuration: one main file, the ``conf.d`` beside it, and the environment."""

import errno
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from worker.config.ini import Entry, parse
from worker.config.mistakes import BUILT_IN, Mistake, Place
from worker.files import open_regular
from worker.ownership import obstacle

PREFIX = "CDPOLL_"
#: Variables that begin with the prefix and are no keys.
NOT_KEYS = frozenset({"CDPOLL_CONFIG", "CDPOLL_DEBUG"})
_LARGEST_BYTES = 1_048_576


@dataclass(slots=True)
class Sources:
    """All that was written anywhere, in the order in which later overrides earlier.

    ``unread`` are the files (and the folder ``conf.d``) of which nothing could be read; ``denied`` is the usual place
    that this user may not look at, where there is one. ``stray`` holds the settings under no section, or under one
    whose heading cannot be read.
    """

    main: Path | None = None
    files: list[Path] = field(default_factory=list)
    headings: list[tuple[str, Place]] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    mistakes: list[Mistake] = field(default_factory=list)
    unread: set[Path] = field(default_factory=set)
    denied: Path | None = None
    stray: list[tuple[str, Place]] = field(default_factory=list)


def standard_places(environ: Mapping[str, str]) -> list[Path]:
    """Where a file is looked for when none is named: the user's folder, then the machine's.

    ``XDG_CONFIG_HOME`` means what the XDG base directory specification says: ``~/.config`` where it is not set, and
    a relative one is ignored.
    """
    home = environ.get("HOME", "")
    bases = [environ.get("XDG_CONFIG_HOME") or (f"{home}/.config" if home else "")]
    return [Path(base, "cdpoll", "cdpoll.ini") for base in bases if base.startswith("/")] + [
        Path("/etc/cdpoll/cdpoll.ini")
    ]


def gather(
    explicit: str | None,
    environ: Mapping[str, str],
    variables_of: "Callable[[Sources], Mapping[str, tuple[str, str]]]",
) -> Sources:
    """Read every source. ``variables_of`` maps, once the files are read, each known variable to its (section, key)."""
    sources = Sources()
    searched = _find(explicit, environ, sources)
    if sources.main is not None:
        _read(sources.main, sources)
        for path in _fragments(sources.main.parent / "conf.d", sources):
            _read(path, sources)
    variables = variables_of(sources)
    for name, value in sorted(environ.items()):
        # An empty variable counts as not set: service managers and compose files pass them on.
        if name in variables and value.strip():
            section, key = variables[name]
            place = Place(variable=name)
            sources.headings.append((section, place))
            sources.entries.append(Entry(section, key, value.strip(), place))
    if sources.main is None and not sources.entries:
        what, cure = "no configuration", "write one, or put back the one that was there"
        if sources.denied is not None and (found := obstacle(sources.denied, write=False)):
            what, cure = "no configuration that this user may read", f"{found.words}: {found.cure}"
        message = f"{what}: looked at {', then '.join(searched)}; {cure}"
        sources.mistakes.append(Mistake(BUILT_IN, None, None, message))
    return sources


def _find(explicit: str | None, environ: Mapping[str, str], sources: Sources) -> list[str]:
    """Set the main file; return the places searched, in words. A file that was named must be there."""
    named = explicit if explicit is not None else environ.get("CDPOLL_CONFIG") or None
    if named is not None:
        sources.main = Path(named).absolute()
        return [str(sources.main)]
    searched = []
    for path in standard_places(environ):
        try:
            path.stat()
        except OSError as error:
            missing = isinstance(error, FileNotFoundError | NotADirectoryError)
            searched.append(str(path) if missing else f"{path} ({error.strerror})")
            if isinstance(error, PermissionError):
                sources.denied = path  # the last one is the machine's
        else:
            sources.main = path
            break
    return searched


def _fragments(folder: Path, sources: Sources) -> list[Path]:
    try:
        paths = sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        sources.unread.add(folder)
        sources.mistakes.append(_unreadable(folder, error))
        return []
    return [path for path in paths if path.suffix == ".ini" and not path.name.startswith(".")]


def _read(path: Path, sources: Sources) -> None:
    try:
        with open_regular(path) as file:
            private = os.fstat(file.fileno()).st_mode & 0o077 == 0
            data = file.read(_LARGEST_BYTES + 1)
    except OSError as error:
        sources.unread.add(path)
        sources.mistakes.append(_unreadable(path, error))
        return
    sources.files.append(path)
    if len(data) > _LARGEST_BYTES:
        sources.unread.add(path)
        sources.mistakes.append(Mistake(Place(path), None, None, "larger than 1 MiB; is it the right file?"))
        return
    ini = parse(data, path, private)
    if not ini.text:
        sources.unread.add(path)
    sources.headings += ini.headings
    sources.entries += ini.entries
    sources.mistakes += ini.mistakes
    sources.stray += ini.stray


def _unreadable(path: Path, error: OSError) -> Mistake:
    reason = (error.strerror or type(error).__name__).lower()
    cure = "put it there, or name another" if isinstance(error, FileNotFoundError) else "let this user read it"
    if isinstance(error, PermissionError) and (found := obstacle(path, write=False)):
        cure = f"{found.words}: {found.cure}"
    if isinstance(error, IsADirectoryError) or error.errno == errno.EINVAL:
        cure = "name the file itself"
    return Mistake(Place(path), None, None, f"cannot be read ({reason}); {cure}")
