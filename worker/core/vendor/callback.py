"""What becomes of a callback, as far as its headers and its body alone decide it.

==========================================================  ===================================================
the body, of a delivery with a token that may               what becomes of it
==========================================================  ===================================================
is for another tenant, as the header says                   quarantine: ``other_tenant``
is no JSON, or a page for people                            quarantine: ``not_json``, ``html``
has more values than any real one                           quarantine: ``too_many_values``
is JSON of no task, or of one whose id cannot be one        quarantine: ``no_task``, ``bad_id``
has no root status, or one that is not in the contract      quarantine: ``no_status``, ``unknown_status``
root status pending                                         the task is recorded, if it was not; nothing else
root status success or failure                              the task is concluded
==========================================================  ===================================================

All of them are answered 204: a refusal is tried again five times and then lost, and would not make the body better.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from worker.core.intake.link import valid_id
from worker.core.schedule.cadence import Schedule
from worker.core.vendor.document import Document, NoDocument, read_document
from worker.core.vendor.reply import is_other_tenant

# One takes up to a KB of memory when it is read; a real body has some hundred.
MOST_VALUES = 500_000

Verify = Literal["unknown", "all", "off"]


class CallbackRules(NamedTuple):
    """What deliveries are judged by. ``origin``: of the API; empty without one: then nothing can be verified."""

    tenant_id: str | None
    verify: Verify
    origin: str
    schedule: Schedule
    grace_ms: int


class Delivery(NamedTuple):
    """A delivery as it came; the headers with blanks cut off, and ``None`` where they were missing or empty."""

    body: bytes
    tenant: str | None = None
    correlation_id: str | None = None
    trace_id: str | None = None


@dataclass(frozen=True, slots=True)
class Quarantined:
    """Kept whole for a person; ``code`` says why."""

    code: str


def read_callback(body: bytes, tenant: str | None, tenant_id: str | None) -> Document | Quarantined:
    """Read the body of a callback. ``tenant`` is what its header says, ``tenant_id`` the configured one. Never raises.

    A missing or empty header is normal, and without a configured tenant each is ours.
    """
    if tenant_id and tenant and is_other_tenant(tenant_id, tenant):
        return Quarantined("other_tenant")
    if sum(map(body.count, (b",", b"[", b"{"))) > MOST_VALUES:
        return Quarantined("too_many_values")
    document = read_document(body, None)
    if isinstance(document, NoDocument):
        return Quarantined(document.code)
    if not valid_id(document.id):
        return Quarantined("bad_id")
    return document
