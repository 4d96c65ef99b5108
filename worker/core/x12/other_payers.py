"""Who else is named under the benefits of one patient: payers to bill, managed care plans to bill, whom to ask."""

import re
from functools import lru_cache
from typing import Literal

from msgspec.structs import replace

from worker.core.x12.benefits import Benefit
from worker.core.x12.codes import ACTIVE, INACTIVE, MANAGED_CARE, PAYERS
from worker.core.x12.coverage import is_general, told_by_programme
from worker.core.x12.dates import Period
from worker.core.x12.in_force import from_to, has_ended
from worker.core.x12.people import GROUP_NUMBERS, MEMBER_NUMBERS, Party, Person, Reference, first_reference, plan_name
from worker.core.x12.value import Value, Whole

_MEDICARE, _MEDICAID = frozenset(("MA", "MB", "MP")), frozenset(("MC",))
"""EB04 of the two public payers."""

_MEDICARE_NAMES = re.compile(r"\b(?:MEDICARE|CMS)\b", re.IGNORECASE)
_MEDICAID_NAMES = re.compile(
    r"\b(?:MEDICAID|MEDI.?CAL|MEDICAL ASSISTANCE|DEP(?:T|ARTMENT) OF (?:HEALTH|HUMAN|SOCIAL|COMMUNITY)|DHCS|DHHS|DHS"
    r"|DSHS|AHCA|AHCCCS|APPLE HEALTH|BADGERCARE|DENALICARE|DMAS|EMEDNY|FAMILYCARE|FORWARDHEALTH|HAWK-I"
    r"|HEALTH FIRST COLORADO|HFS|HUSKY HEALTH|IHCP|INDIANA HEALTH COVERAGE|KANCARE|MAINECARE|MASSHEALTH|MDCH|MED-QUEST"
    r"|MO HEALTHNET|NYSDOH|PA PROMISE|SOONERCARE|TENNCARE|TMHP)\b",
    re.IGNORECASE,
)
"""What Medicaid is called: by itself, by the department that runs it, and in some states."""

_IGNORED_WORDS = frozenset(
    "AND CO COMPANY CORP CORPORATION INC INCORPORATED INS INSURANCE LLC LP LTD OF PLC THE".split()  # noqa: SIM905
)
"""Words that make no difference between two names of a payer."""
_KINDS_OF_COMPANY = frozenset(
    "ASSURANCE CLAIMS DEPARTMENT DEPT GROUP HEALTH HEALTHCARE LIFE OFFICE PLAN PLANS SERVICES".split()  # noqa: SIM905
)
"""Words that make none behind a whole name: AETNA LIFE is AETNA, while HEALTH PARTNERS is not HEALTH NET."""

_WORD = re.compile(r"[^\W_]+")
_BLUES = re.compile(r"BLUE\W*CROSS(?:\W*(?:AND|&)?\W*BLUE\W*SHIELD)?")
_ADDED = re.compile(r"(?<=\w) [-(].*")
"""What some payers add to their name: a region behind a hyphen, or in brackets."""

_NO_PAYERS = frozenset(("03", "1I", "1P", "13", "36", "73", "FA", "GP", "IL", "P3", "P5", "QC", "X3"))
"""NM101 of patients, providers, employers and reviewers, who may stand beside another payer."""
_NOT_ASKED = MANAGED_CARE | {"1P", "IL"}
_PRIOR_PAYER = "P4"
"""NM101 of the payer before the one that answers: that of an earlier time; in answers of Medicaid the one to be billed
before it."""
_LONGEST_NAME_CHARS = 60

_NAMES_PAYER = ACTIVE | INACTIVE | {"MC", "U", "W"}
"""EB01 under which another payer has a coverage of its own."""
NAMING = ("MC", "R")
"""EB01 under which somebody is named even without an NM1."""
_NAMES_PLAN = ACTIVE | {"D", "MC", "N", "U", "W"}
"""EB01 under which an answer names the managed care plan."""


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
    references: tuple[Reference, ...] = ()
    """Under the benefit: policy, plan and member numbers."""
    dates: tuple[Period, ...] = ()


