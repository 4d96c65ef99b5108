"""What a PostgreSQL server says, as errors of cdpoll: one line and what to do next.

A server quotes values in what it says of a statement (an invalid text, the key that is there already). So only what it
says of connections, locks and room is told; of anything else its code.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from worker.core.errors import CdpollError, MovedAway, NotAllowed, ServerLost, StorageFailed, TryLater

# What the triggers of a database that was moved raise.
MOVED_SQLSTATE = "CD001"

# By the first letters of its SQLSTATE, the longest first: what to do, of what passes by itself.
_PASSES = {
    "55P03": "another writer holds the lock: try again; `SELECT * FROM pg_stat_activity` names who waits for what",
    "40001": "try again",
    "40P01": "try again",
    "57014": "try again",
}
_LOST = {
    "25P03": "this process was stopped for seconds in the middle of a transaction; it goes on by itself",
    "57P": "the server is starting, stopping or recovering; cdpoll goes on when it is back",
    "53300": "the server has no connection left: raise max_connections, or end what holds them",
    "08": "cdpoll goes on when the server can be reached again",
    "25006": "this server takes no writes: it may be a standby; name the primary in [store] url, or all servers with "
    "target_session_attrs=read-write",
}
_DENIED = {
    "28": "check the user and the password of [store] url, and pg_hba.conf of the server",
    "42501": "this user may not do that: docs/postgresql.md says under roles which user may",
}
_POOLER = "a pooler is on the way: set prepare_threshold = 0 under [store]"
_STAYS = {
    "3D000": "make the database first, as docs/postgresql.md says",
    "42P05": _POOLER,
    "26000": _POOLER,
    "53100": "the server's disk is full: free some space there; nothing that was acknowledged is lost",
    "53": "the server lacks memory or room",
    "58": "see the server's log: its disk fails",
    "XX": "see the server's log: its files may be damaged",
}


@contextmanager
def translated(name: str) -> Iterator[None]:
    """Raise what the server ``name``, or the way to it, says as :class:`ServerLost`, :class:`TryLater` or
    :class:`StorageFailed`; a refusal of a database that was moved as :class:`MovedAway`."""
    try:
        yield
    except psycopg.Error as error:
        # Without its cause, whose message may quote a value.
        raise _translation(name, error) from None


def _translation(name: str, error: psycopg.Error) -> CdpollError:
    code = error.sqlstate
    if code is None:
        if isinstance(error, psycopg.OperationalError):
            return _unreachable(name, error)
        return StorageFailed(f"{name}: {type(error).__name__} before anything was sent", "report this")
    said = error.diag.message_primary or type(error).__name__
    if code == MOVED_SQLSTATE:
        return MovedAway(name, said)
    for hints, kind in ((_PASSES, TryLater), (_LOST, ServerLost), (_DENIED, NotAllowed), (_STAYS, StorageFailed)):
        for begins, hint in hints.items():
            if code.startswith(begins):
                return kind(f"{name}: {said}", hint)
    return StorageFailed(f"{name}: {type(error).__name__} ({code})", "see the server's log, and report that code")


# Of what is said before there is a session, which has no SQLSTATE: the first that a line has in it.
_TLS = "see docs/postgresql.md for sslmode and sslrootcert of [store] url"
_SAID = {
    "certificate": _TLS,
    "SSL was required": _TLS,
    "password": _DENIED["28"],
    "pg_hba.conf": _DENIED["28"],
    "not permitted to log in": _DENIED["28"],
    'FATAL:  role "': _DENIED["28"],
    "does not exist": _STAYS["3D000"],
    "permission denied for database": _DENIED["42501"],
    "unsupported startup parameter": "a pooler is on the way, and refuses this parameter: take it out of [store] url",
    "definition of service": "name a service that the file pg_service.conf has, or write the host in [store] url",
}


def _unreachable(name: str, error: psycopg.OperationalError) -> TryLater | StorageFailed:
    """The connection was refused or lost, and libpq says so in lines of its own; none of them quotes a value."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = lines[0] if lines else "the connection was lost"
    # Where one of several servers is only out of reach, it may be the one that would have taken us.
    servers = [line for line in lines if line.startswith("- host:")] or [str(error)]
    hints = [next((hint for word, hint in _SAID.items() if word in line), None) for line in servers]
    if hints[0] is not None and None not in hints:
        kind = NotAllowed if hints[0] in _DENIED.values() else StorageFailed
        return kind(f"{name}: {said}", hints[0])
    if "too many" in said or "connection slots" in said:
        return ServerLost(f"{name}: {said}", _LOST["53300"])
    if "read-only" in said or "hot standby" in said or "recovery" in said:
        return ServerLost(f"{name}: {said}", _LOST["25006"])
    return ServerLost(f"{name}: {said}", _LOST["08"])
