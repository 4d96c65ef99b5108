"""The old place refuses every write, whoever has it open: triggers say so, and where the data is now."""

from collections.abc import Iterable

from worker.store.db.failures import MOVED_SAYS
from worker.store.db.store import Store
from worker.store.db.tables import Table
from worker.store.state import meta
from worker.store.state.moves import MOVED, Move

_CHANGES = ("INSERT", "UPDATE", "DELETE")


def seal(store: Store, tables: Iterable[Table], move: Move) -> None:
    """Inside the transaction that ends the move."""
    meta.put(store, MOVED, move._asdict())
    said = _quoted(f"was moved to {move.other}")
    if store.shared:
        _make_function(store)
    for table in tables:
        if store.shared:
            store.conn.execute(
                f"CREATE TRIGGER moved BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON {table.name}"
                f" EXECUTE FUNCTION refuse_moved({said})"
            )
            continue
        for change in _CHANGES:
            store.execute(
                f"CREATE TRIGGER moved_{table.name}_{change.lower()} BEFORE {change} ON {table.name}"
                f" BEGIN SELECT raise(ABORT, {_quoted(MOVED_SAYS)[:-1]}{said[1:]}); END"
            )


def unseal(store: Store) -> None:
    """Inside a transaction: let it be written to again."""
    if store.shared:
        store.execute("DROP FUNCTION refuse_moved CASCADE")  # and with it the triggers
    else:
        for row in store.read(
            "SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'moved\\_%' ESCAPE '\\'"
        ):
            store.execute(f"DROP TRIGGER {row['name']}")
    meta.forget(store, MOVED)


def _make_function(store: Store) -> None:
    from worker.store.db.server_failures import MOVED_SQLSTATE

    store.conn.execute(
        "CREATE FUNCTION refuse_moved() RETURNS trigger LANGUAGE plpgsql AS $$"
        f" BEGIN RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = '{MOVED_SQLSTATE}'; END $$"
    )


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
