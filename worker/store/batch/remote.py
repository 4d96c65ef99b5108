"""What the drop held at the latest listing, and how far each of its files has come. A restart loses nothing of it.

====== ===============================================================================================================
seen     its size and time are known since ``seen_at``; to be fetched once that is long enough ago
fetching its bytes are on their way into the private folder of the host of ``daemon``
fetched  they are there, under ``local``, which is their SHA-256, and not read in yet
gone     it left the drop before it came whole, since ``seen_at``: the server may have moved it away when it was opened
done     read in, known, skipped or in quarantine: not fetched again unless its size or time changes, or its time says
         nothing and it is due to be read once more
====== ===============================================================================================================
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from worker.core.instant import FAR
from worker.store.db.store import Row, Store
from worker.store.state import drop as rounds

# An incomplete file, or one that cannot be fetched, is tried again after `every`, then twice that, up to six hours.
LONGEST_RETRY_MS = 6 * 3_600_000

# The code of a file that changed while it was fetched. Its row says so while its bytes are here to be read in, too.
CHANGED = "changing"

# Its fetch was begun and did not come to an end. (Of an incomplete file there are all the bytes that it had.)
_BEGUN = "error IS NOT NULL AND error <> 'incomplete'"

# Some servers tell a time that is another one at each listing. After this many in a row the time says nothing, and the
# file counts as settled: its size was the same all along, and it is taken once two readings bring the same bytes.
RESTLESS_LISTINGS = 10

# A file that is gone is searched for in the server's archive for this long.
SEARCHED_MS = 7 * 86_400_000


@dataclass(frozen=True, slots=True)
class DropFile:
    """One row. ``name`` is the server's; instants are ms."""

    name: bytes
    shown: str
    size: int
    mtime: int
    seen_at: int
    state: str
    local: str | None
    attempts: int
    next_at: int
    tidy: int
    error: str | None
    first_at: int
    retimed: int
    daemon: str | None

    @property
    def restless(self) -> bool:
        """Whether its time changes at each listing."""
        return self.retimed >= RESTLESS_LISTINGS


def bind(store: Store, drop: str) -> None:
    """Begin anew where the drop is another one than before: a name there is another file."""
    known = store.one("SELECT value FROM meta WHERE key = 'sftp_drop'")
    if known is not None and known["value"] == drop:
        return
    with store.write():
        store.execute("DELETE FROM remote_files WHERE state <> 'fetched'")
        # What is still to be read in has its bytes here; a file of its name in this drop is not the one they came from.
        store.execute("UPDATE remote_files SET mtime = -1")
        rounds.forget(store)
        store.execute(
            "INSERT INTO meta (key, value) VALUES ('sftp_drop', :drop) ON CONFLICT (key) DO UPDATE SET value = :drop",
            {"drop": drop},
        )


