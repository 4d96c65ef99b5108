"""From the benefits of one patient to one word for the coverage."""

from collections.abc import Iterable
from typing import Literal

from msgspec.structs import replace

from worker.core.x12.benefits import Benefit
from worker.core.x12.codes import ACTIVE, INACTIVE
from worker.core.x12.dates import Period
from worker.core.x12.in_force import InForce, in_force
from worker.core.x12.people import Rejection
from worker.core.x12.value import Whole

CoverageWord = Literal["active", "inactive", "not_covered", "rejected", "undetermined"]
"""
============ =====================================================================================================
active       an EB01 of 1 to 5 in force on the date asked for: on service type 30 or the plan as a whole if anything
             is said of those, else on any service type; or on hospital or medical care beside a plan that is not
inactive     an EB01 of 6 to 8 there, or an active one whose dates leave out the date asked for
not_covered  an EB01 of I on service type 30 or the plan, no status there, and no active hospital or medical care: the
             vendor's word for an unknown patient, or a plan that leaves a single service to the patient
rejected     no status at all, but a rejection (AAA)
undetermined none of these: U, V, another payer only, amounts only, or nothing
============ =====================================================================================================
"""

_STATUS = ACTIVE | INACTIVE

_HOSPITAL = frozenset(("1", "47", "48"))
"""EB03 of medical care, hospital and inpatient."""

_GENERAL = _HOSPITAL | {"30", "60"}
"""EB03 of more than a single service: health benefit plan coverage, general benefits, what a hospital bills."""

MEDICAL = frozenset(("1", "47", "48", "50", "86", "98", "UC"))
"""EB03 that a programme of medical care has, and one of a single carved-out service has not."""

_COORDINATORS = ("L", "MC")
_COORDINATED = MEDICAL | {"96"}
"""EB03 of the care that a primary care provider or a managed care plan coordinates; 96 is that of physicians."""


class Coverage(Whole, frozen=True):
    """What the benefits of one patient come to."""

    word: CoverageWord
    issues: tuple[str, ...] = ()
    """``plan_contradicted``: the plan is told inactive or not covered, and hospital care active;
    ``ended_since``, ``begins_later``: it, or a plan, had ended on the day of the answer, or begins after it, and it is
    unclear whether that counts; where it is inactive, ``begins_later`` says that it begins after the date asked;
    ``not_in_force``: an active status was set aside because its dates leave out the date asked;
    ``medical_inactive``: medical care is told inactive, and active is another programme only."""
    active: tuple[Benefit, ...] = ()
    """The active benefits that decided; where none is in force, those that were."""
    begins: str = ""
    ends: str = ""


def coverage(
    benefits: tuple[Benefit, ...],
    rejections: tuple[Rejection, ...],
    dates: tuple[Period, ...],
    answered: str,
) -> Coverage:
    """The :class:`Coverage` of one patient. ``dates`` are those of the patient (loop 2100), ``answered`` is the day
    of the answer (CCYYMMDD)."""
    status, plan, plan_active, not_covered = [], [], False, False
    for one in benefits:
        of_plan = not one.service_types or "30" in one.service_types
        if one.code in _STATUS:
            status.append(one)
            if of_plan:
                plan.append(one)
                plan_active = plan_active or one.code in ACTIVE
        elif one.code == "I" and of_plan:
            not_covered = True
    if not status:
        return Coverage("rejected" if rejections else "not_covered" if not_covered else "undetermined")
    if not plan_active and (plan or not_covered):
        # What is said of the plan decides over a single service, but not over the care that a hospital gives.
        care = [one for one in status if one.code in ACTIVE and not _HOSPITAL.isdisjoint(one.service_types)]
        found = _of_status(care, dates, answered)
        if found.word == "active":
            return replace(found, issues=(*found.issues, "plan_contradicted"))
        if not plan:
            return Coverage("not_covered")
    found = _of_status(plan or status, dates, answered)
    if not_covered and found.word == "active" and _carved_out(found.active):
        return replace(found, issues=tuple(dict.fromkeys((*found.issues, "medical_inactive"))))
    if 0 < len(plan) < len(status) and found.word == "active" and "medical_inactive" not in found.issues:
        ended = [one for one in status if one.code in INACTIVE and one.service_types and "30" not in one.service_types]
        if ended and _medical_ended(list(found.active), ended):
            return replace(found, issues=(*found.issues, "medical_inactive"))
    return found


def _of_status(status: list[Benefit], dates: tuple[Period, ...], answered: str) -> Coverage:
    active: list[Benefit] = []
    past: list[Benefit] = []
    inactive: list[Benefit] = []
    now: list[InForce] = []
    over: list[InForce] = []
    for one in status:
        span = in_force(one.dates, dates, answered)
        if one.code not in ACTIVE:
            inactive.append(one)
            over.append(span)
        elif span.now:
            active.append(one)
            now.append(span)
        else:
            past.append(one)
            over.append(span)
    if active:
        issues = []
        if len(active) < len(status) and _medical_ended(active, past + inactive):
            issues.append("medical_inactive")
        if "" not in (warnings := {span.warning for span in now}):
            issues += sorted(warnings)
        begins, ends = _widest(now)
        return Coverage("active", tuple(issues), tuple(active), begins, ends)
    begins, ends = _widest(over)
    if not past:
        return Coverage("inactive", (), (), begins, ends)
    later = not inactive and "" not in [span.warning for span in over]
    return Coverage(
        "inactive", ("not_in_force", "begins_later") if later else ("not_in_force",), tuple(past), begins, ends
    )


def _widest(spans: list[InForce]) -> tuple[str, str]:
    """When the first of them begins and the last one ends; empty where one of them does not tell."""
    if len(spans) == 1:
        return spans[0].begins, spans[0].ends
    begins, ends = {span.begins for span in spans}, {span.ends for span in spans}
    return min(begins, default=""), "" if "" in ends else max(ends, default="")


def _medical_ended(active: list[Benefit], inactive: list[Benefit]) -> bool:
    """Whether the programme of medical care is among the inactive ones, and those active are for other services."""
    if MEDICAL.isdisjoint([code for one in inactive for code in one.service_types]):
        return False
    return _carved_out(active)


def _carved_out(active: Iterable[Benefit]) -> bool:
    """Whether benefits are of other services than medical care, though they may have service type 30, too."""
    codes = [one.service_types for one in active]
    return MEDICAL.isdisjoint([code for types in codes for code in types]) and all(
        set(types) - {"30"} for types in codes
    )


def told_by_programme(benefits: tuple[Benefit, ...]) -> bool:
    """Whether a status of medical care stands on the plan (30), as where each programme has a status of its own."""
    return any(
        one.code in _STATUS and "30" in one.service_types and not MEDICAL.isdisjoint(one.service_types)
        for one in benefits
    )


def is_general(one: Benefit, by_programme: bool) -> bool:
    """Whether a benefit is not of carved-out services alone (pharmacy, vision, …).

    ``by_programme``: each programme has a status of its own, so one for rides has service type 30 as well.
    """
    types = set(one.service_types)
    if not types or (one.code in _COORDINATORS and not _COORDINATED.isdisjoint(types)):
        return True
    if by_programme and types - {"30"} and MEDICAL.isdisjoint(types):
        return False
    return not _GENERAL.isdisjoint(types)
