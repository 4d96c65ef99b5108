"""Parties and persons of a 271: NM1 with what follows it, trace numbers and rejections."""

from collections.abc import Sequence

from msgspec.structs import replace

from worker.core.x12.codes import FOLLOW_UPS, REJECTIONS, RETRYABLE_FOLLOW_UPS, RETRYABLE_REASONS, words
from worker.core.x12.value import Value

ID_QUALIFIERS = frozenset(("24", "34", "46", "FA", "FI", "II", "MI", "NI", "PI", "PP", "SV", "XV", "XX", "ZZ"))
"""NM108."""
MEMBER_NUMBERS = ("1W", "0F", "NQ", "F6")
"""REF01 of a member's number, the best first: member, subscriber, recipient of Medicaid, beneficiary of Medicare."""
PLAN_NUMBERS = ("18", "N6")
"""REF01 of a plan and of its network, the best first."""
GROUP_NUMBERS = ("6P", "1L", "IG")
"""REF01 of a group or of a policy, the best first."""
_MUTUALLY_DEFINED = "ZZ"
"""AAA02 of a code list of the sender's own, and AAA03 of a reason of the sender's own."""
_PADDING = [""] * 13


class Reference(Value, frozen=True):
    """One REF: ``18`` plan, ``6P`` and ``1L`` group, ``N6`` plan network, ``1W`` member, …"""

    qualifier: str = ""
    value: str = ""
    text: str = ""


class Trace(Value, frozen=True):
    """One TRN at the patient's level."""

    ours: bool
    """TRN01 is ``2``: the inquiry's own trace number comes back. Otherwise it is the answering side's."""
    number: str
    """TRN02."""
    originator: str
    """TRN03."""
    extra: str = ""
    """TRN04."""


class Rejection(Value, frozen=True):
    """One AAA."""

    loop: str
    """Where it stands: ``2000A``, ``2100A``, ``2100B``, ``2100C``, ``2110C``, ``2100D`` or ``2110D``; ``ST`` before
    the first HL, where none belongs."""
    retryable: bool
    """Whether the same inquiry may be answered later."""
    valid: str = ""
    """AAA01, ``Y`` or ``N``."""
    code: str = ""
    """AAA03."""
    text: str = ""
    """The same in words."""
    follow_up: str = ""
    """AAA04."""
    follow_up_text: str = ""


class Party(Value, frozen=True):
    """One NM1 and the N3, N4 and PER under it: a payer, a provider, or an entity named under a benefit."""

    entity: str = ""
    """NM101."""
    name: str = ""
    """NM103: the last name of a person, or the name of an organisation."""
    first_name: str = ""
    middle_name: str = ""
    suffix: str = ""
    id_qualifier: str = ""
    id: str = ""
    address: tuple[str, ...] = ()
    """N301 and N302, then N401 to N403, as far as they were given."""
    contacts: tuple[str, ...] = ()
    """Telephone numbers, addresses and the like of PER, without their qualifiers."""
    references: tuple[Reference, ...] = ()
    details: tuple[tuple[str, ...], ...] = ()
    """What else stands there (PRV, N2, MSG), by its elements."""


class Person(Value, frozen=True):
    """The subscriber or the dependent: NM1 and what stands under it before the first benefit."""

    last_name: str = ""
    first_name: str = ""
    middle_name: str = ""
    suffix: str = ""
    id_qualifier: str = ""
    id: str = ""
    birth_date: str = ""
    """``YYYY-MM-DD``; empty where there is none or it is impossible."""
    birth_date_as_received: str = ""
    """DMG02, where it is no date."""
    gender: str = ""
    relationship: str = ""
    """INS02, ``18`` is self."""
    death_date: str = ""
    """INS12, ``YYYY-MM-DD``, or as received where it is no date."""
    address: tuple[str, ...] = ()
    references: tuple[Reference, ...] = ()
    messages: tuple[str, ...] = ()
    """MSG."""
    contacts: tuple[str, ...] = ()
    """Of PER, as in a :class:`Party`."""
    details: tuple[tuple[str, ...], ...] = ()
    """What else stands there (HI, MPI, PRV, N2), by its elements."""


def first_reference(references: Sequence[Reference], qualifiers: Sequence[str]) -> Reference | None:
    """The first REF with a value and with the first of the qualifiers that occurs."""
    if not references:
        return None
    for wanted in qualifiers:
        for one in references:
            if one.qualifier == wanted and one.value:
                return one
    return None


