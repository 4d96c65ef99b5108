"""The vendor's API: a task, a page of the list, the health check. Bearer token to the configured base only."""

import contextlib
import threading
from dataclasses import dataclass
from urllib.parse import quote

from worker.core.vendor.document import not_json, parse_json
from worker.core.vendor.page import Page, PageQuery, query_text, read_page
from worker.core.vendor.reply import (
    PROXY_REFUSED,
    Concluded,
    Garbled,
    Heard,
    HttpAnswer,
    Pending,
    Refused,
    Reply,
    Unreachable,
    rate_limited,
    read_reply,
    refusal,
)
from worker.gateways.http.client import BODY_CAP_BYTES, HttpClient, HttpFailed, Response, Unusable, answer_of, header
from worker.gateways.http.token import TokenFailed, Tokens


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """``base_url`` with the prefix and without a trailing slash; ``tenant_id`` is compared, never sent."""

    base_url: str
    tenant_id: str | None = None


LARGE_BODY_BYTES = 256 * 1024
# A hundred tasks of ten paths with a 271 of 8 KB each. A caller with larger tasks asks for fewer in a page.
PAGE_CAP_BYTES = 8 * 1024 * 1024
_one_at_a_time = threading.Lock()

# Stands in a text of the database where bits have changed on the disk. What is left of an id is another id.
UNDECODABLE = "\ufffd"
DAMAGED_ID = Garbled("damaged_id")

# A proxy locks an account after a few refused logins. What other threads had begun meanwhile is not to try it too.
PROXY_REFUSAL_STANDS_MS = 10_000


class Api:
    """Stateless but for the token and a proxy's refusal; any number of threads, each with a client of its own."""

    def __init__(self, settings: ApiSettings, tokens: Tokens) -> None:
        self._settings = settings
        self._tokens = tokens
        self._proxy_refused_at: int | None = None

    def poll(self, client: HttpClient, task_id: str, now: int) -> Heard:
        """Ask for one task. Never raises for anything the network or the vendor does."""
        if UNDECODABLE in task_id:
            return Heard(DAMAGED_ID)
        heard = self._poll(client, task_id, now)
        if client.was_kept and heard.status == 200 and not _names(heard.reply, task_id):
            # Perhaps it is what was left over from another request: over a connection of its own it is not.
            client.forget()
            heard = self._poll(client, task_id, now)
        return heard

    def _poll(self, client: HttpClient, task_id: str, now: int) -> Heard:
        answer = self._get(client, f"/coverage-discovery/{quote(task_id, safe='')}", now)
        if isinstance(answer, Heard):
            return answer
        # A hostile body unpacks to some thirty times its size: one large one at a time.
        with contextlib.nullcontext() if len(answer.body) < LARGE_BODY_BYTES else _one_at_a_time:
            reply = read_reply(answer, task_id, self._settings.tenant_id, now)
        told = reply.document.trace_id if isinstance(reply, Pending | Concluded) else answer.trace_id
        return Heard(reply, answer.status, told)

    def page(self, client: HttpClient, query: PageQuery, now: int) -> Page | Reply:
        """Ask for one page of the list. Never raises; where no list came, the reply that a poll would give."""
        answer = self._get(client, f"/coverage-discovery?{query_text(query)}", now, PAGE_CAP_BYTES)
        if isinstance(answer, Heard):
            return answer.reply
        with contextlib.nullcontext() if len(answer.body) < LARGE_BODY_BYTES else _one_at_a_time:
            return read_page(answer, self._settings.tenant_id, now)

    def health(self, client: HttpClient, now: int) -> Heard:
        """Does the API take our credentials? ``Pending()`` stands for yes."""
        answer = self._get(client, "/healthcheck", now)
        return answer if isinstance(answer, Heard) else Heard(_health(answer, now), answer.status, answer.trace_id)

    def _get(self, client: HttpClient, path: str, now: int, cap: int = BODY_CAP_BYTES) -> HttpAnswer | Heard:
        """A whole answer, or what is heard in its place."""
        url = self._settings.base_url + path
        refused_at = self._proxy_refused_at
        if refused_at is not None and 0 <= now - refused_at < PROXY_REFUSAL_STANDS_MS:
            return Heard(PROXY_REFUSED)
        try:
            token = self._tokens.get(client, now)
            response = self._send(client, url, token, cap)
            if response.status == 401:
                # The token has expired, or we may not use the product: try once more, with a fresh token.
                token = self._tokens.replace(client, now, token)
                response = self._send(client, url, token, cap)
        except TokenFailed as failed:
            return Heard(self._noted(failed.reply, now))
        except HttpFailed as failed:
            refused = failed.code == PROXY_REFUSED.code
            return Heard(self._noted(PROXY_REFUSED if refused else Unreachable(failed.code), now))
        except Unusable as unusable:
            response = unusable.response
            return Heard(Garbled(unusable.code), response.status, header(response, "x-optum-trace-id"))
        return answer_of(response)

    def _noted(self, reply: Reply, now: int) -> Reply:
        if reply == PROXY_REFUSED:
            self._proxy_refused_at = now
        return reply

    @staticmethod
    def _send(client: HttpClient, url: str, token: str, cap: int) -> Response:
        return client.send("GET", url, {"authorization": f"Bearer {token}"}, cap=cap)


def _names(reply: Reply, task_id: str) -> bool:
    """Whether the answer is no task's body, or one that names this task itself."""
    if isinstance(reply, Pending | Concluded):
        return task_id.encode() in reply.document.body
    return not (isinstance(reply, Garbled) and reply.code == "wrong_id")


def _health(answer: HttpAnswer, now: int) -> Reply:
    if (limited := rate_limited(answer, now)) is not None:
        return limited
    if answer.status == 200:
        # A machine on the way that answers everything with HTML has not checked our credentials.
        return Pending() if isinstance(parse_json(answer.body), dict) else Unreachable(not_json(answer.body))
    if answer.status == 407:
        return PROXY_REFUSED
    return Refused(refusal(answer)) if answer.status in (401, 403) else Unreachable(f"http_{answer.status}")
