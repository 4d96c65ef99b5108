"""The two policies over one reader: a batch file, and a string inside a polled result.

* In a batch every set is judged by itself: accepted, accepted with warnings, or held in quarantine; and the file's end
  decides whether anything of it is stored at all.
* A string in a result is read as far as it goes. Whatever is wrong is kept beside the answers, and nothing is held: the
  outcome of the task is the vendor's word, never this text's.
"""

from collections.abc import Iterator
from typing import Literal, NamedTuple

from worker.core.x12.answer import Reading, parse_271
from worker.core.x12.envelope import FileEnd, TransactionSet
from worker.core.x12.issues import Issue, holds
from worker.core.x12.scanner import Limits, Source
from worker.core.x12.stream import transaction_sets

Verdict = Literal["accept", "warn", "hold", "other", "end"]
"""``accept``; ``warn``: accept with warnings; ``hold``: quarantine this set alone; ``other``: a whole set that is no
271 (999, 277, …), to be set aside; ``end``: the file's last word."""


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
    for item in transaction_sets(source, limits):
        if isinstance(item, FileEnd):
            yield Judged(item, "end", None, item.issues)
        else:
            yield judged(item)


def judged(tset: TransactionSet) -> Judged:
    """The verdict on one set; also for one that comes out of quarantine to be tried again."""
    if tset.issues and holds(tset.issues):
        return Judged(tset, "hold", None, tset.issues)
    if tset.code != "271":
        return Judged(tset, "other", None, tset.issues)
    reading = parse_271(tset)
    issues = tset.issues + reading.issues
    if not issues:
        return Judged(tset, "accept", reading, ())
    return Judged(tset, "hold" if holds(issues) else "warn", reading, issues)
