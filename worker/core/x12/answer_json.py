"""Everything that one answer of a 271 says, as JSON.

It is an object with the keys ``level``, ``coverage``, ``reference`` (BHT03), ``created`` (BHT04), ``payer``,
``provider``, ``subscriber``, ``dependent``, ``member_id``, ``plan``, ``group``, ``group_name``, ``traces``, ``dates``,
``rejections``, ``other_payers``, ``benefits`` and ``issues``. Codes stand as received; those of benefits (EB01) and
rejections have words beside them. Amounts are text, so that nothing is rounded; days are ``YYYY-MM-DD``; a date that is
none has its ``text`` as received. In the objects of the lists, and in persons and payers, what is empty is left out.

The JSON is put together by hand, because :mod:`json` would take longer for it than the reader for the whole set.
"""

from functools import lru_cache
from json.encoder import encode_basestring as quoted

from worker.core.x12.answer import Answer
from worker.core.x12.benefits import Benefit
from worker.core.x12.codes import BENEFITS, words
from worker.core.x12.coverage import OtherPayer
from worker.core.x12.dates import Period
from worker.core.x12.issues import Issue
from worker.core.x12.people import Party, Person, Reference, Rejection, Trace

# Benefits whose JSON form is remembered, at most, and the longest of them: most of a batch's are alike.
_MOST_REMEMBERED_OBJECTS = 4096
_LONGEST_REMEMBERED_CHARS = 4096


# How the object of a benefit begins.
_CODED = {code: f'{{"code":{quoted(code)},"text":{quoted(text)},' for code, text in BENEFITS.items()}


class AnswerJson:
    """Writes answers as JSON, and remembers benefits and parties: many answers of a batch share them."""

    def __init__(self) -> None:
        # By identity, which takes a tenth of hashing a benefit.
        self._known: dict[int, str] = {}
        self._kept: list[object] = []
        """What is known, so that its identity stays its own."""

    def text(self, answer: Answer) -> str:
        """The JSON of one answer."""
        level, _, reference, created, payer, provider, subscriber, dependent, member_id, traces = answer[:10]
        rejections, dates, benefits, coverage, others, plan, group, group_name, issues = answer[10:]
        known = self._known.get
        texts = list(map(known, map(id, benefits)))
        # Of most answers one is not known: the one that names another payer.
        if (unknown := texts.count(None)) == 1:
            at = texts.index(None)
            texts[at] = self._benefit(benefits[at])
        elif unknown:
            texts = [self._benefit(one) if text is None else text for one, text in zip(benefits, texts, strict=True)]
        return (
            f'{{"level":"{level}","coverage":"{coverage}","reference":{quoted(reference)},"created":{quoted(created)},'
            f'"payer":{known(id(payer)) or self._party(payer)},'
            f'"provider":{known(id(provider)) or self._party(provider)},'
            f'"subscriber":{"null" if subscriber is None else _person(subscriber)},'
            f'"dependent":{"null" if dependent is None else _person(dependent)},"member_id":{quoted(member_id)},'
            f'"plan":{quoted(plan)},"group":{quoted(group)},"group_name":{quoted(group_name)},'
            f'"traces":[{_traces(traces)}],'
            f'"dates":[{",".join(map(_date, dates)) if dates else ""}],'
            f'"rejections":[{",".join(map(_rejection, rejections)) if rejections else ""}],'
            f'"other_payers":[{",".join(map(_other_payer, others)) if others else ""}],'
            f'"benefits":[{",".join(texts)}],'  # type: ignore[arg-type] # none of them is None any more
            f'"issues":[{",".join(map(_issue, issues)) if issues else ""}]}}'
        )

    def _party(self, party: Party | None) -> str:
        if party is None:
            return "null"
        return self._known.get(id(party)) or self._remember(party, _entity(party))

    def _benefit(self, one: Benefit) -> str:
        text = _written(one)
        # What has a reference of its own is hardly ever another patient's too.
        return text if one.references else self._remember(one, text)

    def _remember(self, what: object, text: str) -> str:
        if len(text) <= _LONGEST_REMEMBERED_CHARS:
            if len(self._kept) >= _MOST_REMEMBERED_OBJECTS:
                self._known.clear()
                self._kept.clear()
            self._known[id(what)] = text
            self._kept.append(what)
        return text


def _written(one: Benefit) -> str:
    # Unpacked: nearly every set has a benefit that no set before had.
    amount, percent, _, quantity, authorization, network, procedure, _ = one[6:14]
    references, rejections, related, details = one[16:]
    numbers = "" if amount is None else str(amount), "" if percent is None else str(percent)
    out = _beginning(one[:6], numbers, network, one[14:16])
    if references:
        out += f"{_and_references(references)[1:]},"
    if related:
        out += f'"related":[{",".join(map(_entity, related))}],'
    if quantity is not None or authorization or procedure or rejections or details:
        out += _seldom(one)
    return out[:-1] + "}"


