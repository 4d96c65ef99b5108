"""What one answer of a 271 says, in the two forms that are kept: a flat one to query by, and JSON with everything.

The JSON is an object with the keys ``level``, ``coverage``, ``reference`` (BHT03), ``created`` (BHT04), ``payer``,
``provider``, ``subscriber``, ``dependent``, ``member_id``, ``plan``, ``group``, ``group_name``, ``traces``, ``dates``,
``rejections``, ``other_payers``, ``benefits`` and ``issues``. Codes stand as received, with words beside them where the
standard has some; amounts are text, so that nothing is rounded; days are ``YYYY-MM-DD``.
"""

import json
from decimal import Decimal
from typing import Any, NamedTuple

from worker.core.x12.answer import Answer
from worker.core.x12.benefits import Benefit
from worker.core.x12.codes import BENEFITS, words
from worker.core.x12.coverage import OtherPayer
from worker.core.x12.people import Party, Person, Rejection
from worker.core.x12.periods import Period

Json = dict[str, Any]

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str).encode

# So many benefits are remembered in their JSON form: most of a batch's are alike.
_MOST = 4096


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
        rest = _encode(
            {
                "level": answer.level,
                "coverage": answer.coverage,
                "reference": answer.reference,
                "created": answer.created,
                "subscriber": _person(answer.subscriber),
                "dependent": _person(answer.dependent),
                "member_id": answer.member_id,
                "plan": answer.plan,
                "group": answer.group,
                "group_name": answer.group_name,
                "traces": [
                    {"ours": t.ours, "number": t.number, "originator": t.originator, "extra": t.extra}
                    for t in answer.traces
                ],
                "dates": _dates(answer.dates),
                "rejections": [_rejection(one) for one in answer.rejections],
                "other_payers": [_other_payer(one) for one in answer.other_payers],
                "issues": [[one.code, one.segment, one.message] for one in answer.issues],
            }
        )
        payer, provider = self._party(answer.payer), self._party(answer.provider)
        benefits = ",".join([self._benefit(one) for one in answer.benefits])
        return f'{rest[:-1]},"payer":{payer},"provider":{provider},"benefits":[{benefits}]}}'

    def _party(self, party: Party | None) -> str:
        if party is None:
            return "null"
        known = self._known.get(id(party))
        return known[1] if known is not None else self._remember(party, _encode(_entity(party)))

    def _benefit(self, benefit: Benefit) -> str:
        known = self._known.get(id(benefit))
        return known[1] if known is not None else self._remember(benefit, _encode(_one_benefit(benefit)))

    def _remember(self, what: object, text: str) -> str:
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[id(what)] = (what, text)
        return text


def _present(**fields: object) -> Json:
    """The fields that say something."""
    return {name: value for name, value in fields.items() if value not in (None, "", (), [])}


def _person(person: Person | None) -> Json | None:
    if person is None:
        return None
    return {
        "last_name": person.name,
        "first_name": person.first,
        "middle_name": person.middle,
        "suffix": person.suffix,
        "id_qualifier": person.id_qualifier,
        "id": person.id,
        "birth_date": person.birth_date,
        "birth_date_as_received": person.birth_text,
        "gender": person.gender,
        "relationship": person.relationship,
        "address": person.address,
        "references": person.references,
    }


def _entity(party: Party) -> Json:
    return _present(
        entity=party.entity,
        name=party.name,
        first_name=party.first,
        middle_name=party.middle,
        suffix=party.suffix,
        id_qualifier=party.id_qualifier,
        id=party.id,
        address=party.address,
        contacts=party.contacts,
    )


def _dates(dates: tuple[Period, ...]) -> list[Json]:
    return [{"qualifier": one.qualifier, "first": one.first, "last": one.last, "text": one.text} for one in dates]


def _rejection(one: Rejection) -> Json:
    return {
        "loop": one.loop,
        "valid": one.valid,
        "code": one.code,
        "text": one.text,
        "follow_up": one.follow_up,
        "follow_up_text": one.follow_up_text,
        "retryable": one.retryable,
    }


def _other_payer(one: OtherPayer) -> Json:
    return _present(
        code=one.code,
        name=one.name,
        id_qualifier=one.id_qualifier,
        id=one.id,
        entity=one.entity,
        insurance_type=one.insurance_type,
        service_types=one.service_types,
        plan=one.plan,
        references=one.references,
        dates=_dates(one.dates),
    )


def _plain(number: Decimal | None) -> str | None:
    return None if number is None else str(number)


def _one_benefit(one: Benefit) -> Json:
    return _present(
        code=one.code,
        text=words(BENEFITS, one.code),
        level=one.level,
        service_types=one.service_types,
        insurance_type=one.insurance_type,
        plan=one.plan,
        time_period=one.time_period,
        amount=_plain(one.amount),
        percent=_plain(one.percent),
        quantity_qualifier=one.quantity_qualifier,
        quantity=_plain(one.quantity),
        authorization=one.authorization,
        in_network=one.in_network,
        procedure=one.procedure,
        pointers=one.pointers,
        dates=_dates(one.dates),
        messages=one.messages,
        references=one.references,
        rejections=[_rejection(each) for each in one.rejections],
        related=[_entity(each) for each in one.related],
        details=one.details,
    )
