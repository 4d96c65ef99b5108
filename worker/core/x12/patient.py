"""One loop to what it says: a patient's (2000C, 2000D) or that of the payer or provider above (2000A, 2000B)."""

from functools import lru_cache
from itertools import compress

from msgspec.structs import replace

from worker.core.x12 import people
from worker.core.x12.benefits import Benefit, Notes, dated, reader, rejected
from worker.core.x12.dates import Period, birth_day
from worker.core.x12.delimiters import Delimiters
from worker.core.x12.issues import Issue, issue
from worker.core.x12.loops import DEPENDENT, SOURCE
from worker.core.x12.people import Party, Person, Reference, Rejection, Trace
from worker.core.x12.value import Whole

_NOTHING = [""]
_LONGEST_REMEMBERED_CHARS = 600
_ONCE = frozenset(("NM1", "DMG", "INS", "N3", "N4"))
_KEPT = frozenset(("HI", "MPI", "MSG", "N2", "PER", "PRV"))
"""Segments of a patient that bear on nothing here, and are kept for people."""
_OF_PARTIES = frozenset(("DMG", "DTP", "HI", "INS", "MPI", "MSG", "N2", "PRV", "TRN"))


class PartyLoop(Whole, frozen=True):
    """What a payer's or provider's loop says to the patients below."""

    party: Party | None
    rejections: tuple[Rejection, ...]
    notes: Notes


class Patient(Whole, frozen=True):
    """What a 2000C or 2000D says of itself."""

    person: Person
    traces: tuple[Trace, ...]
    rejections: tuple[Rejection, ...]
    """Those of loop 2100."""
    dates: tuple[Period, ...]
    benefits: tuple[Benefit, ...]
    telling: tuple[Benefit, ...]
    """Those that bear on the status, or name another party or a rejection."""
    issues: tuple[Issue, ...]


def read_party_loop(text: str, level: str, delimiters: Delimiters) -> PartyLoop:
    """The party of a 2000A or 2000B, and the rejections beside it; the same for many sets."""
    return (_known_party_loop if len(text) <= _LONGEST_REMEMBERED_CHARS else _party_loop)(text, level, delimiters)


def _party_loop(text: str, level: str, delimiters: Delimiters) -> PartyLoop:
    element, _, _, terminator = delimiters
    notes: list[tuple[str, str]] = []
    found: Party | None = None
    rejections: list[Rejection] = []
    references: list[Reference] = []
    details: list[tuple[str, ...]] = []
    for line in text.split(terminator):
        values = line.split(element)
        name = values[0]
        if name == "NM1" and found is None:
            found, odd = people.party(values)
            if odd:
                notes.append((odd, "NM1"))
        elif name in ("N3", "N4", "PER") and found is not None:
            found = people.extended(found, values)
        elif name == "AAA":
            named = "2100B" if level != SOURCE else "2000A" if found is None else "2100A"
            rejections.append(rejected(values, named, notes))
        elif name == "REF":
            references.append(people.reference(values))
        elif name in _OF_PARTIES:
            details.append(tuple(values))
        elif name not in ("NM1", "N3", "N4", "PER", ""):
            notes.append(("unknown_segment", ""))
    if references or details:
        found = replace(found or Party(), references=tuple(references), details=tuple(details))
    return PartyLoop(found, tuple(rejections), tuple(notes))


_known_party_loop = lru_cache(maxsize=512)(_party_loop)


