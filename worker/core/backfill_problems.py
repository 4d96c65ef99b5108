"""The problem of the sweep over the vendor's list; see worker/core/problems.py."""

from worker.core.problem_kind import Kind

BACKFILL_KINDS = (
    Kind(
        "backfill_failing",
        "warning",
        "the vendor's list cannot be swept for tasks that were not recorded: {cause}",
        "{cure}",
        "backfill.md#what-it-cannot-do",
    ),
)
