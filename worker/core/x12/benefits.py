"""The EB segments of one patient, each with the segments and the related entities under it."""

import re
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from worker.core.x12.codes import ACTIVE, BENEFITS, INACTIVE, words
from worker.core.x12.dates import DEATH, Period, period
from worker.core.x12.delimiters import Delimiters
from worker.core.x12.people import Party, Reference, Rejection, extended, party, reference, rejection
from worker.core.x12.value import Value

_NOTHING: list[Any] = ["", "", "", "", "", "", None, None, "", None, "", "", (), ()]
_LONGEST_CODE_CHARS = 2
_CODE = re.compile(r"[A-Z0-9]+")
_NUMBER_FIELDS = (6, 7, 9)
_COMPOSITE_FIELDS = (12, 13)
_DETAILS = frozenset(("HSD", "III", "N2", "PRV"))


class Benefit(Value, frozen=True):
    """One EB. Codes are as received; amounts are decimal, a percentage is a fraction (``0.2`` is 20 %)."""

    code: str = ""
    """EB01, see :data:`~worker.core.x12.codes.BENEFITS`."""
    text: str = ""
    """EB01 in words."""
    level: str = ""
    """EB02, such as ``IND`` or ``FAM``."""
    service_types: tuple[str, ...] = ()
    """EB03, repeated; empty means the plan as a whole."""
    insurance_type: str = ""
    """EB04."""
    plan: str = ""
    """EB05."""
    time_period: str = ""
    """EB06."""
    amount: Decimal | None = None
    """EB07."""
    percent: Decimal | None = None
    """EB08."""
    quantity_qualifier: str = ""
    """EB09."""
    quantity: Decimal | None = None
    """EB10."""
    authorization: str = ""
    """EB11: whether one is required, ``Y``, ``N`` or ``U``."""
    in_network: str = ""
    """EB12: ``Y``, ``N``, ``W`` (both) or ``U``."""
    procedure: tuple[str, ...] = ()
    """EB13 by its components: qualifier, code, modifiers."""
    pointers: tuple[str, ...] = ()
    """EB14 by its components."""
    dates: tuple[Period, ...] = ()
    messages: tuple[str, ...] = ()
    references: tuple[Reference, ...] = ()
    rejections: tuple[Rejection, ...] = ()
    related: tuple[Party, ...] = ()
    """Loop 2120: who stands between LS and LE. Never the patient or the answering payer."""
    details: tuple[tuple[str, ...], ...] = ()
    """HSD and III, and N2 and PRV of a related party, by their elements."""


Notes = tuple[tuple[str, str], ...]
"""Codes and segments of what is wrong."""

Entry = tuple[Benefit, Notes, bool]
"""A benefit, what is wrong with it, and whether it tells anything beyond itself: bears on the status, names another
party or a rejection, or has something wrong with it. A few do, where amounts are many."""

_TELLING = ACTIVE | INACTIVE | {"I", "MC", "R"}
_LONGEST_NUMBER_CHARS = 24
_MOST_REMEMBERED_TEXTS = 2048
_SEEN_MARKS = 65_536
_LONGEST_REMEMBERED_CHARS = 600
_SHORT_SEGMENT_CHARS = 120


def number(text: str) -> Decimal | None:
    """A decimal number of at most 24 digits, without an exponent even where it came with one; else ``None``."""
    return _number(text) if len(text) <= _LONGEST_NUMBER_CHARS else None


@lru_cache(maxsize=4096)
def _number(text: str) -> Decimal | None:
    if not text.isascii() or "_" in text:
        return None
    try:
        found = Decimal(text.strip())
    except InvalidOperation:
        return None
    if "E" in text.upper() and found.is_finite():
        # A few characters may stand for a number of a million digits.
        return Decimal(f"{found:f}") if abs(found.adjusted()) < _LONGEST_NUMBER_CHARS else None
    return found if found.is_finite() else None


class Benefits(dict[str, Entry]):
    """Reads benefits, and remembers them: the text between one ``EB*`` and the next is the same for many patients.

    ``benefits[text]`` is the :data:`Entry` of that text. It is read, or found among what is remembered.

    Only what comes a second time is kept: a text of one patient's own would cost more in memory that is strewn about
    than reading it. A plain dictionary is several times faster than ``functools.lru_cache`` here, whose keys would be
    made of all that a benefit depends on.
    """

    def __init__(self, delimiters: Delimiters, loop: str) -> None:
        super().__init__()
        self.delimiters = delimiters
        self.loop = loop
        self.seen = bytearray(_SEEN_MARKS)

    def __missing__(self, chunk: str) -> Entry:
        one, notes = benefit(chunk, self.delimiters, self.loop)
        names = one.code in _TELLING or one.related or (one.code == "U" and one.plan)
        found = one, notes, bool(notes or names or one.rejections)
        mark = hash(chunk) % _SEEN_MARKS
        if self.seen[mark] and len(chunk) <= _LONGEST_REMEMBERED_CHARS:
            if len(self) >= _MOST_REMEMBERED_TEXTS:
                self.clear()
                self.seen = bytearray(_SEEN_MARKS)
            self[chunk] = found
        self.seen[mark] = 1
        return found


@lru_cache(maxsize=4)
def reader(delimiters: Delimiters, loop: str) -> Benefits:
    """The :class:`Benefits` for one set of delimiters and one loop (``2110C`` or ``2110D``)."""
    return Benefits(delimiters, loop)


