"""Opens the database: sees that it is there, that it is the one that was here before, and that its schema is the
present one.

=====================  ======================  ==============================================================
the file               its marker              what is done
=====================  ======================  ==============================================================
none                   none                    made, with ``create``; else 74
none, empty, damaged   any                     74: restore a copy, or ``cdpoll db forget``. Nothing is written
whole                  the same identity       opened
whole                  another identity        74: another database was put there
whole                  none                    opened; the next transaction that is committed writes one
=====================  ======================  ==============================================================

It is the same with a database on a server, where this host has used it before.
"""

import os
from collections.abc import Callable
from pathlib import Path

from worker.core.errors import BadConfiguration, NewerSchema, NoDatabaseYet, StorageFailed, TryLater
from worker.place import DatabasePlace
from worker.store.db import marker
from worker.store.db.failures import RESTORE, translated
from worker.store.db.lock import DaemonLock, holder
from worker.store.db.sqlite import SqliteStore
from worker.store.db.store import Row, Store
from worker.store.state import moves

# In the file's user_version.
SCHEMA_VERSION = 30

# Databases below this were made by builds before the first release: nothing brings them up to date.
OLDEST_VERSION = 14

GONE = f"where it was moved, put it back; else {RESTORE}, or begin anew with `cdpoll db forget`"
FORGET = f"{RESTORE}, or begin anew with `cdpoll db forget`"
TAKE = "put the right one back, or take this one with `cdpoll db forget`"


def open_store(
    place: DatabasePlace | str | Path,
    journal: str = "auto",
    *,
    timeout: float = 15.0,
    create: bool = False,
    migrate: Callable[[], None] | None = None,
) -> Store:
    """The database at ``place``; ``journal`` is auto, wal or truncate, where ``place`` is a path.

    ``timeout``: seconds to wait for another process's lock before :class:`TryLater`. ``create``: make it where there
    never was one. ``migrate``: bring one of an earlier release up to date, and call this time and again meanwhile.
    Close the store, or use it as a context manager.

    Raises :class:`StorageFailed` when there is no database that can be used, :class:`NewerSchema` when a newer
    cdpoll wrote it. One of an earlier release that is not to be migrated is :class:`TryLater` for who may create one,
    else :class:`StorageFailed`; :class:`TryLater` as well where a daemon works on it.
    """
    if str(place) == ":memory:":
        return _in_memory()
    if isinstance(place, DatabasePlace):
        if place.server is not None:
            return _on_server(place, timeout, create=create, migrate=migrate)
        path, journal = place.path, place.journal
    else:
        path = Path(place)
    return _in_file(path, journal, timeout, create=create, migrate=migrate)


def _in_file(
    path: Path, journal: str, timeout: float, *, create: bool, migrate: Callable[[], None] | None
) -> SqliteStore:
    with translated(path):
        missing = not path.exists()
    if missing and create:
        # Imported here: most commands find a database.
        from worker.store.schema import creation

        creation.create(path, SCHEMA_VERSION, timeout)
    store = _opened(path, timeout)
    try:
        version = _known_version(store)
        moves.refuse(store, writes=create)
        _see_to_marker(store)
        if version < SCHEMA_VERSION:
            _bring_up(store, version, migrate, TryLater if create else StorageFailed)
        store.use_journal(journal)
    except BaseException:
        store.close()
        raise
    return store


def identity_of(store: Store) -> str:
    """The random value that tells this database, and its copies, from every other."""
    row = store.one("SELECT value FROM meta WHERE key = 'identity'")
    if row is None:
        raise StorageFailed(f"{store.name} has lost its identity", f"run `cdpoll db integrity`, and {RESTORE}")
    return str(row["value"])


def refuse_other_schema(store: Store) -> None:
    """Inside a transaction: raise :class:`NewerSchema` where the schema has changed since the store was opened.

    A process without the daemon's lock may go on for long after a newer cdpoll has brought the database up to date.
    """
    _refuse_other(store.name, store.version())


def _refuse_other(name: str, version: int) -> None:
    if version != SCHEMA_VERSION:
        raise NewerSchema(
            f"{name} has another schema now ({version}; this process knows {SCHEMA_VERSION})",
            "restart the service, so that it runs the cdpoll that is installed; if it does, install that version here",
        )


def needs_psycopg() -> None:
    """Raise :class:`BadConfiguration` where the driver of the server is missing."""
    try:
        import psycopg  # noqa: F401
    except ImportError:
        raise BadConfiguration(
            "[store] url needs psycopg, which is not installed",
            "add it, as by `make install EXTRA=postgres` (docs/install.md); or take url out: [store] path is then used",
        ) from None