class Others(Whole, frozen=True):
    """Who else is named."""

    payers: tuple[OtherPayer, ...] = ()
    managed_care: tuple[OtherPayer, ...] = ()
    """Managed care plans in whose hands the public payer has put the patient: they are to be billed."""
    to_ask: tuple[Party, ...] = ()
    """Whom the payer says to ask about the plan; they are not to be billed."""

    @property
    def any_ended(self) -> bool:
        return True in [one.ended for one in self.payers + self.managed_care]


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
            found = _announced(one, asked)
            payers += found if found[0].entity != _PRIOR_PAYER else _prior(found, payer, person, benefits)
        elif one.related or one.code == "MC":
            rest.append(one)
    by_programme = bool(rest) and told_by_programme(benefits)
    for one in [one for one in rest if is_general(one, by_programme)]:
        if one.code == "MC" and not one.related and one.plan and _of_medicaid(payer, person, benefits):
            managed.append(_other(one, None, asked))
        for party in one.related:
            if party.entity in PAYERS:
                role = _payer_is(one, party, payer)
                if role == "to_bill":
                    payers.append(_other(one, party, asked))
                elif role == "to_ask":
                    to_ask[party] = None
            elif _to_bill(one, party, payer, person, benefits):
                managed.append(_other(one, party, asked))
            elif one.code == "U" and party.entity not in _NOT_ASKED:
                to_ask[party] = None
    return Others(tuple(payers), tuple(managed), tuple(to_ask)) if payers or managed or to_ask else NO_OTHERS


def with_medicare(named: Others, person: Person, benefits: tuple[Benefit, ...], payer: Party | None) -> Others:
    """Who is named beside a payer that tells of no coverage: Medicare is to be asked, where the number of one of its
    beneficiaries stands with the patient or under a benefit."""
    stated = [*person.references, *[ref for one in benefits for ref in one.references]]
    number = first_reference(stated, ("F6",))
    known = [payer.name if payer else "", *[one.name for one in named.payers]]
    if number is None or any(map(_MEDICARE_NAMES.search, known)):
        return named
    return replace(named, to_ask=(*named.to_ask, Party(name="Medicare", id=number.value)))


def _announced(one: Benefit, asked: tuple[str, str]) -> list[OtherPayer]:
    """Who is named under ``R``: each payer, else the first who may be one, else a payer without a name."""
    named = [party for party in one.related if party.entity in PAYERS]
    if not named:
        named = [party for party in one.related if party.entity not in _NO_PAYERS][:1]
    return [_other(one, party, asked) for party in named] or [_other(one, None, asked)]


def _prior(
    named: list[OtherPayer], payer: Party | None, person: Person, benefits: tuple[Benefit, ...]
) -> list[OtherPayer]:
    """The payer before the one that answers: before Medicaid it is billed first, else it is of an earlier time."""
    return named if _of_medicaid(payer, person, benefits) else [replace(one, ended=True) for one in named]


def _payer_is(one: Benefit, party: Party, payer: Party | None) -> Literal["itself", "to_bill", "to_ask"]:
    """Who a payer under another EB01 than ``R`` is.

    ::

        its id, or its name                        EB01            it is
        that of the payer that answers             any             the payer itself
        its name with or without a region          any             to ask: perhaps a company of its own
        its name with more or fewer words          W               to ask: perhaps its address for claims
        another                                    W               to bill with an id, else to ask
                                                   U, MC, 1 to 8   to bill
                                                   any other       to ask: who administers an amount, rents a network, …
    """
    if payer is not None:
        if not party.name or (party.id and party.id.upper() == payer.id.upper()):
            return "itself"
        likeness = _likeness(party.name, payer.name)
        if likeness == "same":
            return "itself"
        if likeness == "region" and party.entity == "PR":
            return "to_ask"
        if likeness and one.code == "W":
            return "to_ask"
    if one.code == "W":
        return "to_bill" if party.id else "to_ask"
    return "to_bill" if one.code in _NAMES_PAYER else "to_ask"


