"""What came of pings and of the command of ``[alert]``, and of which problems the command was told.

Each daemon pings for itself. The command is started by one process at a time, of all hosts.
"""

from typing import Any, Literal, NamedTuple

from worker.store.db.store import Store
from worker.store.state import meta

_BEGUN = "alerts_begun"

Means = Literal["ping", "command"]


class Attempts(NamedTuple):
    """``at``: the last one that went well; ``failing_since``, ``failure``: since when they fail, and why. ms."""

    at: int | None = None
    failing_since: int | None = None
    failure: str | None = None

    def after(self, failure: str | None, now: int) -> "Attempts":
        """With one more, which went well, or failed for ``failure``."""
        if failure is None:
            return Attempts(now)
        return Attempts(self.at, now if self.failing_since is None else self.failing_since, failure)


def attempts(store: Store, means: Means) -> Attempts:
    """Nothing where none was made, or the row was damaged."""
    try:
        return Attempts(**meta.get(store, _key(store, means)))
    except TypeError:
        return Attempts()


def put_attempts(store: Store, means: Means, found: Attempts) -> None:
    """Inside a transaction."""
    meta.put(store, _key(store, means), found._asdict())


def _key(store: Store, means: Means) -> str:
    return f"alert_ping:{store.daemon}" if means == "ping" else "alert_command"


def begun(store: Store) -> dict[str, dict[str, Any]]:
    """By code, what the command was told of the problems of whose end it does not know."""
    return {code: one for code, one in meta.get(store, _BEGUN).items() if isinstance(one, dict)}


def put_begun(store: Store, found: dict[str, dict[str, Any]]) -> None:
    """Inside a transaction."""
    meta.put(store, _BEGUN, found)
