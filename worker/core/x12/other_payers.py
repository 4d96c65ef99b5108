"""Who else is named under the benefits of one patient: payers to bill, managed care plans to bill, whom to ask."""

from typing import Literal

from msgspec.structs import replace

from worker.core.x12.benefits import Benefit
from worker.core.x12.codes import ACTIVE, INACTIVE, MANAGED_CARE, PAYERS
from worker.core.x12.coverage import is_general, told_by_programme
from worker.core.x12.dates import Period
from worker.core.x12.payer_names import is_medicaid, is_medicare, is_state, likeness
from worker.core.x12.people import GROUP_NUMBERS, MEMBER_NUMBERS, Party, Person, Reference, first_reference, plan_name
from worker.core.x12.spans import from_to, out_of_force
from worker.core.x12.value import Value, Whole

_MEDICARE, _MEDICAID = frozenset(("MA", "MB", "MP")), frozenset(("MC",))
"""EB04 of the two public payers."""
_COMMERCIAL = frozenset(("C1", "CO", "EP", "GP", "IN", "PR", "PS"))
"""EB04 of plans that an employer pays for, or a person."""

_NO_PAYERS = frozenset(("03", "1I", "1P", "13", "36", "73", "FA", "GP", "IL", "P3", "P5", "QC", "X3"))
"""NM101 of patients, providers, employers and reviewers, who may stand beside another payer."""
_COORDINATORS = frozenset(("1I", "1P", "2B", "GP", "VN"))
"""NM101 of organisations that some Medicaid programmes give their managed care plans under EB*MC."""
_NOT_ASKED = MANAGED_CARE | {"1P", "IL"}
_PRIOR_PAYER = "P4"
"""NM101 of the payer before the one that answers: that of an earlier time; in answers of Medicaid the one to be billed
before it."""
_LONGEST_NAME_CHARS = 60

_NAMES_PAYER = ACTIVE | INACTIVE | {"MC", "U", "W"}
"""EB01 under which another payer has a coverage of its own."""
NAMING = ("MC", "R", "U")
"""EB01 under which somebody is named even without an NM1."""
_NAMES_PLAN = ACTIVE | {"D", "MC", "N", "U", "W"}
"""EB01 under which an answer names the managed care plan."""
_NAMES_PLAN_OF_MEDICAID = ACTIVE | {"L", "U"}
"""The same where the plan is named as its sponsor or as a reviewer, or under the primary care provider."""


class OtherPayer(Value, frozen=True):
    """Another payer that the answer names: coverage that was discovered, with the payer still to be asked."""

    code: str = ""
    """EB01 of the benefit that names it: ``R``, or another one with a payer under it."""
    name: str = ""
    """Empty where the benefit says no more than that there is one."""
    id_qualifier: str = ""
    id: str = ""
    entity: str = ""
    """NM101: ``PR``, ``PRP`` primary, ``SEP`` secondary, ``TTP`` tertiary, ``Y2`` managed care; empty where no entity
    is named."""
    insurance_type: str = ""
    service_types: tuple[str, ...] = ()
    plan: str = ""
    """EB05, else the description or the number that a REF gives."""
    group_number: str = ""
    member_id: str = ""
    """The patient's number there, where the answer has it."""
    begins: str = ""
    """``YYYY-MM-DD``; empty where it is not told."""
    ends: str = ""
    ended: bool = False
    """It is named as the payer of an earlier time, or had ended before the date asked for: it is not to be billed."""
    begins_later: bool = False
    """It begins after the date asked for: it is not to be billed for that date."""
    unnamed: bool = False
    """Neither a name nor an id stands there: who it is tells the kind of its insurance or its number, a message or
    EB05."""
    references: tuple[Reference, ...] = ()
    """Under the benefit: policy, plan and member numbers."""
    dates: tuple[Period, ...] = ()

    @property
    def to_bill(self) -> bool:
        return not (self.ended or self.begins_later)


class Others(Whole, frozen=True):
    """Who else is named."""

    payers: tuple[OtherPayer, ...] = ()
    managed_care: tuple[OtherPayer, ...] = ()
    """Managed care plans in whose hands the public payer has put the patient: they are to be billed."""
    to_ask: tuple[Party, ...] = ()
    """Whom the payer says to ask about the plan; they are not to be billed."""

    def warnings(self) -> list[str]:
        found = set()
        for one in self.payers + self.managed_care:
            if one.begins_later:
                found.add("other_payer_begins_later")
            if one.ended:
                found.add("other_payer_ended")
            elif one.unnamed and not one.begins_later:
                found.add("other_payer_unnamed")
        return sorted(found)


