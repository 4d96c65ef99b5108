"""Results as they go out: each once for each ref, in the order of the numbers, as JSON objects of a documented shape.

``cdpoll export`` prints these objects, and the ways out send them. ``worker/core/vendor/result.schema.json`` is their
schema, docs/integration.md says what each key means. Reads only, in short statements.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from worker.core.instant import iso_or_none
from worker.core.vendor.document import REAL_TIME, parse_json, read_real_time, text
from worker.core.vendor.findings import unsearched
from worker.core.vendor.passed_on import unknown_of_body, unknown_of_path
from worker.store import counters, outbox
from worker.store.db.store import Row, Store
from worker.store.views.entries import Entry, each_ref
from worker.store.views.findings import SAID, short_answer
from worker.store.views.found import coverages_of
from worker.store.views.said import ALL_SAID, said_of

Json = dict[str, Any]


class Page(NamedTuple):
    """What goes out behind a number. ``up_to`` is the last number that was looked at; where it is the number that was
    asked with, nothing follows yet."""

    entries: list[Entry]
    up_to: int


def last_number(store: Store) -> int:
    """The last number that was given."""
    return counters.value(store, "outbox")


def entries_after(store: Store, number: int, most: int) -> Page:
    """What goes out behind ``number``, of up to ``most`` numbers.

    Left out is what a later number replaces: the same result for the same ref, or a later body of the task. And answers
    of batches are left out whose very text stands in a polled result, which goes out itself. The page ends before a
    result whose 271s are still to be read
    (:func:`~worker.rounds.ingest.deriving.derive_fresh`): it would go out without what it has found.
    """
    published = outbox.after(store, number, most)
    unread = _those(store, published, "source <> 'batch' AND derived IS NULL")
    whole = []
    for one in published:
        if one.result in unread:
            break
        whole.append(one)
    if not whole:
        return Page([], number)
    elsewhere = _those(store, whole, f"({_POLLED} OR {_REPLACED})")
    goes = [one for one in outbox.standing(store, whole) if one.result not in elsewhere]
    return Page(each_ref(store, goes), whole[-1].number)


_REPLACED = """
results.source <> 'batch' AND EXISTS (
    SELECT 1 FROM results AS later
    WHERE later.task = results.task AND later.revision > results.revision AND later.source <> 'batch'
)
"""
_POLLED = """
source = 'batch' AND EXISTS (
    SELECT 1 FROM answers JOIN sets ON sets.seq = answers.from_set JOIN texts ON texts.sha256 = sets.sha256
    WHERE answers.result = results.seq
)
"""


def _those(store: Store, published: Iterable[outbox.Published], condition: str) -> set[int]:
    """The results among these for which the condition holds."""
    listed = _list(one.result for one in published)
    if not listed:
        return set()
    return {row["seq"] for row in store.read(f"SELECT seq FROM results WHERE seq IN ({listed}) AND {condition}")}  # noqa: S608


def _list(numbers: Iterable[int]) -> str:
    return ",".join(map(str, sorted(set(numbers))))


def entries_of(store: Store, numbers: Iterable[int]) -> list[Entry]:
    """What was published under these numbers, also where a later number replaces it."""
    found: list[Entry] = []
    for number in sorted(set(numbers)):
        found += each_ref(store, [one for one in outbox.after(store, number - 1, 1) if one.number == number])
    return found


PIECE_BYTES = 8 * 1024 * 1024


def pieces(store: Store, entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """The entries in pieces whose bodies have up to :data:`PIECE_BYTES` together, or that are one entry: a body may
    have 16 MiB, and its object takes a few times as much memory."""
    entries = list(entries)
    listed = _list(one.result for one in entries)
    if not listed:
        return
    sizes = {
        row["seq"]: row["size"]
        for row in store.read(f"SELECT seq, length(body) AS size FROM results WHERE seq IN ({listed})")  # noqa: S608
    }
    piece: list[Entry] = []
    size = 0
    for entry in entries:
        mine = sizes.get(entry.result, 0)
        if piece and size + mine > PIECE_BYTES:
            yield piece
            piece, size = [], 0
        piece.append(entry)
        size += mine
    yield piece


def objects(store: Store, entries: Iterable[Entry]) -> dict[int, Json]:
    """By number the exported objects. A result that is gone, was purged, or is replaced by a later body has none."""
    entries = list(entries)
    listed = _list(one.result for one in entries)
    if not listed:
        return {}
    rows = store.read(
        f"""
        SELECT results.seq, results.task, results.source, results.revision, results.outcome, results.received_at,
            results.body, tasks.id, tasks.name, tasks.trace_id, tasks.recorded_at, tasks.concluded_at,
            coalesce(tasks.correlation_id, expected.correlation_id) AS correlation_id,
            coalesce(tasks.subtenant, expected.subtenant) AS subtenant
        FROM results LEFT JOIN tasks ON tasks.seq = results.task
        LEFT JOIN expected ON expected.seq = results.expected AND results.task IS NULL
        WHERE results.seq IN ({listed}) AND length(results.body) > 0 AND NOT ({_REPLACED})
        """  # noqa: S608 - numbers and constants
    )
    by_result = {row["seq"]: row for row in rows}
    coverages = coverages_of(store, by_result)
    paths, answers, batches = _paths(store, listed), _answers(store, listed), _batches(store, listed)
    said = {
        result: _said(row, paths.get(result, []), answers.get(result, []), batches.get(result))
        | {"found": [_coverage(one) for one in coverages.get(result, [])]}
        for result, row in by_result.items()
    }
    asked = _correlation_ids(store, [row["task"] for row in rows])
    found = {}
    for entry in entries:
        if entry.seq is not None and entry.result in by_result:
            row = by_result[entry.result]
            found[entry.seq] = {
                "seq": entry.seq,
                "kind": "task" if row["source"] != "batch" else "batch",
                "id": row["id"],
                "ref": entry.ref,
                "correlation_id": asked.get((row["task"], entry.ref)) or row["correlation_id"],
                **{key: row[key] for key in ("trace_id", "subtenant", "name", "source", "outcome")},
                "revision": None if row["source"] == "batch" else row["revision"],
                **{key: iso_or_none(row[key]) for key in ("recorded_at", "concluded_at", "received_at")},
                "visible_at": iso_or_none(entry.at),
                **said[entry.result],
            }
    return found


def x12_of(told: Json) -> list[str]:
    """The 271 texts of an exported object: those of its paths in their order, then that of the real-time check."""
    tellers = [*told["paths"], told["real_time"] or {}, told["batch"] or {}]
    return [one["x12"] for one in tellers if one.get("x12")]


def _said(row: Row, paths: list[Json], answers: list[Json], batch: Json | None) -> Json:
    """What an object says of the content of its result. ``paths`` and ``answers`` are those of its rows."""
    if batch is not None:
        return {
            "paths": [],
            "unanswered_paths": [],
            "real_time": None,
            "answers": answers,
            "batch": batch,
            "vendor": {},
        }
    content = parse_json(bytes(row["body"]))
    content = content if isinstance(content, dict) else {}
    lists = content.get("discoveryPaths")
    entries = lists if isinstance(lists, dict) else {}
    whole = [_path(path, _entry(entries.get(path["list"]), path["position"])) for path in paths]
    return {
        "paths": whole,
        "unanswered_paths": [
            {key: path[key] for key in ("list", "position", "name", "status", "payer_id", "reason")}
            for path in unsearched(whole, answers)
        ],
        "real_time": _real_time(content),
        "answers": answers,
        "batch": None,
        "vendor": unknown_of_body(content),
    }


def _entry(listed: object, position: int) -> Json:
    entry = listed[position] if isinstance(listed, list) and position < len(listed) else None
    return entry if isinstance(entry, dict) else {}


def _path(path: Json, entry: Json) -> Json:
    transaction = entry.get("transaction")
    return {
        **path,
        "description": text(entry.get("description")),
        "x12": text(transaction.get("x12-271")) if isinstance(transaction, dict) else None,
        "vendor": unknown_of_path(entry),
    }


def _real_time(content: Json) -> Json | None:
    path = read_real_time(content)
    if path is None:
        return None
    about = {key: getattr(path, key) for key in ("name", "status", "payer_id", "transaction_id", "x12")}
    return about | {"vendor": unknown_of_path(content.get(REAL_TIME))}


def _coverage(line: Json) -> Json:
    """A coverage without what stands in the object itself."""
    return {key: value for key, value in line.items() if key not in ("id", "subtenant")}


def _paths(store: Store, listed: str) -> dict[int, list[Json]]:
    """By result its paths, in the order of the body's lists."""
    found: dict[int, list[Json]] = {}
    keys = ("list", "position", "path_id", "name", "status", "payer_id", "transaction_id", "reason", "timestamp")
    for row in store.read(
        f"SELECT result, {', '.join(keys)} FROM paths WHERE result IN ({listed}) ORDER BY result, list DESC, position"  # noqa: S608
    ):
        found.setdefault(row["result"], []).append({key: row[key] for key in keys})
    return found


