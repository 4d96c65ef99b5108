"""Which files of the drop still wait, and why, as the rows of the latest listing tell it. Reads only."""

from typing import Any

from worker.core.instant import about, iso, iso_or_none
from worker.core.problems import counted
from worker.store.batch.remote import RESTLESS_LISTINGS
from worker.store.db.store import Row, Store
from worker.store.state.drop import links, reason_of

Json = dict[str, Any]

_STEPS = {
    "fetching": "its fetch was begun",
    "fetched": "fetched, and to be read in by the next round",
    "gone": "it left the drop before it came whole, and is searched for",
}


def waiting_files(store: Store, now: int, settle_ms: int) -> list[Json]:
    """The files that are not read in, moved or deleted yet, as of the last round; those that came first, first. Links
    come last: they are never fetched."""
    rows = store.read(
        """
        SELECT shown, size, seen_at, state, attempts, next_at, error, retimed FROM remote_files
        WHERE state <> 'done' OR tidy = 1 ORDER BY seen_at, name
        """
    )
    return [
        {
            "name": row["shown"],
            "size": row["size"],
            "seen_at": iso(row["seen_at"]),
            "attempts": row["attempts"],
            "next_at": iso_or_none(row["next_at"] or None),
            "error": row["error"],
            "why": _why(row, now, settle_ms),
        }
        for row in rows
    ] + _links(store)


def _links(store: Store) -> list[Json]:
    names, at = links(store)
    none = {"size": None, "attempts": 0, "next_at": None}
    why = f"not fetched: {reason_of('link')}; have the file itself put there, or leave the name out with `exclude`"
    return [{"name": name, **none, "seen_at": iso(at), "error": "link", "why": why} for name in names]


def _why(row: Row, now: int, settle_ms: int) -> str:
    state, error = row["state"], row["error"]
    if state in _STEPS:
        return _STEPS[state]
    if error is None:
        if state == "seen" and 1 < row["retimed"] < RESTLESS_LISTINGS:
            more = counted(RESTLESS_LISTINGS - row["retimed"], "more listing")
            return f"not settled: its time is another one at each listing; fetched if its size stays for {more}"
        settled_at = row["seen_at"] + settle_ms
        if state == "seen" and settled_at > now and row["retimed"] < RESTLESS_LISTINGS:
            same = about(now - row["seen_at"])
            told = "size and time are" if row["size"] >= 0 else "time is"
            unsized = "" if row["size"] >= 0 else " (the server tells no size)"
            be = f"and {'have' if row['size'] >= 0 else 'has'} to be for {about(settle_ms)}"
            return f"not settled: its {told} the same for {same}, {be}{unsized}"
        return "to be fetched by the next round" if state == "seen" else "read in, and to be moved or deleted"
    what = {"incomplete": "it was cut short", "interrupted": "its fetch was interrupted"}.get(error) or reason_of(error)
    again = row["next_at"] - now
    when = f"tried again in {about(again)}" if again >= 1000 else "tried again by the next round"
    return f"{'read in, and not moved or deleted' if state == 'done' else 'not fetched'}: {what}; {when}"
