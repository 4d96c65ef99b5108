"""The one inquiry of a 270 that is to be submitted, and what its answers are told by later."""

import io
from typing import NamedTuple

from worker.core.errors import BadData
from worker.core.x12.envelope import FileEnd, TransactionSet
from worker.core.x12.stream import transaction_sets

_HINT = "hand in one interchange with one 270 that asks for one patient"


class Inquiry270(NamedTuple):
    """What the 270 says of the request; ``None`` for what it does not say, or says twice."""

    trace_number: str | None = None
    originator_id: str | None = None
    member_id: str | None = None
    birth_date: str | None = None


def read_270(data: bytes, name: str) -> Inquiry270:
    """The inquiry of a whole 270. Raises BadData; ``name`` stands for the file in what people read.

    A 270 that asks for several patients is refused: all that it begins would go out under the same refs.
    """
    found = one_set(data, "270", name)
    rows = [row.strip().split(found.interchange.delimiters.element) for row in _segments(found)]
    levels = [row[3] for row in rows if row[0] == "HL" and len(row) > 3]
    if levels.count("22") > 1 or levels.count("23") > 1:
        raise BadData(f"{name} asks for several patients", _HINT)
    subscriber: list[list[str]] = []
    level = ""
    for row in rows:
        level = row[3] if row[0] == "HL" and len(row) > 3 else level
        if level == "22":
            subscriber.append(row)
    traces = [row for row in rows if row[:2] == ["TRN", "1"] and len(row) > 2 and row[2]]
    trace = traces[0] if len(traces) == 1 else []
    return Inquiry270(
        trace_number=_at(trace, 2),
        originator_id=_at(trace, 3),
        member_id=next((_at(row, 9) for row in subscriber if row[:2] == ["NM1", "IL"] and _at(row, 8) == "MI"), None),
        birth_date=next((_at(row, 2) for row in subscriber if row[:2] == ["DMG", "D8"]), None),
    )


def one_set(data: bytes, code: str, name: str) -> TransactionSet:
    """The only transaction set of a whole interchange. Raises BadData."""
    *sets, end = transaction_sets(io.BytesIO(data))
    assert isinstance(end, FileEnd)
    if end.state != "complete":
        raise BadData(f"{name} is no whole X12 interchange: {end.reason}", f"hand in the {code} from ISA to IEA")
    if len(sets) != 1 or not isinstance(sets[0], TransactionSet):
        raise BadData(f"{name} holds {len(sets)} transaction sets", _HINT.replace("270", code))
    if sets[0].code != code:
        raise BadData(f"{name} is no {code}", _HINT.replace("270", code))
    return sets[0]


def _segments(found: TransactionSet) -> list[str]:
    raw = found.raw.translate(None, found.interchange.delimiters.line_breaks)
    return raw.decode("utf-8", "replace").split(found.interchange.delimiters.terminator)


def _at(row: list[str], element: int) -> str | None:
    return (row[element].strip() or None) if len(row) > element else None
