"""How the rounds over the drop went, for `status`: one row of ``meta``, written after each round."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from worker.core.instant import iso_or_none
from worker.store.db.store import Store
from worker.store.state import logins, meta

_KEY = "sftp_rounds"
_LINKS_KEY = "sftp_links"

# A person is told when the last good round is more than this many times `every` ago.
STALE_AFTER_ROUNDS = 3

# A round with a server that is silent ends within this time.
LONG_ROUND_MS = 300_000


def begin(store: Store, now: int) -> None:
    """A round has begun. Inside a transaction."""
    meta.put(store, _KEY, {"since": now, **meta.get(store, _KEY), "began_at": now})


def note(store: Store, failure: str | None, now: int, *, absent: bool = False) -> None:
    """The round has ended; ``failure`` is the code of what ended it early. ``absent``: there was no folder, and that is
    an empty drop. Inside a transaction."""
    before = meta.get(store, _KEY)
    noted = {
        "since": before.get("since", now),
        "at": now,
        "good_at": now if failure is None else before.get("good_at"),
        "failure": failure,
        "absent": absent,
    }
    meta.put(store, _KEY, noted)


def plan(store: Store, next_at: int) -> None:
    """When the next round is wanted (ms), by what this host has met; inside a transaction."""
    noted = meta.get(store, _KEY)
    meta.put(store, _KEY, {**noted, "next_at": next_at, "daemon": store.daemon})


def planned(store: Store) -> int | None:
    """When the next round is wanted, where another host has made the last one, ms."""
    noted = meta.get(store, _KEY)
    return noted.get("next_at") if noted.get("daemon", store.daemon) != store.daemon else None


def note_links(store: Store, names: Sequence[str], now: int) -> None:
    """The latest listing has links of these names, and files beside them; inside a transaction."""
    if names:
        meta.put(store, _LINKS_KEY, {"names": list(names), "at": now})
    else:
        meta.forget(store, _LINKS_KEY)


def links(store: Store) -> tuple[list[str], int]:
    """The names of the links in the latest listing, as shown, and when it was."""
    noted = meta.get(store, _LINKS_KEY)
    return sorted(noted.get("names", [])), noted.get("at", 0)


def forget(store: Store) -> None:
    """The rounds are over another drop from now on; inside a transaction."""
    meta.forget(store, _KEY)
    meta.forget(store, _LINKS_KEY)
    logins.forget(store)


def picture(store: Store) -> dict[str, Any]:
    """The rounds, and the files of the drop: ``waiting`` are those to be fetched or read in, ``failed`` those that were
    not whole or could not be fetched, and are tried again."""
    noted = meta.get(store, _KEY)
    (row,) = store.read(
        """
        SELECT count(*) - count(error) AS waiting, count(error) AS failed FROM remote_files WHERE state <> 'done'
        """
    )
    return {
        "last_round_at": iso_or_none(noted.get("at")),
        "last_good_at": iso_or_none(noted.get("good_at")),
        "failure": noted.get("failure"),
        "absent": bool(noted.get("absent")),
        "waiting": row["waiting"],
        "failed": row["failed"],
    }


def ever_good(store: Store) -> bool:
    """Whether a round over this drop came to its end."""
    return meta.get(store, _KEY).get("good_at") is not None


class Silence(NamedTuple):
    """For how long there was no good round, and for how long the round under way lasts, ms."""

    lasting: int
    under_way: int | None


def silence(store: Store, every: int, started_at: int | None, now: int) -> Silence | None:
    """The silence, where it is too long. ``started_at`` is when the daemon was started, if it runs: before that there
    were no rounds. A round under way has some minutes: it ends by itself, and then tells what is wrong."""
    noted = meta.get(store, _KEY)
    since = max(noted.get("good_at") or noted.get("since") or 0, started_at or 0)
    if not since or now - since <= STALE_AFTER_ROUNDS * every:
        return None
    began_at = noted.get("began_at")
    if started_at is None or began_at is None or not started_at <= began_at <= now:
        return Silence(now - since, None)
    return None if now - began_at < LONG_ROUND_MS else Silence(now - since, now - began_at)


def last_good(store: Store) -> int | None:
    """When the last good round ended, or the first round, ms; ``None`` where there was none."""
    noted = meta.get(store, _KEY)
    return noted.get("good_at") or noted.get("since")


# What a person is told of a file that could not be fetched, by the code of the failure.
_REASONS = {
    "changing": "it keeps changing",
    "unsettled": "its size or time has kept changing for hours",
    "vanished": "the server lists it, but says that it is not there",
    "permission": "the server does not allow it",
    "refused": "the server refuses it",
    "timeout": "the server stays silent",
    "cut": "the server ends the connection",
    "disk_full": "our disk has no room for it",
    "too_large": "it is far larger than the server says",
    "link": "it is a link, and cdpoll follows none",
}


def reason_of(error: str) -> str:
    """What a person is told of a failure with this code."""
    return _REASONS.get(error, error)


# These are normal for once.
_PASSING = "'changing', 'vanished'"
_NAMED_FILES = 5
# A file whose size or time still changes so long after it was first listed is in trouble.
_UNSETTLED_MS = 6 * 3_600_000
_SHOWN_NAME_LETTERS = 100


class Troubled(NamedTuple):
    """How many files of the drop are in trouble of their own, and what is said of some of them."""

    files: int
    said: list[str]
    more: int


def troubled(store: Store) -> Troubled | None:
    """``None``: none is."""
    rows = store.read(
        f"""
        SELECT shown, coalesce(error, 'unsettled') AS error, state FROM remote_files
        WHERE (error IS NOT NULL AND error <> 'incomplete' AND error <> 'interrupted' AND state <> 'gone'
                AND (error NOT IN ({_PASSING}) OR attempts > 1))
            OR (error IS NULL AND state = 'seen' AND first_at > 0 AND seen_at - first_at > :unsettled)
        ORDER BY attempts DESC, name
        """,  # noqa: S608 - a constant
        {"unsettled": _UNSETTLED_MS},
    )
    found = [(row["shown"], row["error"], row["state"]) for row in rows]
    found += [(name, "link", "seen") for name in links(store)[0]]
    if not found:
        return None
    what = {"done": "moved or deleted"}
    said = [
        f"{name[:_SHOWN_NAME_LETTERS]} is not {what.get(state, 'fetched')}: {reason_of(error)}"
        for name, error, state in found[:_NAMED_FILES]
    ]
    return Troubled(len(found), said, max(0, len(found) - _NAMED_FILES))
