"""The problems of a PostgreSQL server; see worker/core/problems.py."""

from worker.core.problem_kind import Kind

SERVER_KINDS = (
    Kind(
        "snapshot_old",
        "warning",
        "a transaction of {whose} has been open for {lasting}, and vacuum clears no row that it might see, so tables "
        "grow and passes take longer",
        "{cure}",
        "postgresql.md#settings-of-the-server",
    ),
)