NO_OTHERS = Others()


def others(benefits: tuple[Benefit, ...], payer: Party | None, person: Person, asked: tuple[str, str]) -> Others:
    """Who is named beside the payer that answers.

    ``R`` says that there is another payer, and counts with any name. Under another EB01 it depends on who is named and
    where (:func:`_payer_is`, :func:`_to_bill`); under benefits of carved-out services alone nobody is to be billed.
    """
    payers: list[OtherPayer] = []
    managed: list[OtherPayer] = []
    to_ask: dict[Party, None] = {}
    rest: list[Benefit] = []
    for one in benefits:
        if one.code == "R":
            payers += _announced(one, asked, payer, person, benefits)
        elif one.related or one.code == "MC" or (one.code == "U" and one.plan):
            rest.append(one)
    by_programme = bool(rest) and told_by_programme(benefits)
    for one in [one for one in rest if is_general(one, by_programme)]:
        named = len(payers) + len(managed)
        for party in one.related:
            if party.entity in PAYERS:
                role = _payer_is(one, party, payer)
                if role == "to_bill":
                    payers.append(_other(one, party, asked))
                elif role == "to_ask":
                    to_ask[party] = None
            elif _to_bill(one, party, payer, person, benefits):
                managed.append(_other(one, party, asked))
            elif one.code in ("U", "W") and party.entity not in _NOT_ASKED:
                to_ask[party] = None
        if named == len(payers) + len(managed) and _only_in_plan(one, payer, person, benefits):
            managed.append(_other(one, None, asked))
    return Others(tuple(payers), tuple(managed), tuple(to_ask)) if payers or managed or to_ask else NO_OTHERS


def with_medicare(named: Others, person: Person, benefits: tuple[Benefit, ...], payer: Party | None) -> Others:
    """Who is named beside a payer that tells of no coverage: Medicare is to be asked, where the number of one of its
    beneficiaries stands with the patient or under a benefit."""
    stated = [*person.references, *[ref for one in benefits for ref in one.references]]
    number = first_reference(stated, ("F6",))
    known = [payer.name if payer else "", *[one.name for one in named.payers]]
    if number is None or any(map(is_medicare, known)):
        return named
    return replace(named, to_ask=(*named.to_ask, Party(name="Medicare", id=number.value)))


def _announced(
    one: Benefit, asked: tuple[str, str], payer: Party | None, person: Person, benefits: tuple[Benefit, ...]
) -> list[OtherPayer]:
    """Who is named under ``R``: each payer, else the first who may be one, else a payer without a name."""
    named = [party for party in one.related if party.entity in PAYERS]
    if not named:
        named = [party for party in one.related if party.entity not in _NO_PAYERS][:1]
    if not named and one.related and _of_medicaid(payer, person, benefits):
        named = [party for party in one.related if party.entity in MANAGED_CARE][:1]
    found = [_other(one, party, asked) for party in named] or [_other(one, None, asked)]
    if found[0].entity == _PRIOR_PAYER and not _of_medicaid(payer, person, benefits):
        # Before Medicaid the prior payer is billed first, else it is of an earlier time.
        return [replace(each, ended=True) for each in found]
    return found


def _payer_is(one: Benefit, party: Party, payer: Party | None) -> Literal["itself", "to_bill", "to_ask"]:
    """Who a payer under another EB01 than ``R`` is.

    ::

        its id, or its name                        EB01            it is
        that of the payer that answers             any             the payer itself
        its name with more or fewer words          any             to ask: perhaps its address or its region
        its name of one word, with more words      W               to ask
                                                   U, MC, 1 to 8   to bill with an id, else to ask
        another                                    W               to bill with an id, else to ask
                                                   U, MC, 1 to 8   to bill
                                                   any other       to ask: who administers an amount, rents a network, …
    """
    alike = ""
    if payer is not None:
        if not party.name or (party.id and party.id.upper() == payer.id.upper()):
            return "itself"
        alike = likeness(party.name, payer.name)
        if alike == "same":
            return "itself"
        if alike and (one.code == "W" or (alike == "like" and party.entity == "PR")):
            return "to_ask"
    if one.code == "W" or alike == "longer":
        return "to_bill" if party.id and one.code in _NAMES_PAYER else "to_ask"
    return "to_bill" if one.code in _NAMES_PAYER else "to_ask"


