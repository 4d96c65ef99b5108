"""The move itself, step by step as the package says."""

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple, Protocol

from worker.core.errors import MovedAway, NotAllowed, StorageFailed, TryLater
from worker.store.batch.lock import no_batches
from worker.store.db.lock import DaemonLock, DeliverLock
from worker.store.db.sqlite import SqliteStore
from worker.store.db.store import Store
from worker.store.db.tables import Table, tables_of
from worker.store.moving.content import Counted, Page, Tally, count, pages, refuse_unfit
from worker.store.moving.sealing import seal
from worker.store.moving.target import PATIENCE_MS, NewPlace, refuse_taken
from worker.store.opening import SCHEMA_VERSION
from worker.store.schema import creation
from worker.store.state import acts, daemon, delivering
from worker.store.state.moves import Move, standing_of

TOKEN_BYTES = 16


class Watch(Protocol):
    """Is told how many rows there are to read, and how far it is."""

    def total(self, rows: int) -> None: ...

    def done(self, rows: int) -> None: ...


class MoveReport(NamedTuple):
    """By table what was copied. ``already``: the move had been made by an earlier call, which at most had not ended."""

    tables: dict[str, Counted]
    already: bool = False


def move(source: Store, target: NewPlace, by: str, now: int, watch: Watch) -> MoveReport:
    """Move it, or end what an earlier call has begun.

    Raises :class:`TryLater` where a process works on the database, :class:`BadData` where the target holds something
    else, :class:`MovedAway` where it was moved to another place before, :class:`StorageFailed` for a row that the
    target cannot hold.
    """
    tables = tables_that_move()
    earlier = standing_of(source).moved
    if earlier is not None:
        return _end(source, target, earlier, tables, watch)
    with _alone(source, now), _held(source):
        moved = Move(source.name, secrets.token_hex(TOKEN_BYTES), now)
        refuse_taken(target, target.look())
        # Before the rows are copied, so that both places have it.
        acts.note(source, by, "moved the database", f"{source.name} to {target.name}", now)
        watch.total(2 * sum(count(source, table) for table in tables))
        told = {table.name: Tally() for table in tables}

        def rows(table: Table) -> Iterator[Page]:
            return _watched(source, table, told[table.name], watch, to_server=target.to_server)

        target.fill(tables, rows, moved, SCHEMA_VERSION)
        counted = {name: tally.counted for name, tally in told.items()}
        with target.completing(), target.open() as store:
            _compare(counted, _counted(store, tables, watch))
        seal(source, tables, moved._replace(other=target.name))
    target.release()
    return MoveReport(counted)


def rehearse(source: Store, target: NewPlace, now: int, watch: Watch) -> MoveReport:
    """Read every row, and see whether the target could take it; nothing is changed."""
    earlier = standing_of(source).moved
    if earlier is not None:
        raise MovedAway(source.name, f"was moved to {earlier.other}")
    tables = tables_that_move()
    with _alone(source, now), _held(source):
        refuse_taken(target, target.look())
        watch.total(sum(count(source, table) for table in tables))
        told = {table.name: Tally() for table in tables}
        for table in tables:
            for _ in _watched(source, table, told[table.name], watch, to_server=target.to_server):
                pass
    return MoveReport({name: tally.counted for name, tally in told.items()})


def _end(source: Store, target: NewPlace, earlier: Move, tables: list[Table], watch: Watch) -> MoveReport:
    """The old place was sealed by an earlier call. Neither place changes until the new one is released."""
    found = target.look()
    if found is None or found.moved is not None or earlier.other != target.name:
        raise MovedAway(source.name, f"was moved to {earlier.other}")
    if found.moving is None:
        return MoveReport({}, already=True)
    if found.moving.token != earlier.token:
        raise MovedAway(source.name, f"was moved to {earlier.other}")
    watch.total(2 * sum(count(source, table) for table in tables))
    counted = _counted(source, tables, watch)
    with target.open() as store:
        _compare(counted, _counted(store, tables, watch))
    target.release()
    return MoveReport(counted, already=True)


def _watched(store: Store, table: Table, tally: Tally, watch: Watch, *, to_server: bool) -> Iterator[Page]:
    """The pages of a table that can be moved, counted and hashed."""
    for page in pages(store, table):
        refuse_unfit(table, page, tally.rows, to_server=to_server)
        tally.add(page)
        yield page
        watch.done(len(page))


def _counted(store: Store, tables: list[Table], watch: Watch) -> dict[str, Counted]:
    found = {}
    for table in tables:
        tally = Tally()
        for page in pages(store, table):
            tally.add(page)
            watch.done(len(page))
        found[table.name] = tally.counted
    return found


def _compare(old: dict[str, Counted], new: dict[str, Counted]) -> None:
    for name, counted in old.items():
        if new[name] != counted:
            raise StorageFailed(
                f"table {name} was not copied as it is: {counted.rows} rows are {new[name].rows}, or read otherwise",
                "nothing was changed; report this, with the releases of SQLite and of the server",
            )


@contextmanager
def _alone(source: Store, now: int) -> Iterator[None]:
    """While no daemon, no delivery and no reading of a batch works on it, on any host."""
    with ExitStack() as stack:
        stack.callback(DaemonLock(source.path).release)
        stack.callback(DeliverLock(source.path).release)
        stack.enter_context(no_batches(source))
        if source.shared:
            _refuse_who_cannot_seal(source)
            _refuse_at_work(source, now)
        yield


@contextmanager
def _held(source: Store) -> Iterator[None]:
    """A transaction that holds the lock of all writers for as long as a move takes."""
    with source.write():
        if source.shared:
            source.execute(f"SET LOCAL idle_in_transaction_session_timeout = {PATIENCE_MS}")
        yield


def _refuse_who_cannot_seal(source: Store) -> None:
    """Raise :class:`NotAllowed` for a user of the server who does not own the tables, before all is copied."""
    owner = "SELECT relowner FROM pg_class WHERE oid = CAST('tasks' AS regclass)"
    row = source.one(f"SELECT pg_has_role(({owner}), 'USAGE') AS may")
    if row is None or not row["may"]:
        raise NotAllowed(
            f"{source.name}: its tables are another user's", "move it as their owner, as docs/moving.md says"
        )


def _refuse_at_work(source: Store, now: int) -> None:
    """Raise :class:`TryLater` where a process of another host lives, or holds a lease."""
    names = {one.name for one in daemon.listed(source) if one.lives(now)}
    deliver = delivering.get(source)
    if deliver is not None and deliver.alive(now):
        names.add(deliver.daemon or "")
    rows = source.read("SELECT holder FROM leases WHERE until_at > :now", {"now": now})
    names.update(row["holder"].rpartition("/")[0] for row in rows)
    others = sorted(names - {source.daemon, ""})  # of this host, the locks have told
    if others:
        raise TryLater(
            f"{', '.join(others)} works on {source.name}",
            "stop all daemons and `cdpoll deliver` first, as `cdpoll status` names them; one that has died is forgotten"
            " after 90 s",
        )


def tables_that_move() -> list[Table]:
    """All tables, from a database in memory that is made for that."""
    with SqliteStore(":memory:", lone=True) as store:
        creation.build(store, SCHEMA_VERSION)
        return tables_of(store)
