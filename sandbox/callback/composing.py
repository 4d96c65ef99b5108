"""What a delivery sends: the body of its task as a poll would see it, in the manner of the vendor's generation, and
what the faults make of it."""

import json
import random
from collections.abc import Callable
from dataclasses import replace

from sandbox.callback.deliveries import Delivery, Message
from sandbox.ledger import Ledger
from sandbox.mischief import FOREIGN_TENANT, MIB_BYTES, Mischief
from sandbox.quirks import Body, Poll, deny, spoil
from sandbox.timetable import new_id
from sandbox.wire import encode

# Those that add a delivery about the same task, as much later as their argument says.
_AGAIN = ("callback_twice", "callback_revised", "callback_realtime", "callback_late_pending")
# The quirk that makes the body of such a delivery another than the first.
_OTHERWISE = {"callback_revised": "revised", "callback_realtime": "realtime"}


def prepare(delivery: Delivery, ledger: Ledger, mischief: Mischief, tenant_id: str, now: int) -> Message | None:
    """What a delivery sends, made before its first try; ``None`` where it is not to be sent now.

    Faults of callbacks strike what a task ended with, once for all its tries. They may put it off, lose it, or add
    further deliveries, which no fault of this kind strikes.
    """
    if delivery.message is not None:
        return delivery.message
    if delivery.marks is None:
        delivery.marks = {}
        if delivery.why == "ended":
            rules = mischief.of_callback(delivery.task.id, now)
            delivery.marks = {name: rule.argument for name, rule in rules.items()}
            if "callback_lost" in rules:
                delivery.state = "lost"
                return None
            if "callback_late" in rules:
                ledger.deliveries.postpone(delivery, now + mischief.span_ms(rules["callback_late"].argument))
                return None
    for name in delivery.marks:
        if name in _AGAIN:
            later = mischief.span_ms(delivery.marks[name])
            ledger.deliveries.add(delivery.task, name, now + later)
        elif name in ("callback_unknown", "callback_forged"):
            _about_another(delivery, ledger, name, now)
    delivery.message = _message(delivery, ledger, mischief, tenant_id, now)
    return delivery.message


def _about_another(delivery: Delivery, ledger: Ledger, why: str, now: int) -> None:
    """A delivery about a task like this one under an id that no answer has named. The vendor knows it by
    ``callback_unknown``, and does not by ``callback_forged``."""
    task = delivery.task
    other = replace(task, id=new_id(random.Random(f"{ledger.seed}|{why}|{task.id}")))
    if why == "callback_unknown":
        ledger.tasks[other.id] = other
    ledger.deliveries.add(other, why, now)


def _message(delivery: Delivery, ledger: Ledger, mischief: Mischief, tenant_id: str, now: int) -> Message:
    task, marks = delivery.task, delivery.marks or {}
    at = task.start if delivery.is_pending else max(now, task.end or now)
    body: Body = json.loads(ledger.task_bytes(task, at))
    if delivery.why in _OTHERWISE:
        spoil(body, {_OTHERWISE[delivery.why]: Poll(task, 2, 2, "", {})})
    if "callback_mismatch" in marks:
        deny(body)
    # last, for what is odd in a body takes away what the others read
    body = json.loads(mischief.callback_body(task.id, encode(body), now, ledger))
    older = ledger.deliveries.target is not None and ledger.deliveries.target.generation == "older"
    if older and "endDateTime" in body:
        body["endDatetime"] = body.pop("endDateTime")
    headers = {"Content-Type": "application/json", "x-optum-tenant-id": tenant_id}
    if task.correlation_id:
        headers["x-optum-correlation-id"] = task.correlation_id
    for name in marks:
        if name in _TENANTS:
            _TENANTS[name](headers, body)
    if "callback_content_type" in marks:
        headers["Content-Type"] = marks["callback_content_type"]
    said = encode(body)
    return Message(
        headers=tuple(headers.items()),
        body=said[: len(said) * 2 // 3] if "callback_broken" in marks else said,
        pad=int(marks.get("callback_oversized", "0")) * MIB_BYTES,
        pause_ms=mischief.span_ms(marks["callback_slow"]) if "callback_slow" in marks else 0,
    )


def _foreign(headers: dict[str, str], body: Body) -> None:
    headers["x-optum-tenant-id"] = FOREIGN_TENANT
    body["tenantName"] = "Another Customer"


def _no_tenant(headers: dict[str, str], _body: Body) -> None:
    headers.pop("x-optum-tenant-id", None)


def _empty_tenant(headers: dict[str, str], _body: Body) -> None:
    headers["x-optum-tenant-id"] = ""


_TENANTS: dict[str, Callable[[dict[str, str], Body], None]] = {
    "callback_foreign": _foreign,
    "callback_no_tenant": _no_tenant,
    "callback_empty_tenant": _empty_tenant,
}
