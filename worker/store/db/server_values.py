"""Statements and values on their way to a PostgreSQL server and back, so that both are as with a file."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, LiteralString, NamedTuple

import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import AdaptersMap, Loader
from psycopg.types.numeric import Int8Dumper

from worker.store.db.store import Params

_NAMED = re.compile(r"(?<![:\w]):([a-z_]\w*)")


class Statement(NamedTuple):
    """A statement as the server has it, with ``$1`` and so on. ``names``: whose values these are, in their order;
    none: those of a list."""

    text: LiteralString
    names: tuple[str, ...]


@lru_cache(maxsize=1024)
def spelled(sql: str) -> Statement:
    """A statement with ``:name`` or ``?``. psycopg's own marks would cost more: it reads through each text for them,
    and keeps what it found only of short ones."""
    places: dict[str, int] = {}
    text = _NAMED.sub(lambda found: f"${places.setdefault(found[1], len(places) + 1)}", sql)
    if not places:
        begin, *rest = sql.split("?")
        text = begin + "".join(f"${place}{part}" for place, part in enumerate(rest, 1))
    return Statement(text, tuple(places))


def asked(sql: str, params: Params) -> tuple[LiteralString, Sequence[Any]]:
    """A statement and its values, as psycopg's ``RawCursor`` takes them."""
    text, names = spelled(sql)
    return text, [params[name] for name in names] if isinstance(params, Mapping) else params


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
