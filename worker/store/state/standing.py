"""The problems that stand, as the daemon last found them, and what people did by hand."""

from collections.abc import Callable, Mapping
from typing import Any

from worker.core.standing import Standing
from worker.store.db.store import Store

# Called with who and what, once for each act: a command hands it to the journal as well.
listeners: list[Callable[[str, str], None]] = []


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
    note_act_inside(store, who, f"acknowledged {code} ({count})", now)


def note_act(store: Store, who: str, act: str, now: int) -> None:
    """Note what a person did, without patient data. It is never changed nor removed."""
    with store.write():
        note_act_inside(store, who, act, now)


def note_act_inside(store: Store, who: str, act: str, now: int) -> None:
    """The same, inside a transaction."""
    store.execute("INSERT INTO acts (at, who, act) VALUES (:now, :who, :act)", {"now": now, "who": who, "act": act})
    for told in listeners:
        told(who, act)


def acts(store: Store, most_rows: int) -> list[dict[str, Any]]:
    """What people did, the newest first: ``at`` (ms), ``who`` and ``act``."""
    rows = store.read("SELECT at, who, act FROM acts ORDER BY seq DESC LIMIT :most", {"most": most_rows})
    return [{"at": row["at"], "who": row["who"], "act": row["act"]} for row in rows]
