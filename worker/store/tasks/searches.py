"""When the vendor's list is asked for a lookup, and what came of that. All but the readers inside a transaction."""

from typing import NamedTuple

from worker.core.lookups import next_search
from worker.store.db.store import Store
from worker.store.tasks.lookups import DOUBTFUL

# Lookups of one correlation id that are settled at once; the others are due again.
MOST_ROWS = 200

# Further ahead than any wait or lease is a time from before the clock was set back.
FAR_MS = 2 * 86_400_000

_DUE = "(due_at <= :now OR due_at > :far) AND (leased_until IS NULL OR leased_until <= :now OR leased_until > :far)"


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
    return bool(store.read(f"SELECT 1 FROM lookups WHERE {_DUE} LIMIT 1", _at(now)))  # noqa: S608 - constants


def _at(now: int) -> dict[str, int]:
    return {"now": now, "far": now + FAR_MS}


def claim(store: Store, now: int, leased_until: int) -> Search | None:
    """The search that has been due for longest, leased with all lookups of its correlation id."""
    oldest = store.one(
        f"SELECT correlation_id FROM lookups WHERE {_DUE} ORDER BY due_at, seq LIMIT 1",  # noqa: S608 - constants
        _at(now),
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


def listed(store: Store, search: Search, now: int) -> None:
    """The list has shown discoveries of the request, and they are recorded: it is not asked again.

    What is still searched then was recorded with another correlation id: whose it is, is not sure.
    """
    store.execute(
        """
        UPDATE lookups SET due_at = NULL, leased_until = NULL, searches = searches + 1, failures = 0,
            state = CASE WHEN state = 'searching' THEN 'found' ELSE state END,
            last_error = CASE WHEN state = 'searching' THEN :doubtful ELSE last_error END,
            ended_at = coalesce(ended_at, :now)
        WHERE correlation_id = :correlation_id AND due_at IS NOT NULL
        """,
        {"correlation_id": search.correlation_id, "doubtful": DOUBTFUL, "now": now},
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


def shift(store: Store, by: int) -> None:
    """The clock jumped by ``by`` ms: keep what each has left of its time, and shift due times where it was set back."""
    store.execute(
        """
        UPDATE lookups SET recorded_at = recorded_at + CAST(:by AS BIGINT),
            due_at = due_at + CAST(:back AS BIGINT), leased_until = leased_until + CAST(:back AS BIGINT)
        WHERE due_at IS NOT NULL
        """,
        {"by": by, "back": min(by, 0)},
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
