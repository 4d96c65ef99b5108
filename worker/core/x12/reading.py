"""The two policies over one reader: a batch file, and a string inside a polled result.

* In a batch every set is judged by itself: accepted, accepted with warnings, or held in quarantine; and the file's end
  decides whether anything of it is stored at all.
* A string in a result is read as far as it goes. Whatever is wrong is kept beside the answers, and nothing is held: the
  outcome of the task is the vendor's word, never this text's.
"""

import io
import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from worker.core.x12.answer import Answer, Reading, parse_271
from worker.core.x12.delimiters import USUAL, WIDTHS
from worker.core.x12.envelope import FileEnd, TransactionSet
from worker.core.x12.issues import Issue, holds, issue
from worker.core.x12.scanner import Limits, Source
from worker.core.x12.stream import transaction_sets

Verdict = Literal["accept", "warn", "hold", "other", "end"]
"""``accept``; ``warn``: accept with warnings; ``hold``: quarantine this set alone; ``other``: a whole set that is no
271 (999, 277, …), to be set aside; ``end``: the file's last word."""


_BLOCK = 128 * 1024
"""Bytes of the sets that take each step together: a hundred of the usual size, fewer of larger ones."""


class Judged(NamedTuple):
    """One item of a batch with what is to become of it."""

    item: TransactionSet | FileEnd
    verdict: Verdict
    reading: Reading | None
    """Of a 271 that is accepted; its answers are read when they are asked for."""
    issues: tuple[Issue, ...]
    """Of the set's envelope and of the set as a whole, or of the file; an answer's own stand in the answer."""


def batch(source: Source, limits: Limits = Limits()) -> Iterator[Judged]:  # noqa: B008
    """Every set of a batch file with its verdict; the last item is the :class:`FileEnd`."""
    for sets in _blocks(transaction_sets(source, limits)):
        found = [Judged(one, "end", None, one.issues) if isinstance(one, FileEnd) else judged(one) for one in sets]
        for one in found:
            if one.reading is not None:
                one.reading.begin()
        yield from found


def _blocks(items: Iterator[TransactionSet | FileEnd]) -> Iterator[list[TransactionSet | FileEnd]]:
    """The same in blocks of some hundred sets, the last one with the file's end.

    To cut a hundred sets out of the file, then judge them all, then read all of their answers takes a fifth less time
    than to take each set through all of it: the code of one step fits into the processor's cache.
    """
    block: list[TransactionSet | FileEnd] = []
    size = 0
    for item in items:
        block.append(item)
        if isinstance(item, TransactionSet):
            size += item.length
        if size >= _BLOCK:
            yield block
            block, size = [], 0
    yield block


def other_kind(code: str) -> bool:
    """Whether an ST01 names another kind of set than a 271: 999, 277, …"""
    return code != "271" and len(code) == 3 and code.isdecimal()


def judged(tset: TransactionSet) -> Judged:
    """The verdict on one set; also for one that comes out of quarantine to be tried again."""
    if tset.issues and holds(tset.issues):
        return Judged(tset, "hold", None, tset.issues)
    if tset.code != "271":
        if other_kind(tset.code):
            return Judged(tset, "other", None, tset.issues)
        return Judged(tset, "hold", None, (*tset.issues, issue("st_code", "ST")))
    reading = parse_271(tset)
    issues = tset.issues + reading.issues
    if not issues:
        return Judged(tset, "accept", reading, ())
    return Judged(tset, "hold" if holds(issues) else "warn", reading, issues)


class Embedded(NamedTuple):
    """What the text in a result's ``x12-271`` field says."""

    kind: Literal["absent", "placeholder", "271", "other", "unreadable"]
    """``placeholder`` is the literal text ``string``; ``other`` holds sets, but no 271 (a 270, say)."""
    answers: tuple[Answer, ...]
    sets: tuple[TransactionSet, ...]
    """The 271 among them, broken ones too."""
    issues: tuple[Issue, ...]
    """Of the text, its envelope and its sets; an answer's own stand in the answer."""


_BARE = re.compile(r"\s*ST([^A-Za-z0-9\s]).{1,80}?([^A-Za-z0-9\s]|\n)\s*BHT\1", re.IGNORECASE | re.DOTALL)


def embedded(text: object) -> Embedded:
    """Read the field as far as it goes; it may be absent, a placeholder, wrapped, cut, or without any envelope."""
    if not isinstance(text, str) or not text.strip():
        return Embedded("absent", (), (), ())
    if text.strip().lower() == "string":
        return Embedded("placeholder", (), (), ())
    issues: list[Issue] = []
    enveloped = text
    bare = _BARE.match(text.lstrip("\ufeff"))
    if bare is not None:
        enveloped = _enveloped(text.lstrip("\ufeff").strip(), bare[1], bare[2])
        issues.append(issue("no_envelope", "ISA"))
    sets: list[TransactionSet] = []
    answers: list[Answer] = []
    others = 0
    for item in transaction_sets(io.BytesIO(enveloped.encode(errors="replace"))):
        if isinstance(item, FileEnd):
            issues += item.issues if bare is None else ()
        elif item.code == "271":
            reading = parse_271(item)
            sets.append(item)
            issues += item.issues + reading.issues
            answers += reading.answers()
        else:
            others += 1
            issues += item.issues
    kind: Literal["271", "other", "unreadable"] = "271" if sets else "other" if others else "unreadable"
    return Embedded(kind, tuple(answers), tuple(sets), tuple(issues))


def _enveloped(text: str, element: str, terminator: str) -> str:
    """A bare ST…SE in an envelope of its own delimiters, the usual ones where it does not show them."""
    component = USUAL.component if USUAL.component not in (element, terminator) else ">"
    repetition = USUAL.repetition if USUAL.repetition not in (element, terminator) else "!"
    widths = zip(("00", "", "00", "", "ZZ", "", "ZZ", "", "0" * 6, "0" * 4), WIDTHS, strict=False)
    values = [*(value.ljust(width) for value, width in widths), repetition, "00501", "000000001", "0", "P", component]
    header = element.join(["ISA", *values]) + terminator
    group = element.join(["GS", "HB", "", "", "", "", "1", "X", "005010X279A1"]) + terminator
    return header + group + text + ("" if text.endswith(terminator) else terminator)
