"""The problems of discoveries that are looked for; see worker/core/problems.py."""

from worker.core.problem_kind import Kind

LOOKUP_KINDS = (
    Kind(
        "lookup_expired",
        "warning",
        "{lookups} whose answer was lost: the vendor's list shows no discovery with the correlation id",
        "`cdpoll lookups list` names them; where coverage matters, submit the check again; then `cdpoll lookups drop "
        "NUMBER`",
        "integration.md#a-request-whose-answer-was-lost",
    ),
    Kind(
        "lookup_doubtful",
        "warning",
        "{lookups} whose discoveries are recorded without a ref: several checks may have had that correlation id",
        "`cdpoll lookups list` names them; see whose the discovery is, `cdpoll record ID --ref REF`, then `cdpoll "
        "lookups drop NUMBER`",
        "integration.md#a-request-whose-answer-was-lost",
    ),
)
