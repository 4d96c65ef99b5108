"""Coverage to bill, as people and their programs read it: one line for each coverage and ref.

The view ``found_coverage`` has a row for each answer; an answer may tell of several coverages: the patient's own where
it is active, each other payer and each managed care plan that is to be billed. Each is a line, once for each of the
caller's keys, for each of which the outbox has a number. Reads only, in short statements.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from worker.core.instant import iso_or_none
from worker.core.vendor.document import parse_json
from worker.core.x12.codes import REJECTIONS, words
from worker.core.x12.issues import in_words
from worker.store import outbox
from worker.store.db.store import Row, Store
from worker.store.views.entries import Entry, each_ref, provisional
from worker.store.views.said import ALL_SAID, said_of

Json = dict[str, Any]

PAGE_ROWS = 500

KEYS = (
    *("seq", "id", "ref", "patient"),
    *("payer", "payer_id", "member_id", "plan", "group_number", "group_name", "begins", "ends"),
    *("trace_number", "account", "subtenant", "list", "path", "source", "provisional", "warnings"),
    *("kind", "match", "file", "visible_at"),
)
"""Of a line, in the order of the reference."""

NOT_READ = {
    "code": "271_not_read_yet",
    "message": "What the 271 of the path says is still to be read: the daemon does it within seconds.",
}
NO_ANSWER = {
    "code": "no_271",
    "message": "The vendor lists the path as successful and gives no 271 that can be read: ask the payer.",
}
OTHER_ANSWER = {
    "code": "271_says_otherwise",
    "message": "The vendor lists the path as successful, but its 271 tells of no coverage.",
}


def found_pages(
    store: Store,
    *,
    since_ms: int | None = None,
    ref: str | None = None,
    task: int | None = None,
    result: int | None = None,
) -> Iterator[list[Json]]:
    """Coverage to bill in short pages, in the order of the numbers, what is provisional last.

    ``since_ms``: what became visible at that instant or later. ``task`` and ``result`` are rows, of which the others
    are left out. No cursor is held while a page is used.
    """
    narrow = ref is not None or task is not None or result is not None
    pages = _of(store, ref, task, result) if narrow else _all(store, since_ms)
    for page in pages:
        told = [
            one
            for one in page
            if (ref is None or one.ref == ref) and (since_ms is None or (one.at is not None and one.at >= since_ms))
        ]
        lines = _lines(store, told)
        if lines:
            yield lines


def ref_is_known(store: Store, ref: str) -> bool:
    """Whether anything was recorded for that key."""
    return any(
        store.one(f"SELECT 1 FROM {table} WHERE ref = :ref LIMIT 1", {"ref": ref})  # noqa: S608 - constants
        for table in ("refs", "expected")
    )


def results_to_read(store: Store) -> int:
    """Polled results whose 271s were not read yet: what they say is not in :func:`found_pages`."""
    row = store.one("SELECT count(*) AS n FROM results WHERE source <> 'batch' AND derived IS NULL")
    return 0 if row is None else row["n"]


def _all(store: Store, since_ms: int | None) -> Iterator[list[Entry]]:
    """Everything that was published since, then everything provisional."""
    number = 0 if since_ms is None else outbox.before(store, since_ms)
    while page := outbox.after(store, number, PAGE_ROWS):
        yield each_ref(store, outbox.standing(store, page))
        number = page[-1].number
    last = 0
    while rows := store.read(
        "SELECT seq, task, received_at FROM results"
        " WHERE source <> 'batch' AND revision = 0 AND task > :last ORDER BY task LIMIT :page",
        {"last": last, "page": PAGE_ROWS},
    ):
        yield provisional(store, rows)
        last = rows[-1]["task"]


def _of(store: Store, ref: str | None, task: int | None, result: int | None) -> Iterator[list[Entry]]:
    """The same of one result, one task, or a ref."""
    conditions = {
        "seq = :result": result,
        "task = :task": task,
        "(task IN (SELECT task FROM refs WHERE ref = :ref)"
        " OR expected IN (SELECT seq FROM expected WHERE ref = :ref))": ref,
    }
    wanted = " AND ".join(one for one, value in conditions.items() if value is not None)
    last = 0
    while rows := store.read(
        f"""
        SELECT seq, task, received_at, source <> 'batch' AND revision = 0 AS provisional FROM results
        WHERE seq > :last AND {wanted} ORDER BY seq LIMIT :page
        """,  # noqa: S608 - constants
        {"last": last, "result": result, "task": task, "ref": ref, "page": PAGE_ROWS},
    ):
        yield [
            *each_ref(store, outbox.of_results(store, [row["seq"] for row in rows])),
            *provisional(store, [row for row in rows if row["provisional"]]),
        ]
        last = rows[-1]["seq"]


def _lines(store: Store, entries: list[Entry]) -> list[Json]:
    """The coverages of the results, once for each entry."""
    coverages = coverages_of(store, [one.result for one in entries])
    return [_line(entry, one) for entry in entries for one in coverages.get(entry.result, [])]


def coverages_of(store: Store, results: Iterable[int]) -> dict[int, list[Json]]:
    """By result, each coverage that it tells of: a line of :func:`found_pages` without what an entry says. A result
    that a later body of its task replaces tells of none."""
    rows: dict[int, list[Row]] = {}
    listed = ",".join(map(str, results))
    if not listed:
        return {}
    for row in store.read(
        f"""
        SELECT found_coverage.*, results.derived, coalesce(tasks.subtenant, expected.subtenant) AS subtenant
        FROM found_coverage JOIN results ON results.seq = found_coverage.result
        LEFT JOIN tasks ON tasks.seq = results.task
        LEFT JOIN expected ON expected.seq = results.expected AND results.task IS NULL
        WHERE found_coverage.result IN ({listed})
        """  # noqa: S608 - numbers
    ):
        rows.setdefault(row["result"], []).append(row)
    for group in rows.values():
        # What the vendor lists as successful was read first.
        group.sort(key=lambda row: row["answer"] or 0)
    found = [row for group in rows.values() for row in group]
    said = _said(store, [row["answer"] for row in found if row["other_payers"] or row["managed_care"]])
    return {
        result: [one for row in group for one in _coverages(row, said.get(row["answer"], {}))]
        for result, group in rows.items()
    }


def _said(store: Store, answers: Iterable[int]) -> dict[int, Json]:
    """By answer, all that it says."""
    listed = ",".join(map(str, answers))
    if not listed:
        return {}
    found = store.read(
        f"""
        SELECT answers.seq, {ALL_SAID}
        FROM answers JOIN results ON results.seq = answers.result WHERE answers.seq IN ({listed})
        """  # noqa: S608 - a constant and numbers
    )
    told = {row["seq"]: parse_json(said_of(row)) for row in found}
    return {answer: one for answer, one in told.items() if isinstance(one, dict)}


def _coverages(row: Row, said: Json) -> Iterator[Json]:
    """Each coverage that a row of ``found_coverage`` tells of."""
    about = {
        "id": row["id"],
        "patient": {key: row[key] or None for key in ("last_name", "first_name", "birth_date", "level")},
        **{key: row[key] or None for key in ("trace_number", "account", "subtenant", "list", "path", "source")},
        "provisional": bool(row["provisional"]),
        "match": row["match"],
        "file": row["file"],
        "warnings": _warnings(row),
    }
    own = {key: row[key] or None for key in ("payer", "payer_id", "member_id", "plan", "group_number", "group_name")}
    own |= {"begins": row["begins"] or None, "ends": row["ends"] or None}
    if row["coverage"] == "active":
        yield {**about, **own, "kind": "active"}
    elif not (row["other_payers"] or row["managed_care"]):
        doubt = OTHER_ANSWER if row["coverage"] else NO_ANSWER if row["derived"] else NOT_READ
        yield {**about, **own, "kind": "path", "warnings": [doubt, *about["warnings"]]}
    for kind, column in (("other_payer", "other_payers"), ("managed_care", "managed_care")):
        # What an earlier reader said lacks what is named in the column.
        named = said.get(column) or [{"name": name} for name in (row[column] or "").split("; ") if name]
        told: list[Json] = []
        for one in named:
            line = _other(one)
            # Two parts of Medicare may be named alike.
            if not (one.get("ended") or one.get("begins_later") or line in told):
                told.append(line)
                yield {**about, **line, "kind": kind}


def _other(one: Mapping[str, Any]) -> Json:
    """What is told of another payer or of a managed care plan, nothing of the payer that answers."""
    return {
        "payer": one.get("name") or None,
        "payer_id": one.get("id") or None,
        "member_id": one.get("member_id") or None,
        "plan": one.get("plan") or None,
        "group_number": one.get("group_number") or None,
        "group_name": one.get("group_name") or None,
        "begins": one.get("begins") or None,
        "ends": one.get("ends") or None,
    }


def _warnings(row: Row) -> list[Json]:
    """What is odd in the answer, and why it was rejected in a part, in words."""
    reasons = dict.fromkeys((row["rejections"] or "").split())
    return in_words(row["warnings"] or "") + [
        {"code": f"aaa_{code}", "message": words(REJECTIONS, code)} for code in reasons
    ]


def _line(entry: Entry, told: Json) -> Json:
    line = {**told, "seq": entry.seq, "ref": entry.ref, "visible_at": iso_or_none(entry.at)}
    return {key: line[key] for key in KEYS}