def plan_name(references: Sequence[Reference]) -> str:
    """The description, else the number, that a REF gives of the plan, else of its network."""
    if not references:
        return ""
    for wanted in PLAN_NUMBERS:
        for one in references:
            if one.qualifier == wanted and one.text:
                return one.text
    number = first_reference(references, PLAN_NUMBERS)
    return number.value if number else ""


def name_and_id(elements: list[str]) -> tuple[tuple[str, str, str, str, str, str], str]:
    """NM103 to NM105, NM107, NM108 and NM109; and what is odd: ``shifted_nm1``, ``late_nm1`` or nothing."""
    if len(elements) < 10:
        elements = elements + _PADDING
    name, first, middle, prefix, suffix, qualifier, number = elements[3:10]
    if not number and (qualifier or prefix) and qualifier not in ID_QUALIFIERS:
        # One separator too few, or two.
        if qualifier and suffix in ID_QUALIFIERS:
            return (name, first, middle, "", suffix, qualifier), "shifted_nm1"
        if suffix and prefix in ID_QUALIFIERS and not qualifier:
            return (name, first, middle, "", prefix, suffix), "shifted_nm1"
        if len(qualifier) > 2:
            return (name, first, middle, suffix, "", qualifier), "shifted_nm1"
    if qualifier in ID_QUALIFIERS and (not number or number == qualifier) and len("".join(elements[10:11])) > 2:
        return (name, first, middle, suffix, qualifier, elements[10]), "late_nm1"  # one between the two
    if qualifier not in ID_QUALIFIERS and (not number or number.upper() in ID_QUALIFIERS):
        # Separators too many, perhaps inside a name: no id stands where it belongs.
        behind = elements[9:]
        for at, value in enumerate(behind):
            if value.upper() in ID_QUALIFIERS:
                return (name, first, middle, suffix, value, "".join(behind[at + 1 : at + 2])), "late_nm1"
        if last := next((value for value in behind if len(value) > 2), ""):
            return (name, first, middle, suffix, qualifier, last), "late_nm1"
    return (name, first, middle, suffix, qualifier, number), ""


def party(elements: list[str]) -> tuple[Party, str]:
    """The :class:`Party` of an NM1, and what is odd about its identifier."""
    fields, odd = name_and_id(elements)
    return Party(elements[1] if len(elements) > 1 else "", *fields), odd


def extended(one: Party, elements: list[str]) -> Party:
    """The party with what an N3, N4 or PER adds."""
    if elements[0] == "PER":
        return replace(one, contacts=one.contacts + contacts(elements))
    return replace(one, address=one.address + address_lines(elements))


def contacts(elements: list[str]) -> tuple[str, ...]:
    """PER04, PER06 and PER08, as far as they were given."""
    return tuple([value for value in elements[4::2] if value])


def address_lines(elements: list[str]) -> tuple[str, ...]:
    """N301 and N302, or N401 to N403, as far as they were given."""
    return tuple([value for value in elements[1 : 3 if elements[0] == "N3" else 4] if value])


def rejection(elements: list[str], loop: str) -> tuple[Rejection, str]:
    """The :class:`Rejection` of an AAA, and what is odd about its reason: ``shifted_aaa``, ``rejection_without_reason``
    or nothing."""
    _, valid, agency, code, follow_up, behind, *_ = elements + _PADDING
    odd = ""
    if not code or code in FOLLOW_UPS:
        odd = "shifted_aaa"
        if agency in REJECTIONS and agency != _MUTUALLY_DEFINED:
            code, follow_up = agency, code or follow_up  # one separator too few
        elif not code and follow_up in REJECTIONS:
            valid, code, follow_up = valid or agency, follow_up, behind  # one too many
        else:
            odd, code, follow_up = "rejection_without_reason", "", follow_up or code
    retryable = code in RETRYABLE_REASONS or follow_up in RETRYABLE_FOLLOW_UPS
    texts = words(REJECTIONS, code), words(FOLLOW_UPS, follow_up)
    return Rejection(loop, retryable, valid, code, texts[0], follow_up, texts[1]), odd


def trace(elements: list[str]) -> Trace:
    """The :class:`Trace` of a TRN."""
    if len(elements) < 5:
        elements = elements + _PADDING
    return Trace(elements[1] == "2", elements[2], elements[3], elements[4])


def reference(elements: list[str]) -> Reference:
    """The :class:`Reference` of a REF."""
    if len(elements) < 4:
        elements = elements + _PADDING
    if not elements[2] and elements[1] in MEMBER_NUMBERS:
        return Reference(elements[1], elements[3])  # one separator too many
    return Reference(elements[1], elements[2], elements[3])
