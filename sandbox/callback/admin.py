"""What a person at the vendor can do about callbacks, over HTTP on the sandbox's own port: look at the deliveries, and
replay some by id or by the time range in which their tasks ended. No token is asked for, and no fault strikes.

GET  /sandbox/callbacks          how many are in each state, and every delivery (``?state=given_up``, ``?id=…``)
POST /sandbox/callbacks/replay   ``{"ids": ["…"]}`` or ``{"from": "2026-01-01T00:00:00Z", "to": "…"}``; either end may
                                 be left out
"""

import json
from typing import Any
from urllib.parse import parse_qs

from sandbox.callback.deliveries import Delivery
from sandbox.ledger import Ledger
from sandbox.tasks import Task
from sandbox.wire import Reply, Request, json_reply, problem
from worker.core.instant import FAR, from_iso, iso

PREFIX = "/sandbox/"


def answer(request: Request, ledger: Ledger, now: int) -> Reply:
    """The answer to a request below PREFIX. The caller holds the vendor's lock."""
    match request.method, request.path.removeprefix(PREFIX).rstrip("/"):
        case "GET", "callbacks":
            return json_reply(200, _shown(request, ledger))
        case "POST", "callbacks/replay":
            return _replay(request, ledger, now)
    return problem(404, "Not Found - there are GET /sandbox/callbacks and POST /sandbox/callbacks/replay")


def _shown(request: Request, ledger: Ledger) -> dict[str, Any]:
    query = parse_qs(request.query)
    states, ids = query.get("state"), query.get("id")
    target = ledger.deliveries.target
    return {
        "callback_url": target.url if target else None,
        "generation": target.generation if target else None,
        "counts": ledger.deliveries.counts(),
        "deliveries": [
            _row(one)
            for one in ledger.deliveries.all
            if (states is None or one.state in states) and (ids is None or one.task.id in ids)
        ],
    }


def _row(delivery: Delivery) -> dict[str, Any]:
    waits = delivery.state == "waiting"
    return {
        "number": delivery.number,
        "id": delivery.task.id,
        "why": delivery.why,
        "faults": sorted(delivery.marks or {}),
        "state": delivery.state,
        "due": iso(delivery.due) if waits else None,
        "tries": [{"at": iso(at), "outcome": outcome} for at, outcome in delivery.tries],
    }


def _replay(request: Request, ledger: Ledger, now: int) -> Reply:
    if ledger.deliveries.target is None:
        return problem(409, "Conflict - this sandbox delivers no callbacks: see --callback-url")
    try:
        asked = json.loads(request.body)
        tasks, unknown = _by_id(asked, ledger) if "ids" in asked else (_by_time(asked, ledger, now), [])
    except (ValueError, TypeError, RecursionError):
        return problem(400, 'Bad Request - write {"ids": ["…"]}, or {"from": "…", "to": "…"} with instants')
    pending = [task.id for task in tasks if task.status_at(now) == "pending"]
    count = ledger.deliveries.replay(tasks, now)
    return json_reply(202, {"replayed": count, "pending": pending, "unknown": unknown})


def _by_id(asked: dict[str, Any], ledger: Ledger) -> tuple[list[Task], list[str]]:
    """The tasks of some ids, and the ids of no task. Raises ValueError and TypeError."""
    ids = asked["ids"]
    if asked.keys() != {"ids"} or not isinstance(ids, list) or not all(isinstance(one, str) for one in ids):
        raise ValueError
    return [ledger.tasks[one] for one in ids if one in ledger.tasks], [one for one in ids if one not in ledger.tasks]


def _by_time(asked: object, ledger: Ledger, now: int) -> list[Task]:
    """The tasks that ended in a time range. Raises ValueError."""
    if not isinstance(asked, dict) or not asked or asked.keys() - {"from", "to"}:
        raise ValueError
    ends = {name: from_iso(text) for name, text in asked.items()}
    low, high = ends.get("from", 0), ends.get("to", FAR)
    if low is None or high is None or low > high:
        raise ValueError
    return [task for task in ledger.tasks.values() if task.end is not None and low <= task.end <= min(high, now)]
