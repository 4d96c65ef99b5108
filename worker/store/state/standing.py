"""The problems that stand, as they were last found, and which of them a person has acknowledged."""

from collections.abc import Iterable, Mapping

from worker.core.problems import Key
from worker.core.standing import Standing
from worker.store.db.store import Store
from worker.store.state import acts


def standing(store: Store) -> dict[Key, Standing]:
    """All rows, by code and daemon."""
    rows = store.read(
        "SELECT code, began_at, n, ended_at, told, acked_n, acked_by, acked_at, daemon FROM problems"
        " ORDER BY code, daemon"
    )
    found = [Standing(**{key: row[key] for key in row.keys()}) for row in rows]  # noqa: SIM118
    return {one.key: one for one in found}


def keep(store: Store, rows: Mapping[Key, Standing], among: Iterable[Key]) -> None:
    """Write what stands now in place of what stood ``among`` these; inside a transaction. Others stay as they are."""
    before = standing(store)
    for code, daemon in set(among) - rows.keys():
        store.execute("DELETE FROM problems WHERE code = :code AND daemon = :daemon", {"code": code, "daemon": daemon})
    for key, row in rows.items():
        if before.get(key) != row:
            _put(store, row)


def _put(store: Store, row: Standing) -> None:
    store.execute(
        """
        INSERT INTO problems (code, daemon, began_at, n, ended_at, told, acked_n, acked_by, acked_at)
        VALUES (:code, :daemon, :began_at, :n, :ended_at, :told, :acked_n, :acked_by, :acked_at)
        ON CONFLICT (code, daemon) DO UPDATE SET began_at = :began_at, n = :n, ended_at = :ended_at, told = :told,
            acked_n = :acked_n, acked_by = :acked_by, acked_at = :acked_at
        """,
        row._asdict(),
    )


def acknowledge(store: Store, key: Key, count: int, who: str, now: int) -> None:
    """Hide the problem until it concerns more than ``count``; inside a transaction."""
    code, daemon = key
    row = standing(store).get(key) or Standing(code, now, count, daemon=daemon)
    _put(store, row._replace(n=count, told=1, ended_at=None, acked_n=count, acked_by=who, acked_at=now))
    whose = f" of {daemon}" if daemon not in ("", store.daemon) else ""
    acts.note(store, who, "acknowledged", f"{code}{whose} ({count})", now)
