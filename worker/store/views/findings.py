"""What came of one task: what its latest body and the batches say of it. Reads only, in short statements."""

from typing import Any

from worker.core.instant import iso
from worker.core.vendor.document import REAL_TIME, Path, parse_json, read_real_time
from worker.core.vendor.findings import Findings, distinct, headline, unsearched
from worker.core.x12.codes import REJECTIONS, words
from worker.core.x12.issues import in_words
from worker.store.db.store import Row, Store
from worker.store.views.found import found_pages
from worker.store.views.said import ALL_SAID, said_of

Json = dict[str, Any]


def findings(store: Store, task: Row) -> Json:
    """The part of ``cdpoll show --json`` that says what came of a task. Of several bodies the latest counts."""
    latest = store.one(
        """
        SELECT seq, revision, source, outcome, received_at, purged_at, body FROM results
        WHERE task = :task AND source <> 'batch' ORDER BY revision DESC LIMIT 1
        """,
        {"task": task["seq"]},
    )
    result = -1 if latest is None else latest["seq"]
    paths = [_path(row) for row in paths_of(store, result)]
    found = [line for page in found_pages(store, task=task["seq"]) for line in page]
    answers = _polled_answers(store, result)
    batches = _batch_answers(store, task["seq"], result)
    real_time = None if latest is None else _real_time(latest["body"], answers)
    not_searched = unsearched(paths, answers)
    patients = _patients([*answers, *batches])
    known = Findings(
        state=task["state"],
        outcome=latest["outcome"] if latest is not None and latest["outcome"] else task["outcome"],
        paths=paths,
        not_searched=not_searched,
        found=distinct(found),
        real_time=real_time,
        polls=task["polls"],
        last_error=task["last_error"],
        several=len(patients) > 1,
    )
    purged_at = task["purged_at"] if latest is None else latest["purged_at"]
    told = headline(known) if purged_at is None else f"purged at {iso(purged_at)}: what was found was removed"
    return {
        "headline": told,
        "latest": None
        if latest is None
        else {key: latest[key] for key in ("revision", "source", "outcome")} | {"at": iso(latest["received_at"])},
        "patients": patients,
        "found": found,
        "paths": paths,
        "not_searched": not_searched,
        "real_time": real_time,
        "answers": answers,
        "batch_answers": batches,
    }


def answers_in_full(store: Store, task_id: str) -> list[tuple[str, Json]]:
    """All that each answer about a task says, and who says it: those of its latest body, then those of batches."""
    rows = store.read(
        f"""
        SELECT coalesce(paths.name, answers.list, files.name) AS teller, {ALL_SAID}
        FROM answers JOIN results ON results.seq = answers.result
        LEFT JOIN paths
            ON paths.result = answers.result AND paths.list = answers.list AND paths.position = answers.position
        LEFT JOIN sets ON sets.seq = answers.from_set
        LEFT JOIN files ON files.seq = sets.file
        WHERE results.task = (SELECT seq FROM tasks WHERE id = :id) AND CASE
            WHEN answers.from_set IS NULL THEN NOT EXISTS (
                SELECT 1 FROM results AS later
                WHERE later.task = results.task AND later.revision > results.revision AND later.source <> 'batch')
            ELSE sets.state = 'accepted' AND files.state = 'ingested' AND NOT EXISTS (
                SELECT 1 FROM texts JOIN results AS polled ON polled.seq = texts.result
                WHERE texts.sha256 = sets.sha256 AND polled.task = results.task)
            END
        ORDER BY answers.from_set IS NOT NULL, answers.seq
        """,  # noqa: S608 - a constant
        {"id": task_id},
    )
    told = [(row["teller"] or "an unnamed path", parse_json(said_of(row))) for row in rows]
    return [
        ("the real-time check" if teller == REAL_TIME else teller, said)
        for teller, said in told
        if isinstance(said, dict)
    ]


def paths_of(store: Store, result: int) -> list[Row]:
    """The paths of a result: the unsuccessful ones, those that found coverage, the skipped, the pending."""
    return store.read(
        "SELECT list, name, status, payer_id, transaction_id, reason, position FROM paths WHERE result = :result"
        " ORDER BY list DESC, position",
        {"result": result},
    )


def _path(row: Row) -> Json:
    return {key: row[key] for key in ("list", "position", "name", "status", "payer_id", "transaction_id", "reason")}


