"""Concluded tasks that a person should look at, each with what was not searched or was rejected, and what to do.

They are tasks whose bodies contradict each other; successes that name no successful path, or one whose 271 tells of no
coverage or is missing; and failures with paths that were not searched, that were skipped for a reason a person can
mend, or whose answers were rejected. Reads only, in short statements.
"""

from collections.abc import Iterator
from typing import Any

from worker.core.vendor.advice import (
    CHANGED,
    NO_271,
    NO_PATH,
    SAYS_OTHERWISE,
    path_advice,
    rejection_advice,
    skip_advice,
)
from worker.core.vendor.document import REAL_TIME, parse_json
from worker.core.vendor.findings import (
    COVERAGES,
    NO_SUCCESSFUL_PATH,
    NOT_SEARCHED,
    TELLING,
    rejection_words,
    status_words,
)
from worker.store.db.store import Row, Store
from worker.store.views.findings import rejections
from worker.store.views.tasks import refs_of, task_line

Json = dict[str, Any]

PAGE_ROWS = 500


def review_pages(
    store: Store, *, ref: str | None = None, subtenant: str | None = None, limit: int | None = None
) -> Iterator[list[Json]]:
    """Tasks to look at, oldest first, at most ``limit`` of them; ``ref``: only those with this key of the caller's,
    ``subtenant``: only those that were recorded with this tag.

    Each statement examines at most :data:`PAGE_ROWS` concluded tasks, whether there is something to see or not.
    """
    last, left = 0, limit
    narrowed = "" if ref is None else " AND seq IN (SELECT task FROM refs WHERE ref = :ref)"
    narrowed += "" if subtenant is None else " AND subtenant = :subtenant"
    while left is None or left > 0:
        # Concluded tasks are those with an outcome. Asked for by their state, they would be sorted anew for each page.
        tasks = store.read(
            f"""
            SELECT seq, id, state, outcome, subtenant, recorded_at, due_at, concluded_at, abandoned_at, purged_at,
                polls, last_error, verified
            FROM tasks WHERE seq > :last AND outcome IS NOT NULL{narrowed} ORDER BY seq LIMIT :page
            """,  # noqa: S608 - constants
            {"last": last, "ref": ref, "subtenant": subtenant, "page": PAGE_ROWS},
        )
        if not tasks:
            return
        page = _told(store, tasks)[:left]
        if page:
            yield page
        last = tasks[-1]["seq"]
        left = None if left is None else left - len(page)


def _bodies(store: Store, tasks: list[Row]) -> dict[int, list[Row]]:
    """By task its bodies, the latest last."""
    listed = ",".join(str(row["seq"]) for row in tasks)
    found: dict[int, list[Row]] = {}
    for row in store.read(
        f"SELECT seq, task, outcome, revision FROM results WHERE task IN ({listed}) AND source <> 'batch'"  # noqa: S608
        " AND purged_at IS NULL"
    ):
        found.setdefault(row["task"], []).append(row)
    return {task: sorted(rows, key=lambda row: row["revision"]) for task, rows in found.items()}


def _told(store: Store, tasks: list[Row]) -> list[Json]:
    """Those of the tasks that a person should look at, each with the reasons."""
    bodies = _bodies(store, tasks)
    latest = {task: rows[-1] for task, rows in bodies.items()}
    reasons: dict[int, list[Json]] = {result["seq"]: [] for result in latest.values()}
    for rows in bodies.values():
        outcomes = list(dict.fromkeys(row["outcome"] for row in rows if row["outcome"]))
        if len(outcomes) > 1:
            contradiction = f"an earlier body says {outcomes[0]}, and the latest {rows[-1]['outcome']}"
            reasons[rows[-1]["seq"]].append(_item("changed", None, contradiction, CHANGED))
    successes = [result["seq"] for result in latest.values() if result["outcome"] == "success"]
    of_successes = ",".join(map(str, successes))
    for row in _pathless(store, of_successes):
        reasons[row["result"]].append(_item("no_path", row, NO_SUCCESSFUL_PATH, NO_PATH))
    for row in _doubtful(store, of_successes):
        if row["coverage"]:
            doubt = f"listed as successful, but its 271 {COVERAGES[row['coverage']]}"
            reasons[row["result"]].append(_item("271_says_otherwise", row, doubt, SAYS_OTHERWISE))
        else:
            doubt = "listed as successful without a 271 that can be read"
            reasons[row["result"]].append(_item("no_271", row, doubt, NO_271))
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
    return [task_line(task, refs) | {"review": why} for task, why in told if why]


def _item(kind: str, row: Row | None, reason: str, action: str) -> Json:
    path, payer_id = (None, None) if row is None else (row["path"], row["payer_id"])
    return {"kind": kind, "path": path, "payer_id": payer_id, "reason": reason, "action": action}


def _said(text: str | None) -> Json:
    content = parse_json((text or "").encode())
    return content if isinstance(content, dict) else {}


def _pathless(store: Store, results: str) -> list[Row]:
    """Those of the results that have no successful path."""
    return store.read(
        f"""
        SELECT seq AS result, NULL AS path, NULL AS payer_id FROM results WHERE seq IN ({results or "-1"})
            AND NOT EXISTS (SELECT 1 FROM paths WHERE paths.result = results.seq AND paths.list = 'successful')
        """  # noqa: S608 - numbers
    )


def _doubtful(store: Store, results: str) -> list[Row]:
    """The successful paths of the results whose 271, once it was read, tells of no coverage to bill."""
    return store.read(
        f"""
        SELECT paths.result, paths.name AS path, paths.payer_id, min(answers.coverage) AS coverage
        FROM paths JOIN results ON results.seq = paths.result
        LEFT JOIN answers
            ON answers.result = paths.result AND answers.list = paths.list AND answers.position = paths.position
        WHERE paths.result IN ({results or "-1"}) AND paths.list = 'successful' AND results.derived IS NOT NULL
        GROUP BY paths.result, paths.position, paths.name, paths.payer_id
        HAVING coalesce(max(answers.found), 0) = 0 ORDER BY paths.result, paths.position
        """  # noqa: S608 - numbers
    )


def _unsearched(store: Store, results: str) -> list[Row]:
    """The paths of the results that were not searched (:func:`~worker.core.vendor.findings.unsearched`) or skipped."""
    statuses, telling = (", ".join(f"'{one}'" for one in words) for words in (NOT_SEARCHED, TELLING))
    return store.read(
        f"""
        SELECT result, list, name AS path, payer_id, status, reason FROM paths WHERE result IN ({results or "-1"})
            AND (list = 'skipped' OR (
                list IN ('successful', 'unsuccessful') AND lower(trim(status)) IN ({statuses}) AND NOT EXISTS (
                    SELECT 1 FROM answers WHERE answers.result = paths.result AND answers.list = paths.list
                        AND answers.position = paths.position AND answers.coverage IN ({telling}))))
        ORDER BY result, list DESC, position
        """  # noqa: S608 - numbers and constants
    )


def _rejected(store: Store, results: str) -> list[Row]:
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