def note_listing(
    store: Store, listed: Iterable[tuple[bytes, str, int, int]], now: int, links: Sequence[str] = ()
) -> None:
    """Note what a listing shows, as (name, shown, size, mtime). What is not in it any more is forgotten, unless it was
    to be fetched once more: then it is ``gone``. ``links`` are the names, as shown, of links that are left alone."""
    present = set()
    with store.write():
        rounds.note_links(store, links, now)
        # What lies in the future was noted before the clock was set back.
        store.execute(
            """
            UPDATE remote_files SET seen_at = CASE WHEN seen_at > :now THEN :now ELSE seen_at END,
                next_at = CASE WHEN next_at > :latest AND (state <> 'done' OR tidy = 1) THEN :now ELSE next_at END
            """,
            {"now": now, "latest": now + LONGEST_RETRY_MS},
        )
        for name, shown, size, mtime in listed:
            present.add(name)
            entry = {"name": name, "shown": shown, "size": size, "mtime": mtime}
            # The same size and time: nothing changes, and the time of the first listing that showed them stays.
            store.execute(
                """
                INSERT INTO remote_files AS was (name, shown, size, mtime, seen_at, state, first_at)
                VALUES (:name, :shown, :size, :mtime, :now, 'seen', :now)
                ON CONFLICT (name) DO UPDATE SET size = :size, mtime = :mtime, seen_at = :now, state = 'seen',
                    attempts = 0, next_at = 0, tidy = 0, error = NULL,
                    first_at = CASE WHEN was.state = 'seen' THEN was.first_at ELSE :now END,
                    retimed = CASE WHEN was.state = 'seen' AND was.size = :size THEN was.retimed + 1 ELSE 0 END
                WHERE (was.size <> :size OR (was.mtime <> :mtime AND was.retimed < :restless) OR was.state = 'gone')
                    AND was.state <> 'fetched'
                """,
                {**entry, "now": now, "restless": RESTLESS_LISTINGS},
            )
        for row in store.read(
            f"SELECT name, state = 'seen' AND {_BEGUN} AS begun FROM remote_files WHERE state IN ('seen', 'done')"  # noqa: S608
        ):
            if row["name"] in present:
                continue
            if row["begun"]:
                store.execute(
                    "UPDATE remote_files SET state = 'gone', attempts = 0, seen_at = :now WHERE name = :name",
                    {"now": now, "name": row["name"]},
                )
            else:
                store.execute("DELETE FROM remote_files WHERE name = :name", {"name": row["name"]})
        store.execute(
            "DELETE FROM remote_files WHERE state = 'gone' AND :now - seen_at > :searched",
            {"now": now, "searched": SEARCHED_MS},
        )


def emptied(store: Store) -> bool:
    """Whether this drop was listed before, and no file of it was still to be fetched then."""
    row = store.one("SELECT count(*) AS n FROM remote_files WHERE state = 'seen' OR state = 'fetching'")
    return rounds.ever_good(store) and row is not None and row["n"] == 0


def any_noted(store: Store) -> bool:
    """Whether the latest listing had files that stayed there when they were dealt with."""
    return store.one("SELECT 1 FROM remote_files WHERE state = 'done' LIMIT 1") is not None


def hidden(store: Store, listed: Iterable[tuple[bytes, str, int, int]]) -> list[DropFile]:
    """The files that were begun to be fetched and did not come whole, where the listing has another size or time under
    their name: what is there now may be another file, and :func:`note_listing` would forget them."""
    there = {name: (size, mtime) for name, _, size, mtime in listed}
    begun = _rows(store, f"WHERE state = 'gone' OR (state = 'seen' AND {_BEGUN}) ORDER BY name", {})
    return [
        one
        for one in begun
        if one.name in there and there[one.name] != (one.size, there[one.name][1] if one.restless else one.mtime)
    ]


def settled(store: Store, before: int, now: int, *, at_once: bool = False) -> list[DropFile]:
    """The files to fetch: of one size and time since ``before`` at the latest, or restless; and those that are to be
    read once more now. ``at_once``: also those that wait for their next attempt."""
    return _rows(
        store,
        # Those that failed before come last: a server that is slow to refuse them holds up no other.
        """
        WHERE (state = 'seen' AND (seen_at <= :before OR retimed >= :restless) AND next_at <= :latest)
            OR (state = 'done' AND tidy = 0 AND next_at BETWEEN 1 AND :now)
        ORDER BY attempts, mtime, name
        """,
        {"before": before, "now": now, "latest": FAR if at_once else now, "restless": RESTLESS_LISTINGS},
    )


def unsettled(store: Store, before: int) -> list[DropFile]:
    """The files of which size or time changed, or that appeared, after ``before``."""
    where = "WHERE state = 'seen' AND seen_at > :before AND retimed < :restless ORDER BY name"
    return _rows(store, where, {"before": before, "restless": RESTLESS_LISTINGS})


def on_its_way(store: Store) -> list[DropFile]:
    """The files whose fetch to this host was begun, by name."""
    where = "WHERE state = 'fetching' AND (daemon = :daemon OR daemon IS NULL) ORDER BY name"
    return _rows(store, where, {"daemon": store.daemon})


def in_state(store: Store, state: str) -> list[DropFile]:
    """The files that have come this far (see the table above), by name."""
    return _rows(store, "WHERE state = :state ORDER BY name", {"state": state})


