"""What one page of the vendor's list of pending tasks said, and the query that asks for it.

A list only hints at tasks; it never decides anything. Whether ``offset`` counts records or pages is told in two ways,
rows may repeat or be left out between pages, and they may be of tasks that are not recorded here. So one page is asked
for at a time, from a moment on, and never a next one.
"""

from typing import NamedTuple
from urllib.parse import urlencode

from worker.core.instant import from_iso, iso
from worker.core.intake.link import valid_id
from worker.core.vendor.document import Json, not_json, parse_json, pending_names, text
from worker.core.vendor.reply import Garbled, HttpAnswer, Reply, read_status

ASKED_ROWS = 100  # the most that the vendor gives
MOST_ROWS = 1000  # of one page: ten times what was asked for


class PageQuery(NamedTuple):
    """Pending tasks that began from ``start`` to ``end`` (ms); the oldest, ASKED_ROWS of them."""

    start: int
    end: int


class Row(NamedTuple):
    """One task as the list shows it. ``status`` is the text as it came; ``pending`` names the unfinished paths."""

    id: str
    status: str | None
    started_at: int | None  # ms
    pending: tuple[str, ...]
    name: str | None


class Page(NamedTuple):
    """The rows in the order of the page; two of them may have one id.

    ``received`` counts all that came, also those left out: without an id that a task can have, or beyond MOST_ROWS.
    """

    rows: tuple[Row, ...]
    received: int


def query_text(query: PageQuery) -> str:
    """The query as it goes into the URL. The window is widened to whole seconds, as in the vendor's own examples."""
    window = (query.start // 1000 * 1000, -(-query.end // 1000) * 1000)
    fields = {
        "status": "pending",
        "startDateTime": iso(window[0]),
        "endDateTime": iso(window[1]),
        "sort": "startDateTime",
        "offset": 0,
        "limit": ASKED_ROWS,
    }
    return urlencode(fields)


def read_page(answer: HttpAnswer, tenant_id: str | None, now: int) -> Page | Reply:
    """What ``answer`` to a list says; where it is none, the reply that a poll would give. Never raises."""
    refusal = read_status(answer, tenant_id, now)
    if refusal is not None:
        return refusal
    entries = parse_json(answer.body)
    if entries is None:
        return Garbled(not_json(answer.body))
    if not isinstance(entries, list):
        return Garbled("no_list")
    rows = tuple(row for row in map(_row, entries[:MOST_ROWS]) if row is not None)
    return Page(rows, len(entries))


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
        pending=pending_names(task),
        name=text(task.get("name")),
    )
