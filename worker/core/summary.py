"""What one answer of a 271 says, in the two forms that are kept: a flat one to query by, and JSON with everything.

The JSON is an object with the keys ``level``, ``coverage``, ``reference`` (BHT03), ``created`` (BHT04), ``payer``,
``provider``, ``subscriber``, ``dependent``, ``member_id``, ``plan``, ``group``, ``group_name``, ``traces``, ``dates``,
``rejections``, ``other_payers``, ``benefits`` and ``issues``. Codes stand as received, with words beside them where the
standard has some; amounts are text, so that nothing is rounded; days are ``YYYY-MM-DD``; a date that is none has its
``text`` as received. In the objects of the lists, and in persons and payers, what is empty is left out.

The JSON is put together by hand, because :mod:`json` would take longer for it than the reader for the whole set.
"""

from functools import lru_cache
from json.encoder import encode_basestring as quoted
from typing import NamedTuple

from worker.core.x12.answer import Answer
from worker.core.x12.benefits import Benefit
from worker.core.x12.codes import BENEFITS, words
from worker.core.x12.coverage import OtherPayer
from worker.core.x12.issues import Issue
from worker.core.x12.people import Party, Person, Reference, Rejection, Trace
from worker.core.x12.periods import Period

# So many benefits are remembered in their JSON form: most of a batch's are alike.
_MOST = 4096
_LONGEST = 4096


class Flat(NamedTuple):
    """The columns that people query by. Texts are trimmed and may be empty."""

    level: str
    coverage: str
    payer: str
    payer_id: str
    member_id: str
    last_name: str
    first_name: str
    birth_date: str
    """``YYYY-MM-DD``."""
    plan: str
    group_number: str
    group_name: str
    other_payers: str
    """Names of other payers that the answer discovered, joined by ``; ``."""
    rejections: str
    """AAA03 codes, joined by blanks."""
    reference: str
    trace_number: str
    """Of the inquiry's own trace if it came back, else of the first one."""
    originator_id: str


def flat(answer: Answer) -> Flat:
    """The :class:`Flat` of an answer."""
    person, payer = answer.patient, answer.payer
    trace = None
    for one in answer.traces:
        if one.ours or trace is None:
            trace = one
            if one.ours:
                break
    return Flat(
        answer.level,
        answer.coverage,
        payer.name if payer else "",
        payer.id if payer else "",
        answer.member_id,
        person.name if person else "",
        person.first if person else "",
        person.birth_date if person else "",
        answer.plan,
        answer.group,
        answer.group_name,
        "; ".join([one.name or one.plan or "unnamed" for one in answer.other_payers]) if answer.other_payers else "",
        " ".join([one.code for one in answer.rejections]) if answer.rejections else "",
        answer.reference,
        trace.number if trace else "",
        trace.originator if trace else "",
    )


class Summary:
    """Writes answers as JSON, and remembers benefits and parties: many answers of a batch share them."""

    def __init__(self) -> None:
        # By identity, which takes a tenth of hashing a benefit; the object is kept, so that its identity stays its own.
        self._known: dict[int, tuple[object, str]] = {}

    def text(self, answer: Answer) -> str:
        """The JSON of one answer."""
        known = self._known
        benefits = [
            found[1] if (found := known.get(id(one))) else self._remember(one, _benefit(one)) for one in answer.benefits
        ]
        traces, dates, rejections = answer.traces, answer.dates, answer.rejections
        return (
            f'{{"level":"{answer.level}","coverage":"{answer.coverage}","reference":{quoted(answer.reference)},'
            f'"created":{quoted(answer.created)},"payer":{self._party(answer.payer)},'
            f'"provider":{self._party(answer.provider)},"subscriber":{_person(answer.subscriber)},'
            f'"dependent":{_person(answer.dependent)},"member_id":{quoted(answer.member_id)},'
            f'"plan":{quoted(answer.plan)},"group":{quoted(answer.group)},"group_name":{quoted(answer.group_name)},'
            f'"traces":[{",".join([_trace(one) for one in traces])}],'
            f'"dates":[{",".join([_date(one) for one in dates])}],'
            f'"rejections":[{",".join([_rejection(one) for one in rejections])}],'
            f'"other_payers":[{",".join([_other_payer(one) for one in answer.other_payers])}],'
            f'"benefits":[{",".join(benefits)}],"issues":[{",".join([_issue(one) for one in answer.issues])}]}}'
        )

    def _party(self, party: Party | None) -> str:
        if party is None:
            return "null"
        known = self._known.get(id(party))
        return known[1] if known is not None else self._remember(party, _entity(party))

    def _remember(self, what: object, text: str) -> str:
        if len(text) <= _LONGEST:
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[id(what)] = (what, text)
        return text


# Members of an object, each with the comma behind it; nothing where the value is empty.


def _one(name: str, value: str) -> str:
    return f'"{name}":{quoted(value)},' if value else ""


def _many(name: str, values: tuple[str, ...]) -> str:
    return f'"{name}":[{",".join(map(quoted, values))}],' if values else ""


def _list(name: str, objects: list[str]) -> str:
    return f'"{name}":[{",".join(objects)}],' if objects else ""


def _object(members: str) -> str:
    return f"{{{members[:-1]}}}"


