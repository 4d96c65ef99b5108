"""Which policy an answer is of: the member's number, the plan, the group."""

from worker.core.x12.benefits import Benefit
from worker.core.x12.codes import ACTIVE
from worker.core.x12.coverage import MEDICAL
from worker.core.x12.people import (
    GROUP_NUMBERS,
    ID_QUALIFIERS,
    MEMBER_NUMBERS,
    Party,
    Person,
    first_reference,
    plan_name,
)

_OF_PROVIDERS = ("XX", "SV")
"""NM108 of the numbers of providers."""
_OF_SOCIAL_SECURITY = "34"
"""NM108 of a social security number."""
_NO_IDS = ID_QUALIFIERS | {"N/A", "NA", "NONE", "NULL", "UNKNOWN"}


def suspect_id(person: Person, provider: Party | None) -> bool:
    """Whether the id that stands with a patient is no patient's: a qualifier, a word or zeros in place of an id, or the
    number of a provider (NPI)."""
    if not person.id:
        return False
    if person.id_qualifier in _OF_PROVIDERS or person.id.upper() in _NO_IDS or not person.id.strip("0"):
        return True
    return provider is not None and person.id == provider.id and person.last_name != provider.name


def member_id(persons: list[Person], suspects: list[Person], active: tuple[Benefit, ...]) -> str:
    """The policy holder's member number (NM109, else a REF), else the patient's, else what a REF under an active
    benefit says; the holder is the last person. A social security number is one where there is no other."""
    social_security = ""
    for person in reversed(persons):
        if person.id and person not in suspects:
            if person.id_qualifier != _OF_SOCIAL_SECURITY:
                return person.id
            social_security = social_security or person.id
        if ref := first_reference(person.references, MEMBER_NUMBERS):
            return ref.value
    ref = first_reference([one for benefit in active for one in benefit.references], MEMBER_NUMBERS)
    return ref.value if ref else social_security


def plans(persons: list[Person], active: tuple[Benefit, ...]) -> str:
    """The names of the active plans, joined by ``; ``: the one of medical care first, others as they came.

    A name is EB05, else what a REF under the benefit says, else what a REF of the patient says. EB04 is a code of at
    most three characters; the vendor puts a plan's name there.
    """
    if len(active) == 1:
        return _plan(active[0]) or _plan_of_person(persons)
    medical = [len(MEDICAL.intersection(one.service_types)) for one in active]
    first = [one for _, one in sorted(zip(medical, active, strict=True), key=lambda pair: -pair[0])]
    return "; ".join(dict.fromkeys([name for one in first if (name := _plan(one))])) or _plan_of_person(persons)


def _plan(one: Benefit) -> str:
    if one.plan:
        return one.plan
    if len(one.insurance_type) > 3:
        return one.insurance_type
    return plan_name(one.references)


def _plan_of_person(persons: list[Person]) -> str:
    for person in persons:
        if name := plan_name(person.references):
            return name
    return ""


def group(persons: list[Person], found: tuple[Benefit, ...]) -> tuple[str, str]:
    """The group's or policy's number and its name, of the person or else of an active benefit."""
    for person in persons:
        if ref := first_reference(person.references, GROUP_NUMBERS):
            return ref.value, ref.text
    for one in found:
        if one.code in ACTIVE and (ref := first_reference(one.references, GROUP_NUMBERS)):
            return ref.value, ref.text
    return "", ""


def account(persons: list[Person], found: tuple[Benefit, ...]) -> str:
    """The patient's account with the provider (REF*EJ), of the person or else where it stands under a benefit."""
    for person in persons:
        if ref := first_reference(person.references, ("EJ",)):
            return ref.value
    for one in found:
        if one.references and (ref := first_reference(one.references, ("EJ",))):
            return ref.value
    return ""
