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
    trace = next((one for one in answer.traces if one.ours), answer.traces[0] if answer.traces else None)
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
    return f'"{name}":[{",".join([quoted(one) for one in values])}],' if values else ""


def _list(name: str, objects: list[str]) -> str:
    return f'"{name}":[{",".join(objects)}],' if objects else ""


def _object(members: str) -> str:
    return f"{{{members[:-1]}}}"


def _person(person: Person | None) -> str:
    if person is None:
        return "null"
    name, first, middle, suffix, qualifier, number, birth_date, birth_text, gender, relationship, *_ = person
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
    if person.address:
        out += _many("address", person.address)
    if person.references:
        out += f'"references":[{",".join([_reference(one) for one in person.references])}],'
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
    return _object(_one("qualifier", one[0]) + _one("value", one[1]))


def _trace(one: Trace) -> str:
    ours = "true" if one.ours else "false"
    return f'{{"ours":{ours},"number":{quoted(one.number)},"originator":{quoted(one.originator)}}}'


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
    out = _one("code", one.code) + _one("name", one.name)
    if one.id_qualifier or one.id:
        out += _one("id_qualifier", one.id_qualifier) + _one("id", one.id)
    out += _one("entity", one.entity)
    if one.insurance_type:
        out += _one("insurance_type", one.insurance_type)
    if one.service_types:
        out += _many("service_types", one.service_types)
    if one.plan:
        out += _one("plan", one.plan)
    if one.references:
        out += _list("references", [_pair(each) for each in one.references])
    if one.dates:
        out += _list("dates", [_date(each) for each in one.dates])
    return _object(out)


def _issue(one: Issue) -> str:
    return f'{{"code":{quoted(one.code)},"segment":{quoted(one.segment)},"message":{quoted(one.message)}}}'


def _benefit(one: Benefit) -> str:
    # Written out, for this is where the time goes: nearly every set has a benefit that no set before had.
    out = f'{{"code":{quoted(one.code)},"text":{quoted(words(BENEFITS, one.code))},'
    if one.level:
        out += f'"level":{quoted(one.level)},'
    if one.service_types:
        out += _many("service_types", one.service_types)
    if one.insurance_type:
        out += f'"insurance_type":{quoted(one.insurance_type)},'
    if one.time_period:
        out += f'"time_period":{quoted(one.time_period)},'
    if one.amount is not None:
        out += f'"amount":"{one.amount}",'
    if one.percent is not None:
        out += f'"percent":"{one.percent}",'
    if one.in_network:
        out += f'"in_network":{quoted(one.in_network)},'
    if one.dates:
        out += _list("dates", [_date(each) for each in one.dates])
    if one.plan or one.messages or one.references or one.related:
        out += _one("plan", one.plan) + _many("messages", one.messages) + _named(one)
    if one.quantity is not None or one.authorization or one.procedure or one.rejections or one.details:
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
