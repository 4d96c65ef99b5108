"""What the tests of 271s in words share: one set read, and the loops to make it of."""

import io

from tests.support.x12_samples import Segment, a_file, a_set, subscriber
from worker.core.x12.answer import Answer, ParsedSet, parse_271
from worker.core.x12.batch import Judged, read_batch
from worker.core.x12.envelope import FileEnd, TransactionSet
from worker.core.x12.scanner import Limits
from worker.core.x12.stream import transaction_sets

BHT: Segment = ("BHT", "0022", "11", "INQ-1", "20260304", "0930")


def reading(*body: Segment, whole: bool = False) -> ParsedSet:
    """The reading of one set: of the given benefits, or with ``whole`` of the given body behind a BHT."""
    text = a_file(a_set([BHT, *body] if whole else subscriber(*body)))
    tset = next(transaction_sets(io.BytesIO(text.encode())))
    assert isinstance(tset, TransactionSet)
    return parse_271(tset)


def answer(*body: Segment, whole: bool = False) -> Answer:
    (only,) = reading(*body, whole=whole).answers()
    return only


def said(found: Answer) -> list[str]:
    return [one.code for one in found.issues]


def read(data: bytes, limits: Limits | None = None) -> tuple[list[Judged], FileEnd]:
    """The judged sets of a file, and its end."""
    *sets, last = list(read_batch(io.BytesIO(data), limits or Limits()))
    assert isinstance(last.item, FileEnd)
    return sets, last.item


EB_INACTIVE: Segment = ("EB", "6", "", "30")
AAA: Segment = ("AAA", "N", "", "75", "C")
SOURCE: list[Segment] = [("HL", "1", "", "20", "1"), ("NM1", "PR", "2", "PLAN OF PLENTY", *[""] * 4, "PI", "PLENTY")]
RECEIVER: list[Segment] = [("HL", "2", "1", "21", "1"), ("NM1", "1P", "2", "CLINIC", *[""] * 4, "XX", "1999999984")]


def holder(*more: Segment, hl: str = "3", above: str = "2", children: str = "1") -> list[Segment]:
    return [("HL", hl, above, "22", children), ("NM1", "IL", "1", "HOLDER", "ANN", *[""] * 3, "MI", "M0001"), *more]


def child(name: str, *more: Segment, hl: str = "4", above: str = "3") -> list[Segment]:
    return [("HL", hl, above, "23", "0"), ("NM1", "03", "1", "HOLDER", name), *more]


OVER: Segment = ("DTP", "292", "RD8", "20190101-20200101")
RUNNING: Segment = ("DTP", "292", "RD8", "20260101-20261231")


def named(entity: str, name: str, number: str = "", *above: Segment) -> list[Segment]:
    """A benefit's segments, and one that is named under it."""
    return [*above, ("LS", "2120"), ("NM1", entity, "2", name, *[""] * 4, "PI", number), ("LE", "2120")]


def under(eb: str, types: str, *more: Segment) -> tuple[Segment, ...]:
    return ("EB", eb, "", types), *more


def of_medicaid(*benefits: Segment, payer: str = "STATE OF NOWHERE MEDICAID", payer_id: str = "NW") -> Answer:
    source: list[Segment] = [("HL", "1", "", "20", "1"), ("NM1", "PR", "2", payer, *[""] * 4, "PI", payer_id)]
    patient: list[Segment] = [("HL", "3", "2", "22", "0"), ("NM1", "IL", "1", "HOLDER", "ANN", *[""] * 3, "MI", "M1")]
    return answer(*source, *RECEIVER, *patient, *benefits, whole=True)
