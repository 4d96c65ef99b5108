"""Lists of tasks as people read them. Reads only, in short statements."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from worker.core.instant import iso, iso_or_none
from worker.store.db.store import Row, Store
from worker.store.state import api
from worker.store.tasks.verifying import FAILING, NOT_CONFIRMED
from worker.store.views.overdue import OVERDUE

Json = dict[str, Any]

PAGE_ROWS = 500


class Wanted(NamedTuple):
    """Which tasks a list shows; each ``None`` leaves none out.

    ``overdue_after``: those pending for longer than that many ms. ``failing``: pending ones whose last poll brought
    nothing usable, ``''`` for any reason, else for this one. ``ref``: those that have this key of the caller's.
    ``subtenant``: those that were recorded with this tag. ``unconfirmed``: those concluded by callbacks that the vendor
    does not confirm.
    """

    state: str | None = None
    overdue_after: int | None = None
    failing: str | None = None
    ref: str | None = None
    subtenant: str | None = None
    unconfirmed: bool | None = None

    def conditions(self) -> str:
        # Not `state = …`: by an index of it, all tasks of a state would be sorted anew for each page.
        wanted = {
            "coalesce(state, '') = :state": self.state,
            OVERDUE: self.overdue_after,
            "coalesce(state, '') = 'pending' AND last_error IS NOT NULL"
            " AND (:failing = '' OR last_error = :failing)": self.failing,
            "seq IN (SELECT task FROM refs WHERE ref = :ref)": self.ref,
            "subtenant = :subtenant": self.subtenant,
            f"({NOT_CONFIRMED}) OR ({FAILING})": self.unconfirmed,
        }
        return "".join(f" AND ({condition})" for condition, value in wanted.items() if value is not None)


def task_pages(store: Store, now: int, wanted: Wanted, limit: int | None = None) -> Iterator[list[Json]]:
    """Tasks, oldest first, in short pages: no cursor is held while they are printed. At most ``limit`` of them."""
    paused = api.get(store).breaker.paused_until_now(now)
    last, left = 0, limit
    while left is None or left > 0:
        rows = store.read(
            f"""
            SELECT seq, id, state, outcome, subtenant, recorded_at, due_at, concluded_at, abandoned_at, purged_at,
                polls, last_error, verified
            FROM tasks WHERE seq > :last{wanted.conditions()} ORDER BY seq LIMIT :page
            """,  # noqa: S608 - constants
            {
                "last": last,
                "state": wanted.state,
                "after": wanted.overdue_after,
                "failing": wanted.failing,
                "ref": wanted.ref,
                "subtenant": wanted.subtenant,
                "now": now,
                "paused": paused,
                "page": PAGE_ROWS if left is None else min(left, PAGE_ROWS),
            },
        )
        if not rows:
            return
        refs = refs_of(store, [row["seq"] for row in rows])
        yield [task_line(row, refs) for row in rows]
        last = rows[-1]["seq"]
        left = None if left is None else left - len(rows)


def task_line(row: Row, refs: Mapping[int, list[str]]) -> Json:
    """One task of a list; ``refs`` by row, as :func:`refs_of` has them."""
    return {
        "id": row["id"],
        "state": row["state"],
        "outcome": row["outcome"],
        "refs": refs.get(row["seq"], []),
        "subtenant": row["subtenant"],
        "recorded_at": iso(row["recorded_at"]),
        "due_at": iso_or_none(row["due_at"]),
        "concluded_at": iso_or_none(row["concluded_at"]),
        "abandoned_at": iso_or_none(row["abandoned_at"]),
        "purged_at": iso_or_none(row["purged_at"]),
        "polls": row["polls"],
        "last_error": row["last_error"],
        "verified": row["verified"],
    }


def refs_of(store: Store, seqs: Iterable[int]) -> dict[int, list[str]]:
    """By row, the caller's keys of these tasks."""
    refs: dict[int, list[str]] = {}
    listed = ",".join(map(str, seqs))
    for row in store.read(f"SELECT task, ref FROM refs WHERE task IN ({listed}) ORDER BY added_at, ref"):  # noqa: S608
        refs.setdefault(row["task"], []).append(row["ref"])
    return refs


def states(store: Store, ids: Iterable[str]) -> list[Json]:
    """Where these tasks stand."""
    found = []
    for task_id in ids:
        row = store.one("SELECT id, state, outcome, last_error, verified FROM tasks WHERE id = :id", {"id": task_id})
        found += [] if row is None else [dict(row)]
    return found


def ids_with_ref(store: Store, ref: str) -> list[str]:
    """The ids of the tasks that have this key of the caller's, in the order of recording."""
    rows = store.read(
        "SELECT id FROM tasks WHERE seq IN (SELECT task FROM refs WHERE ref = :ref) ORDER BY seq", {"ref": ref}
    )
    return [row["id"] for row in rows]


def ids_named(store: Store, name: str) -> list[str]:
    """The one id that is ``name``; else up to fifty that begin so."""
    exact = store.one("SELECT id FROM tasks WHERE id = :id", {"id": name})
    return ids_beginning(store, name) if exact is None else [exact["id"]]


def ids_beginning(store: Store, prefix: str) -> list[str]:
    """Up to fifty ids that begin so."""
    rows = store.read(
        "SELECT id FROM tasks WHERE id >= :low AND id < :high ORDER BY id LIMIT 50",
        {"low": prefix, "high": prefix + "\U0010ffff"},
    )
    return [row["id"] for row in rows]