def benefit(chunk: str, delimiters: Delimiters, loop: str) -> tuple[Benefit, Notes]:
    """The benefit of the text between one ``EB*`` and the next."""
    line, *rest = chunk.split(delimiters.terminator)
    values, notes = (_fields if len(line) <= _SHORT_SEGMENT_CHARS else _fields.__wrapped__)(line, delimiters)
    if not rest:
        return Benefit(*values), notes
    found = list(notes)
    return Benefit(*values, *_under(rest, delimiters.element, loop, found)), tuple(found)


@lru_cache(maxsize=1024)
def _fields(line: str, delimiters: Delimiters) -> tuple[tuple[Any, ...], Notes]:
    """The first fifteen fields of a :class:`Benefit`. What stands under an EB varies more than the EB itself."""
    element, repetition, component, _ = delimiters
    notes: list[tuple[str, str]] = []
    values: list[Any] = line.split(element)
    given = len(values)
    if values[0] not in BENEFITS:
        notes.append(("lower_case" if values[0].upper() in BENEFITS else "unknown_code", "EB"))
        values[0] = values[0].upper()
    values = values[:14] + _NOTHING[given:]
    types = values[2]
    if repetition and repetition in types:
        values[2] = tuple([one for one in types.replace(" ", "").split(repetition) if one])
    else:
        values[2] = (types,) if types else ()
    if len(types) > _LONGEST_CODE_CHARS and max(map(len, values[2]), default=0) > _LONGEST_CODE_CHARS:
        # Codes have one or two characters, so what stands between them is the separator.
        codes = tuple(_CODE.findall(types.upper()))
        if codes and max(map(len, codes)) <= _LONGEST_CODE_CHARS:
            values[2] = codes
            notes.append(("repetition_separator", "EB"))
        else:
            notes.append(("odd_service_type", "EB"))
    if given > 6:
        for index in _NUMBER_FIELDS:
            if values[index]:
                values[index] = number(values[index])
                if values[index] is None:
                    notes.append(("bad_number", "EB"))
            else:
                values[index] = None
        for index in _COMPOSITE_FIELDS:
            if values[index]:
                values[index] = tuple(values[index].split(component))
            else:
                values[index] = ()
    values.insert(1, words(BENEFITS, values[0]))
    return tuple(values), tuple(notes)


def _under(lines: list[str], element: str, loop: str, notes: list[tuple[str, str]]) -> tuple[tuple[Any, ...], ...]:
    """The last six fields of a :class:`Benefit`."""
    dates: list[Period] = []
    messages: list[str] = []
    references: list[Reference] = []
    others: list[str] = []
    for line in lines:
        name = line.partition(element)[0]
        if name == "DTP":
            dates.append(dated(line, element, notes))
        elif name == "MSG":
            messages.append(line[4:])
        elif name == "REF":
            references.append(reference(line.split(element)))
        else:
            others.append(line)
    rejections: tuple[Rejection, ...] = ()
    related: tuple[Party, ...] = ()
    details: tuple[tuple[str, ...], ...] = ()
    if others:
        short = sum(map(len, others)) <= _LONGEST_REMEMBERED_CHARS
        rejections, related, details, more = (_known_others if short else _others)(tuple(others), element, loop)
        notes += more
    return tuple(dates), tuple(messages), tuple(references), rejections, related, details


def _others(
    lines: tuple[str, ...], element: str, loop: str
) -> tuple[tuple[Rejection, ...], tuple[Party, ...], tuple[tuple[str, ...], ...], Notes]:
    """The last three fields of a :class:`Benefit`, and what is wrong with them.

    An NM1 under an EB is an entity of loop 2120 also where its LS is missing.
    """
    notes: list[tuple[str, str]] = []
    rejections: list[Rejection] = []
    details: list[tuple[str, ...]] = []
    found: list[Party] = []
    within = False
    for line in lines:
        values = line.split(element)
        name = values[0]
        if name in ("LS", "LE"):
            if within is (name == "LS"):
                notes.append(("loop_not_closed", name))
            within = name == "LS"
        elif name == "NM1":
            one, odd = party(values)
            found.append(one)
            if odd:
                notes.append((odd, "NM1"))
            if not within:
                notes.append(("loop_not_closed", "NM1"))
        elif name in ("N3", "N4", "PER") and found:
            found[-1] = extended(found[-1], values)
        elif name == "AAA":
            rejections.append(rejected(values, loop, notes))
        elif name in _DETAILS:
            details.append(tuple(values))
        elif name:
            notes.append(("unknown_segment", ""))
    if within:
        notes.append(("loop_not_closed", "LS"))
    return tuple(rejections), tuple(found), tuple(details), tuple(notes)


_known_others = lru_cache(maxsize=512)(_others)
"""The same entities stand under many benefits, beside references that are the patient's own."""


def rejected(values: list[str], loop: str, notes: list[tuple[str, str]]) -> Rejection:
    """The :class:`Rejection` of an AAA, with what is odd about its reason noted."""
    found, odd = rejection(values, loop)
    if odd:
        notes.append((odd, "AAA"))
    return found


def dated(line: str, element: str, notes: list[tuple[str, str]]) -> Period:
    """The :class:`~worker.core.x12.dates.Period` of a DTP, its issues noted as code and segment."""
    found, odd = (_known_dtp if len(line) <= _SHORT_SEGMENT_CHARS else _dtp)(line, element)
    if odd:
        notes += odd
    return found


def _dtp(line: str, element: str) -> tuple[Period, Notes]:
    _, qualifier, form, text, *_ = [*line.split(element), "", "", ""]
    found, odd = period(qualifier, form, text)
    codes = [odd, "deceased" if qualifier == DEATH else ""]
    return found, tuple([(code, "DTP") for code in codes if code])


_known_dtp = lru_cache(maxsize=4096)(_dtp)
"""The same dates stand in many sets, and the whole segment is found with one look."""