def _to_bill(one: Benefit, party: Party, payer: Party | None, person: Person, benefits: tuple[Benefit, ...]) -> bool:
    """Whether the party is a managed care plan.

    A managed care organisation (``Y2``) is one, unless it is the payer itself. ``P5`` and ``X3`` are such plans in
    answers of Medicaid, and under a managed care coordinator (``MC``) in all but those of a commercial plan; elsewhere
    they are the employer that pays for a plan and the reviewer of authorizations. In answers of Medicaid an
    organisation without a provider's number under ``MC`` is one, too.
    """
    if party.first_name or party.id_qualifier == "XX" or not (party.name or party.id):
        return False
    if party.entity not in MANAGED_CARE:
        return (
            one.code == "MC"
            and party.entity in _COORDINATORS
            and not (party.entity == "1P" and party.id)
            and _of_medicaid(payer, person, benefits)
        )
    if party.entity == "Y2" and one.code in _NAMES_PLAN:
        nameless = not party.name and payer is not None and party.id.upper() != payer.id.upper()
        return payer is None or nameless or _payer_is(one, party, payer) != "itself"
    if party.entity != "Y2" and one.code == "MC":
        return _of_medicaid(payer, person, benefits) or not _is_commercial(benefits)
    if party.entity == "P5" and is_state(party.name) and not (payer and is_medicaid(payer.name, payer.id)):
        return False  # a plan of Medicaid that answers itself may name the state that pays for it
    return one.code in _NAMES_PLAN_OF_MEDICAID and _of_medicaid(payer, person, benefits)


def _only_in_plan(one: Benefit, payer: Party | None, person: Person, benefits: tuple[Benefit, ...]) -> bool:
    """Whether a benefit names a managed care plan of Medicaid by EB05 alone: under ``MC``, or under ``U`` where that is
    not the name of the programme."""
    if not one.plan or (one.code != "MC" and (one.code != "U" or one.related)):
        return False
    if one.code == "U" and any(each.plan == one.plan for each in benefits if each.code in ACTIVE | INACTIVE):
        return False
    return _of_medicaid(payer, person, benefits)


def _of_medicaid(payer: Party | None, person: Person, benefits: tuple[Benefit, ...]) -> bool:
    if payer is not None and is_medicaid(payer.name, payer.id):
        return True
    return first_reference(person.references, ("NQ",)) is not None or any(
        one.insurance_type in _MEDICAID for one in benefits if one.code != "R"
    )


def _is_commercial(benefits: tuple[Benefit, ...]) -> bool:
    return any(one.insurance_type in _COMMERCIAL for one in benefits if one.code in ACTIVE | INACTIVE)


def _other(benefit: Benefit, party: Party | None, asked: tuple[str, str]) -> OtherPayer:
    references, dates = benefit.references, benefit.dates
    group = first_reference(references, GROUP_NUMBERS)
    member = first_reference(references, MEMBER_NUMBERS)
    member_id = member.value if member else ""
    if not member and (party is None or len(benefit.related) > 1):
        holders = benefit.related[:20]  # of a loop of thousands, each would be looked through for each
        member_id = next((one.id for one in holders if one.entity == "IL"), "")
    begins, ends = from_to(dates, asked) if dates else ("", "")
    out = out_of_force(dates, asked) if dates else ""
    return OtherPayer(
        benefit.code,
        (party.name if party else "") or _public_payer(benefit, party) or _in_words(benefit),
        party.id_qualifier if party else "",
        party.id if party else "",
        party.entity if party else "",
        benefit.insurance_type,
        benefit.service_types,
        benefit.plan or plan_name(references),
        group.value if group else "",
        member_id,
        begins,
        ends,
        out == "ended",
        out == "begins_later",
        benefit.code == "R" and (party is None or not (party.name or party.id)),
        references,
        dates,
    )


def _in_words(benefit: Benefit) -> str:
    """The name where it stands in no NM1: of a managed care plan in EB05, of another payer in a message or in EB05."""
    said = "" if benefit.code == "MC" else " ".join(benefit.messages)[:_LONGEST_NAME_CHARS]
    return said or benefit.plan


def _public_payer(benefit: Benefit, party: Party | None) -> str:
    """The name of a payer that is known by the kind of its number or of its insurance alone."""
    if party and party.entity in MANAGED_CARE:
        return ""
    numbers = [ref.qualifier for ref in benefit.references]
    if benefit.insurance_type in _MEDICARE or "F6" in numbers:
        return "Medicare"
    recipient = "NQ" in numbers and not benefit.insurance_type
    return "Medicaid" if recipient or benefit.insurance_type in _MEDICAID else ""