def _person(person: Person | None) -> str:
    if person is None:
        return "null"
    (
        name,
        first,
        middle,
        suffix,
        qualifier,
        number,
        birth_date,
        birth_text,
        gender,
        relationship,
        address,
        references,
    ) = person
    out = f'"last_name":{quoted(name)},' if name else ""
    if first:
        out += f'"first_name":{quoted(first)},'
    if middle or suffix:
        out += _one("middle_name", middle) + _one("suffix", suffix)
    if qualifier:
        out += f'"id_qualifier":{quoted(qualifier)},'
    if number:
        out += f'"id":{quoted(number)},'
    out += f'"birth_date":"{birth_date}",' if birth_date else _one("birth_date_as_received", birth_text)
    if gender:
        out += f'"gender":{quoted(gender)},'
    if relationship:
        out += f'"relationship":{quoted(relationship)},'
    if address:
        out += f'"address":[{",".join(map(quoted, address))}],'
    if references:
        out += f'"references":[{",".join([_reference(one) for one in references])}],'
    return f"{{{out[:-1]}}}"


@lru_cache(maxsize=256)
def _entity(party: Party) -> str:
    return _object(
        _one("entity", party.entity)
        + _one("name", party.name)
        + _one("first_name", party.first)
        + _one("middle_name", party.middle)
        + _one("suffix", party.suffix)
        + _one("id_qualifier", party.id_qualifier)
        + _one("id", party.id)
        + _many("address", party.address)
        + _many("contacts", party.contacts)
    )


def _reference(one: Reference) -> str:
    qualifier, value, text = one
    if qualifier and value:
        more = f',"text":{quoted(text)}' if text else ""
        return f'{{"qualifier":{quoted(qualifier)},"value":{quoted(value)}{more}}}'
    return _object(_one("qualifier", qualifier) + _one("value", value) + _one("text", text))


def _pair(one: tuple[str, str]) -> str:
    return _reference(Reference(*one, ""))


def _trace(one: Trace) -> str:
    ours, number, originator, _ = one
    return f'{{"ours":{"true" if ours else "false"},"number":{quoted(number)},"originator":{quoted(originator)}}}'


@lru_cache(maxsize=1024)
def _date(one: Period) -> str:
    text = "" if one.first and one.last else _one("text", one.text)
    return _object(_one("qualifier", one.qualifier) + _one("first", one.first) + _one("last", one.last) + text)


def _rejection(one: Rejection) -> str:
    retryable = "true" if one.retryable else "false"
    return _object(
        _one("loop", one.loop)
        + _one("valid", one.valid)
        + _one("code", one.code)
        + _one("text", one.text)
        + _one("follow_up", one.follow_up)
        + _one("follow_up_text", one.follow_up_text)
        + f'"retryable":{retryable},'
    )


def _other_payer(one: OtherPayer) -> str:
    code, name, id_qualifier, number, entity, insurance_type, service_types, plan, references, dates = one
    out = f'"code":{quoted(code)},' if code else ""
    if name:
        out += f'"name":{quoted(name)},'
    if id_qualifier or number:
        out += _one("id_qualifier", id_qualifier) + _one("id", number)
    if entity:
        out += f'"entity":{quoted(entity)},'
    if insurance_type:
        out += _one("insurance_type", insurance_type)
    if service_types:
        out += _many("service_types", service_types)
    if plan:
        out += f'"plan":{quoted(plan)},'
    if references:
        out += _list("references", [_pair(each) for each in references])
    if dates:
        out += _list("dates", [_date(each) for each in dates])
    return _object(out)


def _issue(one: Issue) -> str:
    return f'{{"code":{quoted(one.code)},"segment":{quoted(one.segment)},"message":{quoted(one.message)}}}'


def _benefit(one: Benefit) -> str:
    # Written out and unpacked, for this is where the time goes: nearly every set has a benefit that no set before had.
    code, level, types, insurance, plan, period, amount, percent = one[:8]
    _, quantity, authorization, network, procedure, _ = one[8:14]
    dates, messages, references, rejections, related, details = one[14:]
    out = f'{{"code":{quoted(code)},"text":{quoted(words(BENEFITS, code))},'
    if level:
        out += f'"level":{quoted(level)},'
    if types:
        out += f'"service_types":[{",".join(map(quoted, types))}],'
    if insurance:
        out += f'"insurance_type":{quoted(insurance)},'
    if period:
        out += f'"time_period":{quoted(period)},'
    if amount is not None:
        out += f'"amount":"{amount}",'
    if percent is not None:
        out += f'"percent":"{percent}",'
    if network:
        out += f'"in_network":{quoted(network)},'
    if dates:
        out += f'"dates":[{",".join(map(_date, dates))}],'
    if plan or messages or references or related:
        out += _one("plan", plan) + _many("messages", messages) + _named(one)
    if quantity is not None or authorization or procedure or rejections or details:
        out += _seldom(one)
    return out[:-1] + "}"


def _named(one: Benefit) -> str:
    return _list("references", [_reference(each) for each in one.references]) + _list(
        "related", [_entity(each) for each in one.related]
    )


def _seldom(one: Benefit) -> str:
    return (
        _one("quantity_qualifier", one.quantity_qualifier)
        + ("" if one.quantity is None else f'"quantity":"{one.quantity}",')
        + _one("authorization", one.authorization)
        + _many("procedure", one.procedure)
        + _many("pointers", one.pointers)
        + _list("rejections", [_rejection(each) for each in one.rejections])
        + _list("details", [f"[{','.join([quoted(value) for value in each])}]" for each in one.details])
    )
