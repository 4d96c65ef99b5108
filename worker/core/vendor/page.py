"""What one page of the vendor's list of discoveries said, and the query that asks for it.

A row only names a discovery; it never decides anything about one. Whether ``offset`` counts records or pages is told
in two ways, rows may repeat or be left out between pages, and the filters may be ignored. worker/core/backfill.py goes
through a list in spite of that.
"""

from typing import NamedTuple
from urllib.parse import urlencode

from worker.core.instant import from_iso, iso
from worker.core.intake.link import valid_id
from worker.core.intake.link_grammar import printable
from worker.core.vendor.document import Json, not_json, parse_json, text
from worker.core.vendor.reply import Garbled, HttpAnswer, Reply, read_status

ASKED_ROWS = 100  # the most that the vendor gives
MOST_ROWS = 1000  # of one page: ten times what was asked for

_SUBTENANT = ("subtenantId", "subTenantId", "subtenant")


class PageQuery(NamedTuple):
    """The discoveries that began from ``start`` to ``end`` (ms; ``None``: any later), the oldest first.

    ``offset`` is what the vendor is told; ``limit``: the most rows; ``correlation_id``: of one request alone.
    """

    start: int
    end: int | None = None
    offset: int = 0
    limit: int = ASKED_ROWS
    correlation_id: str | None = None


class Row(NamedTuple):
    """One discovery as the list shows it. Texts are as they came; ``started_at`` is ms."""

    id: str
    status: str | None = None
    started_at: int | None = None
    name: str | None = None
    correlation_id: str | None = None
    tenant: str | None = None  # tenantName
    subtenant: str | None = None


class Page(NamedTuple):
    """The rows in the order of the page; two of them may have one id.

    ``received`` counts all that came, also those left out: without an id that a task can have, or beyond MOST_ROWS.
    """

    rows: tuple[Row, ...]
    received: int


def query_text(query: PageQuery) -> str:
    """The query as it goes into the URL. The window is widened to whole seconds, as in the vendor's own examples."""
    fields: dict[str, object] = {"startDateTime": iso(query.start // 1000 * 1000)}
    if query.end is not None:
        fields["endDateTime"] = iso(-(-query.end // 1000) * 1000)
    if query.correlation_id is not None:
        fields["correlationId"] = query.correlation_id
    return urlencode(fields | {"sort": "startDateTime", "offset": query.offset, "limit": query.limit})


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


def _named(said: object) -> str:
    """A subtenant in a form that cannot be read is none of ours."""
    return text(said) or "?"


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
        name=text(task.get("name")),
        correlation_id=printable(text(task.get("correlationId")) or "") or None,
        tenant=text(task.get("tenantName")),
        subtenant=next((_named(said) for key in _SUBTENANT if (said := task.get(key)) not in (None, "")), None),
    )
