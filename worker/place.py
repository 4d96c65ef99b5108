"""Where the database is: a file, or a PostgreSQL server. A value of the configuration, which the store opens."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple


class Server(NamedTuple):
    """A PostgreSQL server.

    ``url`` gives the connection string, with its password; ``shown`` is the same without any. ``daemon`` is the name
    under which this host's daemon is known there. ``prepare_threshold``: after how many runs a statement is prepared;
    ``None``: never, as behind a pooler that knows no prepared statements. ``tells_time``: its clock counts, and not
    that of this machine.
    """

    url: Callable[[], str]
    shown: str
    daemon: str
    prepare_threshold: int | None = 5
    tells_time: bool = True


class DatabasePlace(NamedTuple):
    """``path`` is the database file, or with a ``server`` the name beside which this host's own files lie: locks,
    batches that are being read, the beat. ``journal`` is auto, wal or truncate, of a file."""

    path: Path
    journal: str = "auto"
    server: Server | None = None

    @property
    def name(self) -> str:
        """For people."""
        return str(self.path) if self.server is None else self.server.shown
