"""What happens to the requests that submit something: real-time checks and direct discoveries, as JSON or X12."""

from dataclasses import replace
from typing import Any

from sandbox.inquiry import Inquiry, from_json, from_x12, valid_npi
from sandbox.ledger import Ledger, Submission
from sandbox.mischief import Mischief
from sandbox.requests import Invalid, check_discovery, check_eligibility, check_x12, json_object
from sandbox.steering import PREFIX as STEERED
from sandbox.steering import course
from sandbox.tasks import Task
from sandbox.timetable import NAMES, Path, new_id
from sandbox.transactions import Transaction
from sandbox.wire import Reply, Request, json_reply, problem

_UNQUALIFIED = (
    f"Unprocessable Resource - Task {NAMES['chained']}: no discovery path qualifies for this request. "
    "Submit it with dryRun to see which paths would."
)


def link_value(task: Task) -> str:
    """The member of a ``Link`` header that names a task."""
    return f'</coverage-discovery/{task.id}>; title="coverage discovery - {task.name}"; rel="related"'


def real_time(request: Request, ledger: Ledger, mischief: Mischief, now: int) -> Reply:
    """A real-time check as JSON. Raises Invalid and UnknownWord."""
    body = json_object(request.body)
    check_eligibility(body)
    return _check(request, "real_time", from_json(body), ledger, mischief, now)


def real_time_x12(request: Request, ledger: Ledger, mischief: Mischief, now: int) -> Reply:
    """A real-time check that carries a 270. Raises Invalid and UnknownWord."""
    ask = from_x12(check_x12(json_object(request.body).get("x12"), "x12", "270"))
    return _check(request, "real_time_x12", ask, ledger, mischief, now)


def _check(request: Request, operation: str, ask: Inquiry, ledger: Ledger, mischief: Mischief, now: int) -> Reply:
    correlation = request.headers.get("x-optum-correlation-id", "")
    known = ledger.first.get(ask.key)
    switched_off = "deduplication" in request.headers.get("x-optum-eligibility-disable-value-add", "")
    if known and not switched_off and mischief.deduplicates(known[0].at, now):
        return _replayed(known, correlation, ledger, now)
    chance = ledger.chance("real-time", ask)
    submission = Submission(ask, course(ask, chance), chance, correlation, now)
    made = ledger.transact(submission)
    odd = mischief.odd_ids(request, operation, now)
    tasks = [] if made.no_npi else ledger.begin(submission, parent=made, odd_ids=odd)
    link = ", ".join(link_value(task) for task in tasks)
    ledger.first[ask.key] = (made, link)
    return _answer(made, link)


def _answer(made: Transaction, link: str) -> Reply:
    return json_reply(200, made.body(), *([("link", link)] if link else []))


def _replayed(known: tuple[Transaction, str], correlation: str, ledger: Ledger, now: int) -> Reply:
    """De-duplication: the earlier answer again under a new id, naming the same tasks."""
    first, link = known
    made = replace(
        first, id=new_id(ledger.ids), source_id=first.id, source_type="duplicate", correlation_id=correlation, at=now
    )
    ledger.transactions[made.id] = made
    return _answer(made, link)


def discovery(request: Request, ledger: Ledger, mischief: Mischief, now: int) -> Reply:
    """A direct discovery as JSON: 202, 207, 422, or the result of a dry run. Raises Invalid and UnknownWord."""
    body = json_object(request.body)
    check_discovery(body)
    asked = body.get("canonicalEligibilityRequest")
    if not isinstance(asked, dict):
        raise Invalid("Failed Precondition - Field 'canonicalEligibilityRequest' is required, as an object")
    check_eligibility(asked, "canonicalEligibilityRequest")
    return _discover(request, "discovery", from_json(asked), ledger, mischief, now)


def discovery_x12(request: Request, ledger: Ledger, mischief: Mischief, now: int) -> Reply:
    """A direct discovery that carries a 270 and the 271 that answered it; else as :func:`discovery`."""
    body = json_object(request.body)
    check_discovery(body)
    ask = from_x12(check_x12(body.get("x12-270"), "x12-270", "270"))
    check_x12(body.get("x12-271"), "x12-271", "271")
    return _discover(request, "discovery_x12", ask, ledger, mischief, now)


def _discover(request: Request, operation: str, ask: Inquiry, ledger: Ledger, mischief: Mischief, now: int) -> Reply:
    if not valid_npi(ask.npi):
        raise Invalid("Failed Precondition - no valid NPI was found in the request")
    body = json_object(request.body)
    chance = ledger.chance("discovery", ask, dry_run=body.get("dryRun", False))
    way = course(ask, chance)
    if not ask.member_id.upper().startswith(STEERED):
        # HMO is a path that works on an answer, so the task that holds it qualifies only where one names an HMO
        answer = body.get("canonicalEligibilityResponse") or {}
        way = replace(way, tasks=2 if "hmo" in (answer.get("plan") or {}) else 1, kind="serial")
    if not way.tasks:
        return problem(422, _UNQUALIFIED)
    if body.get("dryRun"):
        rows = [_dry(paths) for paths in ledger.dry_run(way, chance, now)]
    else:
        submission = Submission(ask, way, chance, request.headers.get("x-optum-correlation-id", ""), now)
        odd = mischief.odd_ids(request, operation, now)
        rows = [
            _begun(task) for task in ledger.begin(submission, callback_url=body.get("callbackUrl", ""), odd_ids=odd)
        ]
    if way.mixed:
        rows.append({"status": 422, "body": _UNQUALIFIED})
    if len(rows) > 1:
        return json_reply(207, rows)
    only = rows[0]
    return json_reply(only["status"], only["body"], *([("location", only["href"])] if "href" in only else []))


def _dry(paths: tuple[Path, ...]) -> dict[str, Any]:
    body = {
        "successful": [],
        "unsuccessful": [{"name": p.name, "reason": p.reason} for p in paths if p.reason],
        "pending": [{"name": p.name} for p in paths if not p.reason],
    }
    return {"status": 200, "body": body}


def _begun(task: Task) -> dict[str, Any]:
    return {"status": 202, "body": {"id": task.id, "name": task.name}, "href": f"/coverage-discovery/{task.id}"}
