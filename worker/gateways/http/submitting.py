"""Submissions: a token first, by itself, and then one POST, which is never repeated.

Not even after a 401: the token was asked for a moment ago, so a 401 says that we may not, and not that it has expired.
So there is no case in which one command makes two requests that the vendor may both carry out.
"""

import threading

from worker.core.vendor.reply import PROXY_REFUSED
from worker.core.vendor.submission import Submission
from worker.core.vendor.submitted import Answered, Unanswered
from worker.gateways.http.bounded import bounded
from worker.gateways.http.client import HttpClient, Response, answer_of
from worker.gateways.http.token import Tokens

# The vendor's gateway cuts a request at 110 s, and the clearinghouse behind it gives up at 120.
SUBMIT_TIMEOUT_MS = 130_000

# Of all that is done for one token.
TOKEN_TIMEOUT_MS = 60_000

_TOLD = ("link", "location", "date", "x-optum-correlation-id", "x-optum-trace-id")


class Submitter:
    """For one submission. ``asking`` is a client for the token, ``posting`` one for the POST."""

    def __init__(self, base_url: str, tokens: Tokens, asking: HttpClient, posting: HttpClient) -> None:
        self._base_url = base_url
        self._tokens = tokens
        self._asking = asking
        self._posting = posting
        self._stop = threading.Event()  # never set: Ctrl-C ends the process

    @property
    def requests(self) -> int:
        """How many were sent."""
        return self._asking.sent + self._posting.sent

    def close(self) -> None:
        self._asking.close()
        self._posting.close()

    def token(self, now: int) -> str:
        """Raises TokenFailed."""
        with bounded(self._asking, TOKEN_TIMEOUT_MS, self._stop):
            return self._tokens.get(self._asking, now)

    def post(self, submission: Submission, token: str, timeout_ms: int = SUBMIT_TIMEOUT_MS) -> Answered | Unanswered:
        """``timeout_ms`` is that of the whole request. Never raises for what the network or the vendor does."""
        headers = {**submission.headers, "authorization": f"Bearer {token}"}
        with bounded(self._posting, timeout_ms, self._stop):
            posted = self._posting.post_once(self._base_url + submission.path, headers, submission.body)
        if posted.response is None:
            return Unanswered(posted.failure, posted.sent)
        if posted.response.status == 407:
            return Unanswered(PROXY_REFUSED.code, sent=False)
        return Answered(answer_of(posted.response), _told(posted.response), posted.failure)


def _told(response: Response) -> tuple[tuple[str, str], ...]:
    """The lines of the head that tell of tasks."""
    return tuple((name, value.strip()) for name, value in response.headers.multi_items() if name in _TOLD)
