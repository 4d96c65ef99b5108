"""The problems of the spool; see worker/core/problems.py."""

from worker.core.problem_kind import Kind

SPOOL_KINDS = (
    Kind(
        "spool_stuck",
        "critical",
        "nothing is taken from the spool: {cause}",
        "{cure}",
        "spool.md#when-nothing-is-taken",
    ),
    Kind(
        "spool_bad",
        "warning",
        "{files} of the spool could not be read",
        "each lies in {folder}, with NAME.why beside it: mend it and move it into `in`, or remove it",
        "spool.md#what-becomes-of-a-file",
    ),
)