def untidy(store: Store, now: int) -> list[DropFile]:
    """The files that are stored, and still to be moved or deleted on the server. One that was incomplete never is: no
    count can prove that its later copy is whole."""
    where = "WHERE state = 'done' AND tidy = 1 AND was_incomplete = 0 AND next_at <= :now ORDER BY attempts, name"
    return _rows(store, where, {"now": now})


def next_wanted(store: Store, settle: int) -> int | None:
    """When the next file is to be fetched, ms."""
    row = store.one(
        """
        SELECT min(CASE WHEN retimed < :restless AND seen_at + :settle > next_at THEN seen_at + :settle
            ELSE next_at END) AS at
        FROM remote_files WHERE state = 'seen'
        """,
        {"settle": settle, "restless": RESTLESS_LISTINGS},
    )
    return None if row is None else row["at"]


def _rows(store: Store, where: str, params: dict[str, object]) -> list[DropFile]:
    columns = ", ".join(DropFile.__slots__)
    return [_remote(row) for row in store.read(f"SELECT {columns} FROM remote_files {where}", params)]  # noqa: S608


def _remote(row: Row) -> DropFile:
    return DropFile(**{key: row[key] for key in row.keys()})  # noqa: SIM118 - iterating a Row yields its values


def move_on(
    store: Store, one: DropFile, state: str, local: str | None = None, *, tidy: bool = False, error: str | None = None
) -> None:
    """The file has come this far."""
    with store.write():
        store.execute(
            """
            UPDATE remote_files SET state = :state, local = :local, tidy = :tidy, error = :error, daemon = :daemon
            WHERE name = :name
            """,
            {
                "state": state,
                "local": local,
                "tidy": int(tidy),
                "error": error,
                "daemon": store.daemon if state in ("fetching", "fetched") else None,
                "name": one.name,
            },
        )


def done(store: Store, one: DropFile, *, tidy: bool, again_at: int) -> None:
    """The file is read in. ``tidy``: it is still to be moved or deleted; else it is read again at ``again_at`` (ms),
    if that is not 0."""
    with store.write():
        store.execute(
            """
            UPDATE remote_files SET state = 'done', local = NULL, tidy = :tidy, error = NULL, attempts = 0,
                next_at = :again_at
            WHERE name = :name
            """,
            {"tidy": int(tidy), "again_at": again_at, "name": one.name},
        )


def again(store: Store, one: DropFile, error: str, every: int, now: int) -> None:
    """The file is to be fetched again: it was incomplete, or could not be fetched (``error`` is a code)."""
    with store.write():
        store.execute(
            """
            UPDATE remote_files SET state = 'seen', local = NULL, attempts = attempts + 1, next_at = :next_at,
                error = :error,
                was_incomplete = CASE WHEN :error = 'incomplete' THEN 1 ELSE was_incomplete END
            WHERE name = :name
            """,
            {"next_at": now + _wait(one, every), "error": error, "name": one.name},
        )


def still_untidy(store: Store, one: DropFile, error: str, every: int, now: int) -> None:
    """The file is stored, and could not be moved or deleted."""
    with store.write():
        store.execute(
            "UPDATE remote_files SET attempts = attempts + 1, next_at = :next_at, error = :error WHERE name = :name",
            {"next_at": now + _wait(one, every), "error": error, "name": one.name},
        )


def _wait(one: DropFile, every: int) -> int:
    return min(every << min(one.attempts, 20), LONGEST_RETRY_MS)


def came_before(store: Store, one: DropFile, sha256: str) -> bool:
    """Whether a file of this name had the same bytes at another reading."""
    row = store.one(
        "SELECT 1 FROM files WHERE name = :name AND sha256 = :sha256", {"name": one.shown, "sha256": sha256}
    )
    return row is not None


def missed(store: Store, one: DropFile) -> None:
    """A file that is gone was searched for, and not found."""
    with store.write():
        store.execute("UPDATE remote_files SET attempts = attempts + 1 WHERE name = :name", {"name": one.name})


def forget(store: Store, one: DropFile) -> None:
    """The file has left the drop: forget it."""
    with store.write():
        store.execute("DELETE FROM remote_files WHERE name = :name", {"name": one.name})