def _real_time(body: bytes, answers: list[Json]) -> Json | None:
    """What the vendor says of the check that began the discovery, in the form of a path; and what its 271 says."""
    content = parse_json(bytes(body))
    path: Path | None = read_real_time(content) if isinstance(content, dict) else None
    if path is None:
        return None
    about = {key: getattr(path, key) for key in ("name", "status", "payer_id", "transaction_id")}
    said = [one["coverage"] for one in answers if one["list"] == REAL_TIME]
    return about | {"coverage": "active" if "active" in said else said[0] if said else None}


SAID = (
    *("coverage", "payer", "payer_id", "member_id", "plan", "group_number", "begins", "ends"),
    "to_ask",
    *("last_name", "first_name", "birth_date"),
)


def _polled_answers(store: Store, result: int) -> list[Json]:
    """What each 271 in a body says, in the order of :func:`paths_of`, that of the real-time check last."""
    rows = store.read(
        f"""
        SELECT answers.list, answers.position, paths.name AS path,
            {", ".join(f"answers.{key}" for key in SAID)}, answers.rejections, answers.warnings, answers.said
        FROM answers LEFT JOIN paths
            ON paths.result = answers.result AND paths.list = answers.list AND paths.position = answers.position
        WHERE answers.result = :result AND answers.from_set IS NULL
        ORDER BY answers.list = :real_time, answers.list DESC, answers.position, answers.seq
        """,  # noqa: S608 - constants
        {"result": result, "real_time": REAL_TIME},
    )
    about = ("list", "position", "path")
    return [{key: row[key] for key in about} | short_answer(row, (row["said"] or "").encode()) for row in rows]


def _batch_answers(store: Store, task: int, result: int) -> list[Json]:
    """What batches said of this task's patient. ``in_result``: the very text stands in the task's body, too."""
    rows = store.read(
        f"""
        SELECT files.name AS file, {", ".join(f"answers.{key}" for key in SAID)}, answers.rejections,
            answers.warnings, results.body, results.received_at, envelopes.test, EXISTS (
                SELECT 1 FROM texts WHERE texts.sha256 = sets.sha256 AND texts.result = :result
            ) AS in_result
        FROM results JOIN answers ON answers.result = results.seq
        JOIN sets ON sets.seq = answers.from_set AND sets.state = 'accepted'
        JOIN files ON files.seq = sets.file AND files.state = 'ingested'
        JOIN envelopes ON envelopes.seq = sets.envelope
        WHERE results.task = :task AND results.source = 'batch' ORDER BY results.seq
        """,  # noqa: S608 - constants
        {"task": task, "result": result},
    )
    return [
        {"file": row["file"]}
        | short_answer(row, bytes(row["body"]))
        | {"received_at": iso(row["received_at"]), "test": bool(row["test"]), "in_result": bool(row["in_result"])}
        for row in rows
    ]


def short_answer(row: Row, said: bytes) -> Json:
    """What an answer says, of a row with the columns :data:`SAID`, ``rejections`` and ``warnings``, and of its JSON."""
    content = parse_json(said)
    content = content if isinstance(content, dict) else {}
    return {key: row[key] for key in SAID} | {
        "ended_payers": [_not_found(one) for one in _objects(content.get("other_payers")) if one.get("ended")],
        "later_payers": [_not_found(one) for one in _objects(content.get("other_payers")) if one.get("begins_later")],
        "rejections": rejections(row["rejections"], content),
        "warnings": in_words(row["warnings"]),
    }


def _objects(listed: object) -> list[Json]:
    return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []


def _not_found(other: Json) -> Json:
    """Another payer that the answer names, whose coverage had ended or begins later: not found coverage."""
    told = {"payer": "name", "payer_id": "id", "begins": "begins", "ends": "ends"}
    return {key: str(other.get(name) or "") for key, name in told.items()}


def rejections(codes: str, said: Json) -> list[Json]:
    """The rejections of an answer in words: ``code``, ``text``, ``follow_up``, ``follow_up_text``; each once."""
    told = _objects(said.get("rejections"))
    told = told or [{"code": code, "text": words(REJECTIONS, code)} for code in codes.split()]
    keys = ("code", "text", "follow_up", "follow_up_text")
    found = [{key: str(one.get(key) or "") for key in keys} for one in told]
    return [one for number, one in enumerate(found) if one not in found[:number]]


def _patients(answers: list[Json]) -> list[Json]:
    """Whom the answers speak of, each person once. One without a birth date is another only by its name."""
    found = [{key: one[key] for key in ("last_name", "first_name", "birth_date")} for one in answers]
    named = [one for number, one in enumerate(found) if any(one.values()) and one not in found[:number]]
    born = [{**one, "birth_date": ""} for one in named if one["birth_date"]]
    return [one for one in named if one["birth_date"] or one not in born]
