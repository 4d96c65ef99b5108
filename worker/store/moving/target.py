"""What a new place of the database is to the move, be it a file or a server."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol

from worker.core.errors import BadData
from worker.store.db.store import Store
from worker.store.db.tables import Table
from worker.store.moving.content import Page
from worker.store.state.moves import Move, Standing

# Within a transaction of a move, between two statements: the other place is read or written meanwhile.
PATIENCE_MS = 900_000

Rows = Callable[[Table], Iterator[Page]]


class NewPlace(Protocol):
    """``renames``: it keeps what was moved away from there under another name."""

    name: str
    to_server: bool
    renames: bool

    def open(self) -> Store: ...

    def look(self) -> Standing | None: ...

    def fill(self, tables: list[Table], rows: Rows, move: Move, version: int) -> None: ...

    def completing(self) -> AbstractContextManager[None]: ...

    def release(self) -> None: ...


def refuse_taken(target: NewPlace, found: Standing | None) -> Standing | None:
    """What is there, where it may be replaced. Raises :class:`BadData` where it may not."""
    if found is None or found.moving is not None or (found.moved is not None and target.renames):
        return found
    if found.moved is not None:
        raise BadData(
            f"{target.name} holds what was moved to {found.moved.other}",
            "a move replaces nothing: drop those tables, or name a database that is empty",
        )
    raise BadData(f"{target.name} holds this database already", "is it the one that [store] should name?")
