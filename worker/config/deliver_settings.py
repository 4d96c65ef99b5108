"""The ways out as values; see worker/config/settings.py."""

from pathlib import Path
from typing import Literal, NamedTuple

from worker.config.secret import Secret


class DirectorySection(NamedTuple):
    """``[deliver.NAME] kind = directory``; ``name`` is that name.

    ``schedule_ms``: the waits between attempts. ``subtenant``: of whom results go out, ``None``: of all. ``outcomes``:
    some of ``success``, ``failure``, ``batch``. ``path`` and ``aside`` are absolute.
    """

    name: str
    kind: Literal["directory"]
    schedule_ms: tuple[int, ...]
    start: Literal["all", "new"]
    subtenant: tuple[str, ...] | None
    outcomes: tuple[str, ...]
    path: Path
    aside: Path
    name_template: str
    x12: bool
    mode: int


class WebhookSection(NamedTuple):
    """``[deliver.NAME] kind = webhook``; the first fields are those of :class:`DirectorySection`.

    ``previous_secret`` is false when nothing was configured; ``proxy`` is ``None`` then.
    """

    name: str
    kind: Literal["webhook"]
    schedule_ms: tuple[int, ...]
    start: Literal["all", "new"]
    subtenant: tuple[str, ...] | None
    outcomes: tuple[str, ...]
    url: Secret
    secret: Secret
    previous_secret: Secret
    payload: Literal["thin", "full"]
    timeout_ms: int
    ca_file: Path | None
    proxy: Secret | None


class CommandSection(NamedTuple):
    """``[deliver.NAME] kind = command``; the first fields are those of :class:`DirectorySection`.

    ``command``: the program, by its absolute path, and its arguments.
    """

    name: str
    kind: Literal["command"]
    schedule_ms: tuple[int, ...]
    start: Literal["all", "new"]
    subtenant: tuple[str, ...] | None
    outcomes: tuple[str, ...]
    command: tuple[str, ...]
    timeout_ms: int


WaySettings = DirectorySection | WebhookSection | CommandSection
