"""The problems of callbacks; see worker/core/problems.py."""

from worker.core.problem_kind import Kind

CALLBACK_KINDS = (
    Kind(
        "callback_mismatch",
        "critical",
        "the vendor does not confirm what callbacks said of {tasks}: it may be another patient's coverage",
        "`cdpoll tasks --unconfirmed` lists them, `cdpoll show ID` says what differs; `cdpoll poll ID` asks once more, "
        "`cdpoll problems ack callback_mismatch` accepts them as they are",
        "callbacks.md#when-the-vendor-does-not-confirm",
    ),
    Kind(
        "callback_unconfirmed",
        "warning",
        "the vendor gives no usable answer about {tasks} that callbacks have concluded",
        "`cdpoll tasks --unconfirmed` lists them, `cdpoll show ID` names the failure; they are asked about again",
        "callbacks.md#when-the-vendor-does-not-confirm",
    ),
    Kind(
        "callbacks_down",
        "warning",
        "the vendor's callbacks do not arrive; tasks are polled without waiting for them",
        "`cdpoll callback-check URL` and `cdpoll doctor` say what fails here; if nothing does, ask the vendor; "
        "over with the next fresh callback",
        "callbacks.md#both-lanes",
    ),
    Kind(
        "callback_quarantined",
        "critical",
        "{callbacks} in quarantine: broken, for another tenant, or not understood",
        "`cdpoll quarantine list` says why; then `cdpoll quarantine retry NUMBER`, or `drop` what is not yours",
        "callbacks.md#what-is-put-into-quarantine",
    ),
)