def read_patient(text: str, level: str, number: int, delimiters: Delimiters) -> Patient:
    """A 2000C or 2000D: what stands before the first EB is the person's, everything behind it is a benefit's.

    ``level`` is HL03, and ``number`` the HL's place in the set.
    """
    element, _, _, terminator = delimiters
    chunks = f"{terminator}{text}".split(f"{terminator}EB{element}")
    level = "2110D" if level == DEPENDENT else "2110C"
    notes: list[tuple[str, str]] = []
    lines = chunks[0].split(terminator)
    inner: list[str] = []
    if f"{terminator}LS{element}" in chunks[0]:
        lines, inner = _without_loops(lines, element)
        notes.append(("unknown_segment", "LS"))
    person, traces, rejections, dates = _person(lines, element, level, notes)
    if inner:
        person = replace(person, details=person.details + tuple([tuple(line.split(element)) for line in inner]))
    issues = [issue(code, segment, f"HL {number}") for code, segment in notes] if notes else []
    benefits: tuple[Benefit, ...] = ()
    telling: tuple[Benefit, ...] = ()
    if len(chunks) > 1:
        # By map, zip and compress, which take a third of what loops do: here most of a file passes through.
        del chunks[0]
        found: tuple[Notes, ...]
        benefits, found, tells = zip(*map(reader(delimiters, level).__getitem__, chunks), strict=True)
        telling = tuple(compress(benefits, tells))
        if any(found):
            for ordinal, one in enumerate(found, 1):
                issues += [issue(code, segment, f"HL {number}, EB {ordinal}") for code, segment in one]
    return Patient(person, traces, rejections, dates, benefits, telling, tuple(issues))


def _without_loops(lines: list[str], element: str) -> tuple[list[str], list[str]]:
    """The segments of a patient outside of LS and LE, and those between: of whom they tell is unclear, as no benefit
    stands above."""
    outside: list[str] = []
    inner: list[str] = []
    within = False
    for line in lines:
        name = line.partition(element)[0]
        if name in ("LS", "LE"):
            within = name == "LS"
        else:
            (inner if within else outside).append(line)
    return outside, inner


def _person(
    lines: list[str], element: str, level: str, notes: list[tuple[str, str]]
) -> tuple[Person, tuple[Trace, ...], tuple[Rejection, ...], tuple[Period, ...]]:
    """The segments of loops 2000 and 2100. Of a segment that should stand once, the first counts."""
    once: dict[str, list[str]] = {}
    traces: list[Trace] = []
    references: list[Reference] = []
    dates: list[Period] = []
    rejections: list[Rejection] = []
    kept: list[list[str]] = []
    for line in lines:
        values = line.split(element)
        name = values[0]
        if name in _ONCE:
            if name in once:
                notes.append(("segment_repeated", name))
                kept.append(values)
            else:
                once[name] = values
        elif name == "TRN":
            traces.append(people.trace(values))
        elif name == "REF":
            references.append(people.reference(values))
        elif name == "DTP":
            dates.append(dated(line, element, notes))
        elif name == "AAA":
            rejections.append(rejected(values, f"2100{level[-1]}", notes))
        elif name in _KEPT:
            kept.append(values)
        elif name:
            notes.append(("unknown_segment", ""))
    person = _named(once, tuple(references), notes)
    if kept:
        person = replace(
            person,
            messages=tuple([element.join(one[1:]) for one in kept if one[0] == "MSG"]),
            contacts=tuple([value for one in kept if one[0] == "PER" for value in people.contacts(one)]),
            details=tuple([tuple(one) for one in kept if one[0] not in ("MSG", "PER")]),
        )
    return person, tuple(traces), tuple(rejections), tuple(dates)


def _named(once: dict[str, list[str]], references: tuple[Reference, ...], notes: list[tuple[str, str]]) -> Person:
    fields, odd = people.name_and_id(once.get("NM1", _NOTHING))
    if odd:
        notes.append((odd, "NM1"))
    birth_date = no_date = gender = ""
    if (values := once.get("DMG")) is not None:
        _, form, text, gender = values if len(values) == 4 else (*values, "", "", "")[:4]
        birth_date, loose = birth_day(text)
        no_date = "" if birth_date else text
        if text and (loose or form != "D8"):
            notes.append(("date_format" if birth_date else "impossible_date", "DMG"))
    relationship = death_date = ""
    if (values := once.get("INS")) is not None and len(values) > 2:
        relationship = values[2]
        death_date = (birth_day(values[12])[0] or values[12]) if len(values) > 12 else ""
        if death_date:
            notes.append(("deceased", "INS"))
    # Sliced and filtered at once: nearly every patient has both.
    address = tuple(filter(None, once.get("N3", _NOTHING)[1:3] + once.get("N4", _NOTHING)[1:4]))
    return Person(*fields, birth_date, no_date, gender, relationship, death_date, address, references)
