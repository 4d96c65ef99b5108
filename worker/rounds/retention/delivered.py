"""The folders into which `[deliver.NAME] kind = directory` puts results: what is old there goes, too.

Only what cdpoll has put there: a JSON file that is one of its results, and the 271s beside it.
"""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from worker.gateways.deliver.directory import UNFINISHED, Folders

_X12 = re.compile(r"(.+?)(?:\.[0-9]+)?\.x12")
_LARGEST_BYTES = 64 * 1024 * 1024
_HEAD_BYTES = 200


def old_delivered(folders: Sequence[Folders], before: int, failed: list[str]) -> list[Path]:
    """The files that are older than ``before`` (ms); ``failed`` gets a line for each folder that cannot be read."""
    found: list[Path] = []
    for one in folders:
        try:
            found += [file for file in _old(one.path, before) if _is_result(file) or _is_text(file)]
            found += [file for file in _old(one.aside, before) if UNFINISHED.fullmatch(file.name)]
        except OSError as error:
            failed.append(f"{one.path}: {error.strerror}")
    return found


def _old(folder: Path, before: int) -> Iterator[Path]:
    if folder.is_dir():
        for path in sorted(folder.iterdir()):
            if path.is_file() and not path.is_symlink() and path.stat().st_mtime_ns // 1_000_000 < before:
                yield path


def _is_result(path: Path) -> bool:
    if path.suffix != ".json" or path.stat().st_size > _LARGEST_BYTES:
        return False
    try:
        told = json.loads(path.read_bytes())
    except ValueError:
        return False
    return isinstance(told, dict) and isinstance(told.get("seq"), int) and told.get("kind") in ("task", "batch")


def _is_text(path: Path) -> bool:
    if not _X12.fullmatch(path.name):
        return False
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    return b"ST" in head and b"271" in head