def _to_bill(one: Benefit, party: Party, payer: Party | None, person: Person, benefits: tuple[Benefit, ...]) -> bool:
    """Whether the party is a managed care plan.

    A managed care organisation (``Y2``) is one, unless it is the payer itself. ``P5`` and ``X3`` are such plans under a
    managed care coordinator (``MC``) and in answers of Medicaid; elsewhere they are the employer that pays for a plan
    and the reviewer of authorizations.
    """
    if party.entity not in MANAGED_CARE or party.first_name or party.id_qualifier == "XX":
        return False
    if party.entity == "Y2":
        return one.code in _NAMES_PLAN and (payer is None or _payer_is(one, party, payer) != "itself")
    return one.code == "MC" or (one.code in ACTIVE | {"U"} and _of_medicaid(payer, person, benefits))


def _of_medicaid(payer: Party | None, person: Person, benefits: tuple[Benefit, ...]) -> bool:
    if payer is not None and _MEDICAID_NAMES.search(payer.name):
        return True
    return first_reference(person.references, ("NQ",)) is not None or any(
        one.insurance_type in _MEDICAID for one in benefits if one.code != "R"
    )


def _other(benefit: Benefit, party: Party | None, asked: tuple[str, str]) -> OtherPayer:
    references, dates = benefit.references, benefit.dates
    group = first_reference(references, GROUP_NUMBERS)
    member = first_reference(references, MEMBER_NUMBERS)
    member_id = member.value if member else ""
    if not member and (party is None or len(benefit.related) > 1):
        holders = benefit.related[:20]  # of a loop of thousands, each would be looked through for each
        member_id = next((one.id for one in holders if one.entity == "IL"), "")
    begins, ends = from_to(dates, asked) if dates else ("", "")
    return OtherPayer(
        benefit.code,
        (party.name if party else "") or _public_payer(benefit) or _in_words(benefit),
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
        bool(dates) and has_ended(dates, asked),
        references,
        dates,
    )


def _in_words(benefit: Benefit) -> str:
    """The name where it stands in no NM1: of a managed care plan in EB05, of another payer in a message or in EB05."""
    said = "" if benefit.code == "MC" else " ".join(benefit.messages)[:_LONGEST_NAME_CHARS]
    return said or benefit.plan


def _public_payer(benefit: Benefit) -> str:
    """The name of a payer that is known by the kind of its number or of its insurance alone."""
    if benefit.insurance_type in _MEDICARE or any(ref.qualifier == "F6" for ref in benefit.references):
        return "Medicare"
    return "Medicaid" if benefit.insurance_type in _MEDICAID else ""


def _likeness(one: str, other: str) -> Literal["same", "region", "longer", ""]:
    """Whether two names are those of one payer, or one is the other with more words behind it.

    A name of one word says little: UNITED CONCORDIA is no region of UNITED.
    """
    first, second = _telling_words(one), _telling_words(other)
    if not (first and second):
        return ""
    if "".join(first) == "".join(second) or "".join(_words(one)) == "".join(_words(other)):
        return "same"
    # The words of a name may be written apart or together.
    short, long, full = min((first, second, other), (second, first, one), key=lambda names: len("".join(names[0])))
    begins = "".join(short)
    more = next((long[count:] for count in range(1, len(long)) if "".join(long[:count]) == begins), None)
    if more is None:
        return ""
    if _KINDS_OF_COMPANY.issuperset(more):
        return "same"
    region = len(short) > 1 and " ".join(_words(full)).endswith(" OF " + " ".join(more))
    return "region" if region else "longer"


@lru_cache(maxsize=1024)
def _words(name: str) -> tuple[str, ...]:
    """The words of a name in upper case."""
    return tuple(_WORD.findall(_BLUES.sub("BCBS", _ADDED.sub("", name.upper().replace("'", "")))))


def _telling_words(name: str) -> tuple[str, ...]:
    """A name as it is compared: without words that make no difference."""
    words = _words(name)
    return tuple([word for word in words if word not in _IGNORED_WORDS]) or words
