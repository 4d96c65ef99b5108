"""When the vendor's list is asked for a lookup, and what came of that. All but the readers inside a transaction."""

from typing import NamedTuple

from worker.core.lookups import next_search
from worker.store.db.store import Store

# Lookups of one correlation id that are settled at once; the others are due again.
MOST_ROWS = 200

_DUE = "due_at <= :now AND (leased_until IS NULL OR leased_until <= :now)"


class Search(NamedTuple):
    """What is to be asked for. ``recorded_at`` is that of its oldest lookup (ms), ``failures`` the most of any."""

    correlation_id: str
    recorded_at: int
    failures: int


def next_due(store: Store) -> int | None:
    """When the list is next to be asked for a lookup, ms; ``None``: for none."""
    row = store.one("SELECT min(due_at) AS at FROM lookups WHERE due_at IS NOT NULL")
    return None if row is None else row["at"]


def is_due(store: Store, now: int) -> bool:
    """Whether a lookup is due that no one searches for."""
    return bool(store.read(f"SELECT 1 FROM lookups WHERE {_DUE} LIMIT 1", {"now": now}))  # noqa: S608 - constants


def claim(store: Store, now: int, leased_until: int) -> Search | None:
    """The search that has been due for longest, leased with all lookups of its correlation id."""
    oldest = store.one(
        f"SELECT correlation_id FROM lookups WHERE {_DUE} ORDER BY due_at, seq LIMIT 1",  # noqa: S608 - constants
        {"now": now},
    )
    if oldest is None:
        return None
    about = {"correlation_id": oldest["correlation_id"]}
    store.execute(
        """
        UPDATE lookups SET leased_until = :leased_until WHERE correlation_id = :correlation_id AND due_at IS NOT NULL
        """,
        about | {"leased_until": leased_until},
    )
    told = store.read(
        """
        SELECT min(recorded_at) AS recorded_at, max(failures) AS failures FROM lookups
        WHERE correlation_id = :correlation_id AND due_at IS NOT NULL
        """,
        about,
    )[0]
    return Search(oldest["correlation_id"], told["recorded_at"], told["failures"])


def listed(store: Store, search: Search) -> None:
    """The list has shown discoveries of the request, and they are recorded: it is not asked again."""
    store.execute(
        """
        UPDATE lookups SET due_at = NULL, leased_until = NULL, searches = searches + 1, failures = 0
        WHERE correlation_id = :correlation_id AND due_at IS NOT NULL
        """,
        {"correlation_id": search.correlation_id},
    )


def not_listed(store: Store, search: Search, now: int, lookup_for: int) -> None:
    """The list has shown none. A lookup that is older than ``lookup_for`` (ms) has expired, if it is not found."""
    rows = store.read(
        """
        SELECT seq, state, searches, recorded_at FROM lookups
        WHERE correlation_id = :correlation_id AND due_at IS NOT NULL ORDER BY seq LIMIT :most
        """,
        {"correlation_id": search.correlation_id, "most": MOST_ROWS},
    )
    for row in rows:
        over = now - row["recorded_at"] >= lookup_for
        expired = over and row["state"] == "searching"
        store.execute(
            """
            UPDATE lookups SET state = :state, due_at = :due_at, leased_until = NULL, searches = searches + 1,
                failures = 0, ended_at = CASE WHEN :expired = 1 THEN :now ELSE ended_at END,
                last_error = CASE WHEN state = 'searching' THEN NULL ELSE last_error END
            WHERE seq = :seq
            """,
            {
                "seq": row["seq"],
                "state": "expired" if expired else row["state"],
                "due_at": None if over else next_search(row["searches"] + 1, now),
                "expired": int(expired),
                "now": now,
            },
        )


def failed(store: Store, search: Search, code: str, due_at: int) -> None:
    """The list gave no usable answer: it is asked again at ``due_at``. What is found stays so."""
    store.execute(
        """
        UPDATE lookups SET due_at = :due_at, leased_until = NULL, failures = failures + 1,
            last_error = CASE WHEN state = 'searching' THEN :code ELSE last_error END
        WHERE correlation_id = :correlation_id AND due_at IS NOT NULL
        """,
        {"correlation_id": search.correlation_id, "code": code, "due_at": due_at},
    )
