"""The verdict on every transaction set of a batch file.

Each set is judged by itself: accepted, accepted with warnings, or held in quarantine. The file's end decides whether
anything of it is stored at all.
"""

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from worker.core.x12.answer import ParsedSet, parse_271
from worker.core.x12.envelope import FileEnd, TransactionSet
from worker.core.x12.issues import Issue, holds, issue
from worker.core.x12.scanner import ByteSource, Limits
from worker.core.x12.stream import transaction_sets

SetVerdict = Literal["accept", "warn", "hold", "other", "end"]
"""``accept``; ``warn``: accept with warnings; ``hold``: quarantine this set alone; ``other``: a whole set that is no
271 (999, 277, …), to be set aside; ``end``: the file's last word."""


_BLOCK_BYTES = 128 * 1024
"""Bytes of the sets that take each step together: a hundred of the usual size, fewer of larger ones."""


class HoldRules(NamedTuple):
    """What of a sound batch is held because it is not for us to use."""

    tests: bool = False
    """What its sender marks as a test is stored and shown, and neither matched nor delivered."""
    receivers: tuple[str, ...] = ()
    """The ids that are ours: a 271 for another is held. Without any, all are taken."""


TAKE_ALL = HoldRules()


class Judged(NamedTuple):
    """One item of a batch with what is to become of it."""

    item: TransactionSet | FileEnd
    verdict: SetVerdict
    parsed: ParsedSet | None
    """Of a 271 that is accepted; its answers are read when they are asked for."""
    issues: tuple[Issue, ...]
    """Of the set's envelope and of the set as a whole, or of the file; an answer's own stand in the answer."""


def read_batch(
    source: ByteSource,
    limits: Limits = Limits(),  # noqa: B008
    rules: HoldRules = TAKE_ALL,
) -> Iterator[Judged]:
    """Every set of a batch file with its verdict; the last item is the :class:`FileEnd`."""
    for sets in _blocks(transaction_sets(source, limits)):
        found = [
            Judged(one, "end", None, one.issues) if isinstance(one, FileEnd) else judged(one, rules) for one in sets
        ]
        for one in found:
            if one.parsed is not None:
                one.parsed.begin()
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
        if size >= _BLOCK_BYTES:
            yield block
            block, size = [], 0
    yield block


def other_kind(code: str) -> bool:
    """Whether an ST01 names another kind of set than a 271: 999, 277, …"""
    return code != "271" and len(code) == 3 and code.isdecimal()


def judged(tset: TransactionSet, rules: HoldRules = TAKE_ALL) -> Judged:
    """The verdict on one set; also for one that comes out of quarantine to be tried again."""
    if tset.issues and holds(tset.issues):
        return Judged(tset, "hold", None, tset.issues)
    if tset.code != "271":
        if other_kind(tset.code) and not _has_benefits(tset):
            return Judged(tset, "other", None, tset.issues)
        return Judged(tset, "hold", None, (*tset.issues, issue("st_code", "ST")))
    parsed = parse_271(tset)
    issues = tset.issues + parsed.issues
    if rules.receivers and (segment := _of_another(tset, rules.receivers)):
        issues += (issue("other_receiver", segment),)
    if not issues:
        return Judged(tset, "accept", parsed, ())
    return Judged(tset, "hold" if holds(issues) else "warn", parsed, issues)


def _has_benefits(tset: TransactionSet) -> bool:
    """Whether EB segments stand in a set, as in a 271 alone."""
    delimiters = tset.interchange.delimiters
    pattern = rf"{re.escape(delimiters.terminator)}\s*EB{re.escape(delimiters.element)}"
    return re.search(pattern.encode("latin-1"), tset.raw) is not None


def _of_another(tset: TransactionSet, receivers: tuple[str, ...]) -> str:
    """The segment that names a receiver that is none of ours, if one does."""
    ours = {one.casefold() for one in receivers}
    if tset.interchange.receiver.strip().casefold() not in ours:
        return "ISA"
    if tset.group is not None and tset.group.receiver.strip().casefold() not in ours:
        return "GS"
    return ""
