"""What a person must see of a PostgreSQL server, found in its own views. Of a file nothing is read."""

from dataclasses import replace

from worker.core.instant import words
from worker.core.problems import Problem, problem
from worker.store.db.store import Row, Store

# A dump or an export may take some minutes.
OLD_MS = 3_600_000

# Vacuum heeds what is open in its own database. Without a snapshot and without a number of its own a transaction holds
# up nothing. Of another user's session a role without the right to see it is told no xact_start.
OLDEST = """
SELECT pid, role, program, age FROM (
    SELECT pid, usename AS role, application_name AS program,
        CAST(extract(epoch FROM clock_timestamp() - xact_start) * 1000 AS BIGINT) AS age
    FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
        AND (backend_xid IS NOT NULL OR backend_xmin IS NOT NULL)
    UNION ALL
    SELECT NULL, owner, '', CAST(extract(epoch FROM clock_timestamp() - prepared) * 1000 AS BIGINT)
    FROM pg_prepared_xacts WHERE database = current_database()
) AS opened
WHERE age >= :most ORDER BY age DESC LIMIT 1
"""


def server_problems(store: Store, now: int, most_ms: int = OLD_MS) -> list[Problem]:
    """The transaction that holds up vacuum for longest, where that is longer than ``most_ms``."""
    row = store.one(OLDEST, {"most": most_ms}) if store.shared else None
    if row is None:
        return []
    told = problem("snapshot_old", whose=_whose(row), lasting=words(row["age"]), cure=_cure(row))
    return [replace(told, since=now - row["age"])]


def _whose(row: Row) -> str:
    return f"{row['role']} ({row['program']})" if row["program"] else str(row["role"])


def _cure(row: Row) -> str:
    if row["pid"] is None:
        return "it is prepared: pg_prepared_xacts has its gid for `COMMIT PREPARED` or `ROLLBACK PREPARED`"
    return f"end that program, or `SELECT pg_terminate_backend({row['pid']})`"
