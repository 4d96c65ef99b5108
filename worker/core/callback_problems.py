"""The problems of callbacks; see worker/core/problems.py."""

from worker.core.problem_kind import Kind

CALLBACK_KINDS = (
    Kind(
        "callback_quarantined",
        "critical",
        "{callbacks} in quarantine: broken, for another tenant, or not understood",
        "`cdpoll quarantine list` says why; then `cdpoll quarantine retry NUMBER`, or `drop` what is not yours",
        "callbacks.md#what-is-put-into-quarantine",
    ),
)