def _answers(store: Store, listed: str) -> dict[int, list[Json]]:
    """By result what each of its 271s says."""
    found: dict[int, list[Json]] = {}
    for row in store.read(
        f"""
        SELECT answers.result, answers.list, answers.position, {", ".join(f"answers.{key}" for key in SAID)},
            answers.rejections, answers.warnings, {ALL_SAID}
        FROM answers JOIN results ON results.seq = answers.result
        WHERE answers.result IN ({listed}) ORDER BY answers.seq
        """  # noqa: S608 - constants and numbers
    ):
        about = {key: row[key] for key in ("list", "position")}
        found.setdefault(row["result"], []).append(about | short_answer(row, said_of(row)))
    return found


def _batches(store: Store, listed: str) -> dict[int, Json]:
    """By result of a batch, where it came from and what it was joined by."""
    rows = store.read(
        f"""
        SELECT answers.result, answers.seq, files.name AS file, answers.match, answers.trace_number,
            answers.originator_id, answers.reference, answers.account, sets.raw
        FROM answers JOIN sets ON sets.seq = answers.from_set JOIN files ON files.seq = sets.file
        WHERE answers.result IN ({listed})
        """  # noqa: S608 - numbers
    )
    candidates: dict[int, list[str]] = {}
    of_answers = _list(row["seq"] for row in rows if row["match"] == "candidate")
    if of_answers:
        for row in store.read(
            f"""
            SELECT candidates.answer, tasks.id FROM candidates JOIN tasks ON tasks.seq = candidates.task
            WHERE candidates.answer IN ({of_answers}) ORDER BY candidates.answer, tasks.seq
            """  # noqa: S608 - numbers
        ):
            candidates.setdefault(row["answer"], []).append(row["id"])
    keys = ("file", "match", "trace_number", "originator_id", "reference", "account")
    return {
        row["result"]: {
            **{key: row[key] or None for key in keys},
            "candidates": candidates.get(row["seq"], []),
            "x12": _decoded(bytes(row["raw"])),
        }
        for row in rows
    }


def _decoded(raw: bytes) -> str | None:
    """The bytes of a set as text; Latin-1 where they are no UTF-8, as senders of letters with accents write."""
    try:
        return raw.decode() or None
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _correlation_ids(store: Store, tasks: Iterable[int | None]) -> dict[tuple[int, str | None], str]:
    """By task and ref, the correlation id of the request that named the ref."""
    listed = _list(task for task in tasks if task is not None)
    if not listed:
        return {}
    rows = store.read(
        f"SELECT task, ref, correlation_id FROM refs WHERE task IN ({listed}) AND correlation_id IS NOT NULL"  # noqa: S608
    )
    return {(row["task"], row["ref"]): row["correlation_id"] for row in rows}
