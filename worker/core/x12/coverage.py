"""From the benefits of one patient to one word for the coverage, and to the other payers that were named."""

from functools import lru_cache
from typing import Literal

from worker.core.x12.benefits import Benefit
from worker.core.x12.codes import ACTIVE, INACTIVE, PAYERS
from worker.core.x12.dates import Period, day
from worker.core.x12.people import Party, Reference, Rejection
from worker.core.x12.value import Value

Coverage = Literal["active", "inactive", "not_covered", "rejected", "undetermined"]
"""
============ =====================================================================================================
active       an EB01 of 1 to 5 in force on the date asked for: on service type 30 or the plan as a whole if anything
             is said of those, else on any service type
inactive     an EB01 of 6 to 8 there, or an active one whose dates leave out the date asked for
not_covered  nothing but an EB01 of I on service type 30 or the plan: the vendor's word for an unknown patient
rejected     no status at all, but a rejection (AAA)
undetermined none of these: U, V, another payer only, amounts only, or nothing
============ =====================================================================================================
"""

_BEGINS = frozenset(("346", "348", "356", "193", "539", "340"))
_ENDS = frozenset(("347", "349", "357", "194", "540", "341"))
_SPANS = frozenset(("291", "292", "307"))
_ASKED = ("472", "307", "291")

_STATUS = ACTIVE | INACTIVE

_PLANS = ("N6", "18", "1L", "6P", "IG")
"""REF01 that name a plan or a group, the best first."""

_ALWAYS = ("0000", "9999-99")


class OtherPayer(Value, frozen=True):
    """Another payer that the answer names: coverage that was discovered, with the payer still to be asked."""

    code: str = ""
    """EB01 of the benefit that names it: ``R``, or another one with a payer under it."""
    name: str = ""
    """Empty where the benefit says no more than that there is one."""
    id_qualifier: str = ""
    id: str = ""
    entity: str = ""
    """NM101: ``PR``, ``PRP`` primary, ``SEP`` secondary, ``TTP`` tertiary; empty where no entity is named."""
    insurance_type: str = ""
    service_types: tuple[str, ...] = ()
    plan: str = ""
    """EB05, else the description or the number that a REF gives."""
    references: tuple[Reference, ...] = ()
    """Under the benefit: policy, plan and member numbers."""
    dates: tuple[Period, ...] = ()


def asked_span(dates: tuple[Period, ...], created: str) -> tuple[str, str]:
    """First and last day (``YYYY-MM-DD``) that the inquiry asked for.

    The answer repeats the inquiry's date as service (472), eligibility (307) or plan date (291); without any of these
    it is the day the answer was made, ``created`` as ``CCYYMMDD``. A single plan date may as well be the day the plan
    began, so it reaches to the day of the answer.
    """
    made = day(created)
    for qualifier in _ASKED:
        for one in dates:
            if one.qualifier == qualifier and one.first and one.last:
                last = max(one.last, made) if qualifier == "291" and not one.ranged else one.last
                return one.first, last
    return (made, made) if made else _ALWAYS


def in_force(dates: tuple[Period, ...], asked: tuple[str, str]) -> bool:
    """Whether the dates leave room for the days asked for. What has no dates is in force, and so is what is unclear."""
    first, last = asked
    ranges = []
    for one in dates:
        if one.qualifier in _SPANS and one.ranged:
            ranges.append(one)
        elif one.qualifier in _BEGINS or one.qualifier in _SPANS:
            if one.first > last:
                return False
        elif one.qualifier in _ENDS and one.last and one.last < first:
            return False
    return not ranges or any(one.first <= last and (first <= one.last or not one.last) for one in ranges)


def coverage(
    benefits: tuple[Benefit, ...],
    rejections: tuple[Rejection, ...],
    dates: tuple[Period, ...],
    created: str,
) -> tuple[Coverage, bool]:
    """The word for one patient; and whether an active status was set aside because its dates leave out the date asked.

    ``dates`` are those of the patient (loop 2100), ``created`` is BHT04.
    """
    status, plan, not_covered = [], [], False
    for one in benefits:
        if one.code in _STATUS:
            status.append(one)
            if not one.service_types or "30" in one.service_types:
                plan.append(one)
        elif one.code == "I" and (not one.service_types or "30" in one.service_types):
            not_covered = True
    if status:
        active = [one for one in plan or status if one.code in ACTIVE]
        if not active:
            return "inactive", False
        for one in active:
            if _in_force(one.dates, dates, created):
                return "active", False
        return "inactive", True
    if rejections:
        return "rejected", False
    return ("not_covered" if not_covered else "undetermined"), False


@lru_cache(maxsize=512)
def _in_force(own: tuple[Period, ...], dates: tuple[Period, ...], created: str) -> bool:
    """Whether a benefit with dates of its own, or with the patient's, is in force: much the same for many patients."""
    return in_force(own or _limits(dates), asked_span(dates, created))


def _limits(dates: tuple[Period, ...]) -> tuple[Period, ...]:
    """The patient's dates that say when the plan began or ended, for benefits that have none of their own."""
    return tuple(one for one in dates if one.qualifier in _BEGINS or one.qualifier in _ENDS)


def other_payers(benefits: tuple[Benefit, ...], payer: Party | None) -> tuple[OtherPayer, ...]:
    """Every payer beside the one that answers: each EB of R, and each payer named under another EB."""
    found: list[OtherPayer] = []
    for one in benefits:
        if not one.related and one.code != "R":
            continue
        named = [party for party in one.related if party.entity in PAYERS and not _same(party, payer)]
        if named:
            found += [_other(one, party) for party in named]
        elif one.code == "R":
            found.append(_other(one, one.related[0] if one.related else None))
    return tuple(found)


def _other(benefit: Benefit, party: Party | None) -> OtherPayer:
    plan, references = benefit.plan, benefit.references
    if references and not plan:
        told = [ref for ref in references if ref.qualifier in _PLANS and (ref.text or ref.value)]
        if told:
            ref = min(told, key=lambda one: _PLANS.index(one.qualifier)) if len(told) > 1 else told[0]
            plan = ref.text or ref.value
    return OtherPayer(
        benefit.code,
        party.name if party else "",
        party.id_qualifier if party else "",
        party.id if party else "",
        party.entity if party else "",
        benefit.insurance_type,
        benefit.service_types,
        plan,
        references,
        benefit.dates,
    )


def _same(one: Party, payer: Party | None) -> bool:
    if payer is None:
        return False
    if one.id and payer.id and one.id_qualifier == payer.id_qualifier:
        return one.id == payer.id
    return one.name.upper() == payer.name.upper()