@lru_cache(maxsize=1024)
def _beginning(
    codes: tuple[str, str, tuple[str, ...], str, str, str],
    numbers: tuple[str, str],
    network: str,
    told: tuple[tuple[Period, ...], tuple[str, ...]],
) -> str:
    """A benefit up to its references, which tell one patient's from another's. Numbers are text: 1.0 is not 1.00."""
    code, level, types, insurance, plan, period = codes
    dates, messages = told
    return (
        (_CODED.get(code) or f'{{"code":{quoted(code)},"text":{quoted(words(BENEFITS, code))},')
        + _one("level", level)
        + (f'"service_types":[{_texts(types)}],' if types else "")
        + _one("insurance_type", insurance)
        + _one("time_period", period)
        + _one("amount", numbers[0])
        + _one("percent", numbers[1])
        + _one("in_network", network)
        + (f'"dates":[{",".join(map(_date, dates))}],' if dates else "")
        + _one("plan", plan)
        + _many("messages", messages)
    )


# Members of an object, each with the comma behind it; nothing where the value is empty.


def _one(name: str, value: str) -> str:
    return f'"{name}":{quoted(value)},' if value else ""


def _many(name: str, values: tuple[str, ...]) -> str:
    return f'"{name}":[{",".join(map(quoted, values))}],' if values else ""


@lru_cache(maxsize=256)
def _texts(values: tuple[str, ...]) -> str:
    return ",".join(map(quoted, values))


def _list(name: str, objects: list[str]) -> str:
    return f'"{name}":[{",".join(objects)}],' if objects else ""


def _object(members: str) -> str:
    return f"{{{members[:-1]}}}"


def _person(person: Person) -> str:
    last, first, middle, suffix, qualifier, number, birth_date, _, gender, relationship, address, references = person[:]
    if not (last and first and qualifier and number and birth_date and gender and relationship and address):
        return _partly(person)
    # Nearly every patient has all of these; one piece of text takes half of what ten pieces take.
    return (
        f'{{"last_name":{quoted(last)},"first_name":{quoted(first)},'
        f"{_one('middle_name', middle) if middle else ''}{_one('suffix', suffix) if suffix else ''}"
        f'"id_qualifier":{quoted(qualifier)},"id":{quoted(number)},"birth_date":"{birth_date}",'
        f'"gender":{quoted(gender)},"relationship":{quoted(relationship)},"address":[{",".join(map(quoted, address))}]'
        f"{_and_references(references) if references else ''}}}"
    )


def _and_references(references: tuple[Reference, ...]) -> str:
    return f',"references":[{",".join(map(_reference, references))}]'


def _partly(one: Person) -> str:
    """The same for a person of whom less is known."""
    return _object(
        _one("last_name", one.name)
        + _one("first_name", one.first)
        + _one("middle_name", one.middle)
        + _one("suffix", one.suffix)
        + _one("id_qualifier", one.id_qualifier)
        + _one("id", one.id)
        + (_one("birth_date", one.birth_date) or _one("birth_date_as_received", one.birth_text))
        + _one("gender", one.gender)
        + _one("relationship", one.relationship)
        + _many("address", one.address)
        + _list("references", [_reference(each) for each in one.references])
    )


@lru_cache(maxsize=1024)
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
    qualifier, value = one
    if qualifier and value:
        return f'{{"qualifier":{quoted(qualifier)},"value":{quoted(value)}}}'
    return _object(_one("qualifier", qualifier) + _one("value", value))


def _traces(traces: tuple[Trace, ...]) -> str:
    out = [
        f'{{"ours":{"true" if ours else "false"},"number":{quoted(number)},"originator":{quoted(originator)}}}'
        for ours, number, originator, _ in traces
    ]
    return ",".join(out)


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
    plan, references, dates = one[7:]
    out = _named(one[:7])
    if plan:
        out += f'"plan":{quoted(plan)},'
    if references:
        out += f'"references":[{",".join(map(_pair, references))}],'
    if dates:
        out += f'"dates":[{",".join(map(_date, dates))}],'
    return f"{{{out[:-1]}}}"


@lru_cache(maxsize=1024)
def _named(fields: tuple[str, str, str, str, str, str, tuple[str, ...]]) -> str:
    """The beginning of another payer, by its first fields: the same ones are named in many sets."""
    code, name, qualifier, number, entity, insurance_type, types = fields
    return (
        _one("code", code)
        + _one("name", name)
        + _one("id_qualifier", qualifier)
        + _one("id", number)
        + _one("entity", entity)
        + _one("insurance_type", insurance_type)
        + (f'"service_types":[{_texts(types)}],' if types else "")
    )


def _issue(one: Issue) -> str:
    return f'{{"code":{quoted(one.code)},"segment":{quoted(one.segment)},"message":{quoted(one.message)}}}'


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
