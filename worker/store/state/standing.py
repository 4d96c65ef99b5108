"""The problems that stand, as the daemon last found them, and which of them a person has acknowledged."""

from collections.abc import Mapping

from worker.core.standing import Standing
from worker.store.db.store import Store
from worker.store.state import acts


def standing(store: Store) -> dict[str, Standing]:
    """All rows by code."""
    rows = store.read(
        "SELECT code, began_at, n, ended_at, told, acked_n, acked_by, acked_at FROM problems ORDER BY code"
    )
    return {row["code"]: Standing(**{key: row[key] for key in row.keys()}) for row in rows}  # noqa: SIM118


def keep(store: Store, rows: Mapping[str, Standing]) -> None:
    """Write what stands now in place of what stood; inside a transaction."""
    before = standing(store)
    for code in before.keys() - rows.keys():
        store.execute("DELETE FROM problems WHERE code = :code", {"code": code})
    for code, row in rows.items():
        if before.get(code) != row:
            _put(store, row)


def _put(store: Store, row: Standing) -> None:
    store.execute(
        """
        INSERT INTO problems (code, began_at, n, ended_at, told, acked_n, acked_by, acked_at)
        VALUES (:code, :began_at, :n, :ended_at, :told, :acked_n, :acked_by, :acked_at)
        ON CONFLICT (code) DO UPDATE SET began_at = :began_at, n = :n, ended_at = :ended_at, told = :told,
            acked_n = :acked_n, acked_by = :acked_by, acked_at = :acked_at
        """,
        row._asdict(),
    )


def acknowledge(store: Store, code: str, count: int, who: str, now: int) -> None:
    """Hide the problem until it concerns more than ``count``; inside a transaction."""
    row = standing(store).get(code) or Standing(code, now, count)
    _put(store, row._replace(n=count, told=1, ended_at=None, acked_n=count, acked_by=who, acked_at=now))
    acts.note(store, who, "acknowledged", f"{code} ({count})", now)
