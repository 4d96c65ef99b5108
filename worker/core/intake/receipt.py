"""What the body of an answer to a discovery POST names: 202 (an object), 207 (an array), 200 (a dry run).

A task's own body is read too. A real-time answer is refused: its ``id`` is a transaction's, and to poll it would be to
ask for another patient. Notes and reasons never quote the body.
"""

import json
from typing import NamedTuple

from worker.core.errors import BadData
from worker.core.intake.json_documents import Variant
from worker.core.intake.link import NamedTask, TaskLinks, Unreadable, read_location, unreadable, valid_id
from worker.core.intake.link_grammar import printable

# What only a transaction has at its top level (or a path of a task, whose id is not the task's), and only an error.
_TRANSACTION = frozenset(
    ("sourceType", "processedDate", "payer", "subscriber", "patient", "plan", "benefits", "x12-271", "transaction")
)
_ERROR = frozenset({"error", "errors", "error_description", "fault", "message"})
_DRY_RUN = frozenset({"successful", "unsuccessful", "pending", "skipped"})
_HINT = "hand in the body of a 202 or 207 answer"


class Receipt(NamedTuple):
    """The tasks that were accepted, what should have named one and does not, and notes on what was not accepted."""

    tasks: tuple[NamedTask, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
    notes: tuple[str, ...] = ()


def read_receipt(document: object, name: str) -> Receipt:
    """What a parsed body names; ``name`` stands for it in what people read. Raises ``BadData`` for other bodies."""
    if isinstance(document, dict):
        return _from_object(document, name)
    if isinstance(document, list) and any(isinstance(item, dict) for item in document):
        if all(isinstance(item, dict) and _is_transaction(item) for item in document):
            raise BadData(f"{name} is a list of transactions: their ids are not tasks'", _HINT)
        parts = [_from_item(item, f"item {n}") for n, item in enumerate(document, 1)]
        return Receipt(
            tuple(task for part in parts for task in part.tasks),
            tuple(lost for part in parts for lost in part.unreadable),
            tuple(note for part in parts for note in part.notes),
        )
    kind = "an error" if isinstance(document, list) and document else "not the answer to a discovery POST"
    raise BadData(f"{name} is {kind}: it names no task", _HINT)


def _from_object(body: dict[str, object], name: str) -> Receipt:
    is_task = isinstance(body.get("discoveryPaths"), dict)
    if not is_task and _is_transaction(body):
        raise BadData(
            f"{name} is the answer of a real-time check: its id is not a task's",
            "its tasks are in the Link header: hand in its headers (--headers of record)",
        )
    if not is_task and any(body.get(key) for key in _ERROR):
        raise BadData(f"{name} is an error: it names no task", _HINT)
    if "id" not in body and _is_dry_run(body):
        return Receipt(notes=(f"{name} is the answer of a dry run: no task was created",))
    if not (is_task or "name" in body or body.keys() == {"id"}):
        raise BadData(f"{name} is not the answer to a discovery POST", _HINT)
    found = body.get("id")
    if not isinstance(found, str) or not valid_id(found):
        return _lost(body, f"{name}: no valid task id")
    return Receipt((NamedTask(found, _title(body)),))


def _is_transaction(body: dict[str, object]) -> bool:
    return bool(_TRANSACTION & body.keys()) or isinstance(body.get("status"), dict)


def is_real_time_answer(record: dict[str, object]) -> bool:
    """Whether what should be a line of a caller's is the answer of a real-time check, whose id is no task's. A caller's
    own key may have the name of one of the vendor's; its value is seldom an object."""
    return isinstance(record.get("status"), dict) or any(
        isinstance(record[key], dict | list) for key in _TRANSACTION & record.keys()
    )


def _is_dry_run(body: object) -> bool:
    return isinstance(body, dict) and bool(body) and body.keys() <= _DRY_RUN


def _from_item(item: object, name: str) -> Receipt:
    """One item of a 207. What was accepted has a status of 2xx, and its id in ``body``, in ``href``, or in both.

    Both may name tasks of their own only where keys stood twice: then each was read from another value.
    """
    if not isinstance(item, dict):
        return _lost(item, f"{name} is not an object")
    status, body, href = item.get("status"), item.get("body"), item.get("href")
    if isinstance(item.get("discoveryPaths"), dict):
        return _from_object(item, name)  # from a list of tasks
    if isinstance(status, bool) or not isinstance(status, int):
        return _lost(item, f"{name} has no HTTP status")
    receipt = body if isinstance(body, dict) else {}
    links = read_location(href) if isinstance(href, str) else TaskLinks()
    silent = receipt.get("id") is None and href is None
    if not 200 <= status < 300:
        if silent:
            return Receipt(notes=(f"{name}: status {status}: no task was created",))
        return _lost(item, f"{name}: status {status}, and yet it names a task")
    if silent and _is_dry_run(body):
        return Receipt(notes=(f"{name}: status {status}: a dry run, no task was created",))
    hosts = {task.id: task.host for task in links.tasks}
    if receipt.get("id") is not None:
        hosts.setdefault(str(receipt["id"]), None)
    certain = len(hosts) == 1 or (len(hosts) > 1 and isinstance(item, Variant))
    if not certain or links.unreadable or not all(map(valid_id, hosts)):
        return _lost(item, f"{name}: status {status}: its body and href do not hold exactly one valid task id")
    return Receipt(tuple(NamedTask(found, _title(receipt), host) for found, host in hosts.items()))


def _title(body: dict[str, object]) -> str | None:
    title = body.get("name")
    return printable(title) if isinstance(title, str) and title else None


def _lost(value: object, reason: str) -> Receipt:
    return Receipt(unreadable=(unreadable(json_text(value), reason),))


def json_text(value: object) -> str:
    """A parsed value as JSON again, to be kept; a string as it is."""
    try:
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return "(nested too deeply to be shown)"