def _on_server(place: DatabasePlace, timeout: float, *, create: bool, migrate: Callable[[], None] | None) -> Store:
    needs_psycopg()
    from worker.store.db.postgres import PostgresStore
    from worker.store.schema import server

    store = PostgresStore(place, timeout=timeout)
    try:
        marked = marker.remembered(store.marked)
        if store.version() == 0 and marked is None and create:
            server.create(store, SCHEMA_VERSION)
        version = store.version()
        if version == 0:
            if marked is not None:
                raise StorageFailed(f"{store.name} has no tables: the database that was there is lost", FORGET)
            raise NoDatabaseYet(
                f"{store.name}: no tables of cdpoll are there yet",
                "they are made by the first `cdpoll record` or `cdpoll run`; does [store] url name what they use?",
            )
        _refuse_unknown(store.name, version)
        identity = identity_of(store)
        if marked is not None and marked.identity not in (None, identity):
            raise StorageFailed(f"{store.name} is another database than the one that was used from this host", TAKE)
        moves.refuse(store, writes=create)
        if version < SCHEMA_VERSION:
            if migrate is None:
                raise _refusal(store.name, version, TryLater if create else StorageFailed)
            if server.bring_up(store, SCHEMA_VERSION, migrate):
                store.migrated_from = version
        if marked != (is_so := marker.Marked(identity, SCHEMA_VERSION)):
            store.after_commit = lambda: marker.remember(store.marked, is_so)
    except BaseException:
        store.close()
        raise

    def refuse_other(found: Row) -> None:
        """Another host may bring the tables up to date while this process works, or the database be made anew."""
        _refuse_other(store.name, int(found["schema"]))
        if found["identity"] != identity:
            raise StorageFailed(f"{store.name} is another database now than the one that this process has opened", TAKE)

    store.refuse_other = refuse_other
    return store


def _in_memory() -> SqliteStore:
    from worker.store.schema import creation

    store = SqliteStore(":memory:", lone=True)
    creation.build(store, SCHEMA_VERSION)
    return store


def _opened(path: Path, timeout: float) -> SqliteStore:
    with translated(path):
        try:
            return SqliteStore(path, timeout=timeout)
        except StorageFailed:
            if path.exists():
                raise
        if marker.read(Path(os.path.realpath(path))) is not None:
            raise StorageFailed(f"{path} is gone: there was a database, as its marker beside it says", GONE)
        raise NoDatabaseYet(
            f"{path}: no such database yet",
            "it is made by the first `cdpoll record` or `cdpoll run`; is [store] path the one they use?",
        )


def _known_version(store: SqliteStore) -> int:
    """The version of its schema, which can be read or brought up to date."""
    version = store.version()
    if version == 0:
        tables = store.read("SELECT name FROM sqlite_master")
        if tables:
            raise StorageFailed(
                f"{store.path} is a database of another program", "set [store] path to a file of cdpoll's own"
            )
        raise StorageFailed(f"{store.path} has no tables: the database that was here is lost", FORGET)
    _refuse_unknown(store.name, version)
    return version


def _refuse_unknown(name: str, version: int) -> None:
    """What is newer than this cdpoll, or too old for it."""
    if version > SCHEMA_VERSION:
        raise NewerSchema(
            f"{name} was written by a newer cdpoll (schema {version}; this one knows {SCHEMA_VERSION})",
            "install that version again, or restore the copy of the database made before the upgrade",
        )
    if version < OLDEST_VERSION:
        raise StorageFailed(
            f"{name} is from an early build of cdpoll (schema {version}), and cannot be read",
            "move it away and record its ids again; `cdpoll tasks --json` of that build lists them",
        )


def _refusal(name: str, version: int, kind: type[TryLater | StorageFailed]) -> TryLater | StorageFailed:
    return kind(
        f"{name} is of an earlier cdpoll (schema {version}; this one needs {SCHEMA_VERSION})",
        "run `cdpoll db migrate`, or start the daemon again: it does the same",
    )


def _bring_up(
    store: SqliteStore, version: int, migrate: Callable[[], None] | None, refusal: type[TryLater | StorageFailed]
) -> None:
    if migrate is None:
        busy = holder(store.file)
        if busy is not None:
            raise TryLater(
                f"{store.path} is of an earlier cdpoll (schema {version}); process {busy.pid} holds the daemon's lock",
                "it brings the database up to date: try again in a moment; or it is the daemon of before: restart it",
            )
        raise _refusal(store.name, version, refusal)
    # Imported here: sqlite_utils takes longer than a whole `record`, and is needed once per version.
    from worker.store.schema import migrations

    # A daemon of the version before would go on writing what it knows.
    lock = DaemonLock(store.path)

    def working() -> None:
        lock.still_working()
        migrate()

    try:
        if migrations.bring_up(store, SCHEMA_VERSION, working):
            store.migrated_from = version
    finally:
        lock.release()


def _see_to_marker(store: SqliteStore) -> None:
    with translated(store.path):
        found = marker.read(store.file)
    is_so = marker.Marked(identity_of(store), SCHEMA_VERSION)
    if found is not None and found.identity not in (None, is_so.identity):
        raise StorageFailed(
            f"{store.path} is another database than the one that was used here, as its marker beside it says",
            TAKE,
        )
    if found != is_so:
        store.after_commit = lambda: _mark(store, is_so)


def _mark(store: SqliteStore, marked: marker.Marked) -> None:
    # A process that was killed while it made the database has left a second name of it.
    store.file.with_name(store.file.name + ".new").unlink(missing_ok=True)
    if marker.read(store.file) != marked:
        marker.write(store.file, marked)
