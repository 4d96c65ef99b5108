"""What the endpoints make of a delivery that is announced as huge, and of clients that stall."""

import ssl
import threading
from collections.abc import Iterator

from cli.callback.address import Target, port_of
from cli.callback.caller import Caller
from cli.callback.endpoints import Endpoints
from cli.callback.words import of_code, of_status
from cli.doctor.finding import Finding, good, warn
from worker.clock import Clock
from worker.core.instant import words
from worker.gateways.http.failure import unreached
from worker.gateways.http.unfinished import Left, begin

# More than any limit; what is really sent of it is little.
HUGE_BYTES = 1 << 30
_SENT_BYTES = 16_384

_AS_IT_IS = "let the web server before cdpoll have limits of its own"


def oversized(endpoints: Endpoints, target: Target, caller: Caller, wait_s: float) -> Finding:
    """One whose header announces too much is refused before it has come."""
    sent = f"{endpoints.head_of_delivery(HUGE_BYTES)}\r\n".encode() + b" " * _SENT_BYTES
    left = _begun(target, caller.tls, sent, min(wait_s, caller.step_s))
    if isinstance(left, Finding):
        return left
    if left.status == 413:
        return good("oversized", f"a body of {HUGE_BYTES >> 20} MiB is refused before it has come: HTTP 413")
    if left.held:
        cure = f"{_AS_IT_IS} (nginx: client_max_body_size 25m)"
        return warn("oversized", "a body of any size is waited for, and not refused at once", cure)
    if left.status is None:
        return warn("oversized", "a body that is too large is cut without an answer", "nothing has to be done")
    trouble = of_status(left.status)
    return warn("oversized", f"a body that is too large must get 413, and gets {trouble.words}", trouble.cure)


class Stalled:
    """Two clients that stall, in the head and in the body of a request; they wait while other things are tried."""

    def __init__(self, endpoints: Endpoints, target: Target, tls: ssl.SSLContext, wait_s: float) -> None:
        head = endpoints.head_of_delivery(1000)
        self._found: dict[str, Finding] = {}
        self._threads = [
            threading.Thread(target=self._stall, args=(name, sent, target, tls, wait_s), daemon=True)
            for name, sent in (("head", head[:40]), ("body", f'{head}\r\n{{"id":'))
        ]
        for thread in self._threads:
            thread.start()

    def findings(self) -> Iterator[Finding]:
        """In the end."""
        for thread in self._threads:
            thread.join()
        yield from (self._found[name] for name in ("head", "body"))

    def _stall(self, name: str, sent: str, target: Target, tls: ssl.SSLContext, wait_s: float) -> None:
        clock = Clock()
        began = clock.monotonic()
        left = _begun(target, tls, sent.encode(), wait_s)
        if isinstance(left, Finding):
            self._found[name] = left
        elif left.held:
            cure = f"{_AS_IT_IS} (nginx: client_header_timeout 15s, client_body_timeout 15s)"
            said = (
                f"a client that stalls in the {name} of a request is kept for longer than {words(round(wait_s * 1000))}"
            )
            self._found[name] = warn("slow", said, cure)
        else:
            after = words(clock.monotonic() - began)
            how = "" if left.status is None else f" with HTTP {left.status}"
            self._found[name] = good(
                "slow", f"a client that stalls in the {name} of a request is cut{how} after {after}"
            )


def _begun(target: Target, tls: ssl.SSLContext, sent: bytes, wait_s: float) -> Left | Finding:
    url = target.callback
    try:
        return begin(url.host, port_of(url), tls if url.scheme == "https" else None, sent, wait_s)
    except OSError as error:
        trouble = of_code("tls" if isinstance(error, ssl.SSLError) else unreached(error))
        return warn("slow", f"a second connection: {trouble.words}", trouble.cure)
