"""Concluded tasks that a person should look at, each with what was not searched or was rejected, and what to do.

They are successes that name no successful path, and failures with paths that were not searched, that were skipped for
a reason a person can mend, or whose answers were rejected. Reads only, in short statements.
"""

import sqlite3
from collections.abc import Iterator
from typing import Any

from worker.core.instant import iso_or_none
from worker.core.vendor.advice import NO_PATH, NOT_SEARCHED, path_advice, rejection_advice, skip_advice
from worker.core.vendor.document import REAL_TIME, parse_json
from worker.core.vendor.findings import NO_SUCCESSFUL_PATH, rejection_words, status_words
from worker.store.db.store import Store
from worker.store.views.findings import rejections
from worker.store.views.tasks import refs_of, task_line

Json = dict[str, Any]

PAGE_ROWS = 500


def review_pages(store: Store, ref: str | None = None, limit: int | None = None) -> Iterator[list[Json]]:
    """Tasks to look at, oldest first, at most ``limit`` of them; ``ref``: only those with this key of the caller's.

    Each statement examines at most :data:`PAGE_ROWS` concluded tasks, whether there is something to see or not.
    """
    last, left = 0, limit
    narrowed = "" if ref is None else " AND seq IN (SELECT task FROM refs WHERE ref = :ref)"
    while left is None or left > 0:
        # Concluded tasks are those with an outcome. Asked for by their state, they would be sorted anew for each page.
        tasks = store.read(
            f"""
            SELECT seq, id, state, outcome, recorded_at, due_at, polls, last_error, concluded_at FROM tasks
            WHERE seq > :last AND outcome IS NOT NULL{narrowed} ORDER BY seq LIMIT :page
            """,  # noqa: S608 - a constant
            {"last": last, "ref": ref, "page": PAGE_ROWS},
        )
        if not tasks:
            return
        page = _told(store, tasks)[:left]
        if page:
            yield page
        last = tasks[-1]["seq"]
        left = None if left is None else left - len(page)


def _latest(store: Store, tasks: list[sqlite3.Row]) -> dict[int, sqlite3.Row]:
    """By task its latest body."""
    listed = ",".join(str(row["seq"]) for row in tasks)
    rows = store.read(
        f"""
        SELECT seq, task, outcome FROM results WHERE task IN ({listed}) AND source <> 'batch' AND NOT EXISTS (
            SELECT 1 FROM results AS later
            WHERE later.task = results.task AND later.revision > results.revision AND later.source <> 'batch'
        )
        """  # noqa: S608 - numbers
    )
    return {row["task"]: row for row in rows}


def _told(store: Store, tasks: list[sqlite3.Row]) -> list[Json]:
    """Those of the tasks that a person should look at, each with the reasons."""
    latest = _latest(store, tasks)
    reasons: dict[int, list[Json]] = {result["seq"]: [] for result in latest.values()}
    successes = [result["seq"] for result in latest.values() if result["outcome"] == "success"]
    for row in _pathless(store, ",".join(map(str, successes))):
        reasons[row["result"]].append(_item("no_path", row, NO_SUCCESSFUL_PATH, NO_PATH))
    wanted = reasons.keys() - {result for result in successes if not reasons[result]}
    listed = ",".join(map(str, sorted(wanted)))
    for row in _unsearched(store, listed):
        skipped = row["list"] == "skipped"
        action = skip_advice(row["reason"]) if skipped else path_advice(row["status"])
        if action is not None:
            told = row["reason"] or ("no reason given" if skipped else status_words(row["status"]))
            reasons[row["result"]].append(_item("skipped" if skipped else "not_searched", row, told, action))
    for row in _rejected(store, listed):
        for one in rejections(row["rejections"], _said(row["said"])):
            action = rejection_advice(one["code"], one["follow_up"])
            reasons[row["result"]].append(_item("rejected", row, rejection_words(one), action))
    refs = refs_of(store, [task["seq"] for task in tasks])
    told = [(task, reasons[latest[task["seq"]]["seq"]]) for task in tasks if task["seq"] in latest]
    return [
        task_line(task, refs) | {"concluded_at": iso_or_none(task["concluded_at"]), "review": why}
        for task, why in told
        if why
    ]


def _item(kind: str, row: sqlite3.Row, reason: str, action: str) -> Json:
    return {"kind": kind, "path": row["path"], "payer_id": row["payer_id"], "reason": reason, "action": action}


def _said(text: str | None) -> Json:
    content = parse_json((text or "").encode())
    return content if isinstance(content, dict) else {}


def _pathless(store: Store, results: str) -> list[sqlite3.Row]:
    """Those of the results that have no successful path."""
    return store.read(
        f"""
        SELECT seq AS result, NULL AS path, NULL AS payer_id FROM results WHERE seq IN ({results or "-1"})
            AND NOT EXISTS (SELECT 1 FROM paths WHERE paths.result = results.seq AND paths.list = 'successful')
        """  # noqa: S608 - numbers
    )


def _unsearched(store: Store, results: str) -> list[sqlite3.Row]:
    """The paths of the results that were not searched or were skipped."""
    statuses = ", ".join(f"'{status}'" for status in NOT_SEARCHED)
    return store.read(
        f"""
        SELECT result, list, name AS path, payer_id, status, reason FROM paths WHERE result IN ({results or "-1"})
            AND (list = 'skipped' OR (list = 'unsuccessful' AND lower(trim(status)) IN ({statuses})))
        ORDER BY result, list DESC, position
        """  # noqa: S608 - numbers and constants
    )


def _rejected(store: Store, results: str) -> list[sqlite3.Row]:
    """The answers of the results that hold a rejection."""
    return store.read(
        f"""
        SELECT answers.result, answers.rejections, answers.said,
            coalesce(paths.payer_id, answers.payer_id) AS payer_id,
            CASE WHEN answers.list = '{REAL_TIME}' THEN answers.list ELSE paths.name END AS path
        FROM answers LEFT JOIN paths
            ON paths.result = answers.result AND paths.list = answers.list AND paths.position = answers.position
        WHERE answers.result IN ({results or "-1"}) AND answers.rejections <> ''
        ORDER BY answers.result, answers.list DESC, answers.position, answers.seq
        """  # noqa: S608 - numbers and constants
    )
