"""Statements and values on their way to a PostgreSQL server and back, so that both are as with a file."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import AdaptersMap, Loader
from psycopg.types.numeric import Int8Dumper

from worker.store.db.store import Params

_NAMED = re.compile(r"(?<![:\w]):([a-z_]\w*)")


@lru_cache(maxsize=1024)
def spelled(sql: str) -> Any:
    """A statement with ``:name`` or ``?``, as psycopg has it. Its type asks for literals: no value stands in ours."""
    escaped = sql.replace("%", "%%")
    named = _NAMED.sub(r"%(\1)s", escaped)
    return named if named != escaped else escaped.replace("?", "%s")


def without_nul(params: Params) -> Params:
    """The server's texts have no NUL; U+FFFD stands for it."""
    if isinstance(params, Mapping):
        return {name: _shown(value) for name, value in params.items()}
    return [_shown(value) for value in params]


def _shown(value: Any) -> Any:
    return value.replace("\0", "\ufffd") if isinstance(value, str) else value


class ServerRow(tuple[Any, ...]):
    """A :class:`~worker.store.db.store.Row`: a value by its column's name, or its place."""

    names: Mapping[str, int]

    def __getitem__(self, key: Any, /) -> Any:
        return tuple.__getitem__(self, self.names[key] if isinstance(key, str) else key)

    def keys(self) -> Iterable[str]:
        return self.names


def server_rows(cursor: psycopg.Cursor[Any]) -> Callable[[Sequence[Any]], ServerRow]:
    """A row factory of psycopg's."""
    result = cursor.pgresult
    return _row_type(() if result is None else tuple(result.fname(place) for place in range(result.nfields)))


@lru_cache(maxsize=512)
def _row_type(names: tuple[bytes | None, ...]) -> type[ServerRow]:
    places = {name.decode(): place for place, name in enumerate(names) if name is not None}
    return type("NamedRow", (ServerRow,), {"names": places})


def last_row(cursor: psycopg.Cursor[ServerRow]) -> ServerRow:
    """Of several statements that were sent together: the row that the last one answers."""
    while cursor.nextset():
        pass
    row = cursor.fetchone()
    assert row is not None
    return row


class _FlagDumper(Int8Dumper):
    """True and false are 1 and 0 in all tables."""

    def dump(self, obj: Any) -> Buffer:
        return b"1" if obj else b"0"


class _FlagLoader(Loader):
    def load(self, data: Buffer) -> int:
        return int(bytes(data) == b"t")


class _NumberLoader(Loader):
    """A sum of whole numbers is numeric."""

    def load(self, data: Buffer) -> int | float:
        text = bytes(data)
        return float(text) if b"." in text else int(text)


def _adaptations() -> AdaptersMap:
    """Values go and come as with a file: whole numbers have 64 bits, and a condition is 1 or 0."""
    made = AdaptersMap(psycopg.adapters)
    made.register_dumper(int, Int8Dumper)
    made.register_dumper(bool, _FlagDumper)
    made.register_loader("bool", _FlagLoader)
    made.register_loader("numeric", _NumberLoader)
    return made


ADAPTED = _adaptations()
