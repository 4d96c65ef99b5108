"""What one page of the vendor's list of tasks said, and the query that asks for it.

A list is a hint of which task to look at next. It never decides anything: whether ``offset`` counts records or pages
is told in two ways, rows may repeat or be left out between pages, and they may be of tasks that nobody here knows. So
one page is asked for at a time, from a moment on, and never a next one.
"""

from typing import NamedTuple
from urllib.parse import urlencode

from worker.core.document import Json, pending_names, text
from worker.core.instant import from_iso, iso
from worker.core.link import valid_id
from worker.core.linkgrammar import Link, parse
from worker.core.reply import Answer, Garbled, Reply, ended_at, not_json, parse_json, read_status

LIMIT = 100  # the most that the vendor gives
MOST_ROWS = 1000  # of one page; whoever sends more than ten times what was asked for is not listened to


class PageQuery(NamedTuple):
    """Tasks that began from ``start`` to ``end`` (ms), oldest first, from the record ``offset`` on.

    ``status`` is ``pending``, ``success`` or ``failure``; ``None`` asks for all of them.
    """

    start: int
    end: int
    offset: int = 0
    limit: int = LIMIT
    status: str | None = "pending"


class Row(NamedTuple):
    """One task as the list shows it. ``status`` is whatever stood there; ``pending`` names the unfinished paths."""

    id: str
    status: str | None
    started_at: int | None  # ms
    ended_at: int | None  # ms
    pending: tuple[str, ...]
    name: str | None


class Page(NamedTuple):
    """The rows in the order of the page; two of them may have one id.

    ``received`` counts all of the page, ``unusable`` those without an id that a task can have, or beyond MOST_ROWS.
    ``more`` tells whether the Link header names a next page, which is no more certain than the rest.
    """

    rows: tuple[Row, ...]
    received: int
    unusable: int
    more: bool


def query_text(query: PageQuery) -> str:
    """The query as it goes into the URL. The window is widened to whole seconds, as in the vendor's own examples."""
    window = (query.start // 1000 * 1000, -(-query.end // 1000) * 1000)
    fields = {
        **({} if query.status is None else {"status": query.status}),
        "startDateTime": iso(window[0]),
        "endDateTime": iso(window[1]),
        "sort": "startDateTime",
        "offset": query.offset,
        "limit": query.limit,
    }
    return urlencode(fields)


def read_page(answer: Answer, link: str, tenant_id: str | None, now: int) -> Page | Reply:
    """What ``answer`` to a list says; ``link`` is its Link header, ``""`` without one. Never raises.

    Where it is no list, the reply that a look would give (:mod:`worker.core.reply`).
    """
    refusal = read_status(answer, tenant_id, now)
    if refusal is not None:
        return refusal
    entries = parse_json(answer.body)
    if entries is None:
        return not_json(answer.body)
    if not isinstance(entries, list):
        return Garbled("no_list")
    rows = tuple(row for row in map(_row, entries[:MOST_ROWS]) if row is not None)
    return Page(rows, len(entries), len(entries) - len(rows), _names_next(link))


def _row(entry: object) -> Row | None:
    if not isinstance(entry, dict):
        return None
    task: Json = entry
    task_id = text(task.get("id"))
    if task_id is None or not valid_id(task_id):
        return None
    return Row(
        id=task_id,
        status=text(task.get("status")),
        started_at=from_iso(task.get("startDateTime")),
        ended_at=ended_at(task),
        pending=pending_names(task),
        name=text(task.get("name")),
    )


def _names_next(link: str) -> bool:
    return any(isinstance(part, Link) and "next" in (part.relations or ()) for part in parse(link))
