"""What a PostgreSQL server says of itself: whether what is acknowledged is safe on it, and whether it has room."""

from typing import NamedTuple

from worker.store.db.store import Store


class ServerFacts(NamedTuple):
    """``off``: the settings that are off, of those that each acknowledged id depends on."""

    version: int
    """As ``150004`` for 15.4."""
    encoding: str
    off: tuple[str, ...]
    standby: bool
    connections_left: int
    now: int
    """The server's time of day, in ms."""


# Whose connection it is, is told to every role; of which kind, not. One of a background worker more does no harm.
FACTS = """
SELECT CAST(current_setting('server_version_num') AS BIGINT) AS version, current_setting('server_encoding') AS encoding,
    current_setting('fsync') AS fsync, current_setting('full_page_writes') AS full_page_writes,
    current_setting('synchronous_commit') AS synchronous_commit, pg_is_in_recovery() AS standby,
    CAST(current_setting('max_connections') AS BIGINT)
        - CAST(current_setting('superuser_reserved_connections') AS BIGINT)
        - (SELECT count(*) FROM pg_stat_activity
            WHERE datid IS NOT NULL AND coalesce(backend_type, 'client backend') = 'client backend')
        AS connections_left,
    CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT) AS now
"""

_SETTINGS = ("fsync", "full_page_writes", "synchronous_commit")


def server_facts(store: Store) -> ServerFacts:
    """Of the server of ``store``, which is not a file, for the user of ``[store] url``."""
    row = store.read(FACTS)[0]
    off = tuple(name for name in _SETTINGS if row[name] == "off")
    return ServerFacts(row["version"], row["encoding"], off, row["standby"], row["connections_left"], row["now"])
