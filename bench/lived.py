"""A database as a year leaves it: tasks, nearly all of them concluded, with refs, history, results and numbers."""

import sqlite3
from contextlib import closing
from pathlib import Path

from bench.filling import far, fill

LIFE = Path(__file__).with_name("lived.sql")


def fill_lives(path: Path, count: int, now: int) -> None:
    """``count`` tasks, nine of ten of which are concluded, with one result each."""
    fill(path, count, now, lambda _n: far(now))
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.executescript(LIFE.read_text())
