"""Segment terminators that were lost: two segments stand in one, and what the second one says is misread.

SE01 counts the segments, but many payers count wrongly. So a set is held where SE01 is wrong *and* the beginning of a
segment stands in the middle of another one, in a form that no name of a person has.
"""

import re
from functools import lru_cache

from worker.core.x12.delimiters import Delimiters

# How the segments below an HL begin. * stands for the element separator, and ~ for the segment terminator.
_BEGINNINGS = (
    "AAA*[YN]*",
    "DMG*D8*",
    "DTP*[0-9]{3}*(?:D8|RD8|TM)*",
    "EB*[0-9A-Z]{1,2}(?:~|*(?:[A-Z]{3})?*(?:[0-9A-Z]?[0-9]|UC|MH))",  # not CALEB*M**JR
    "HL*[0-9]+*[0-9]{0,}*2[0-3]",
    "HSD*",
    "INS*[YN]*[0-9]{2}",
    "L[ES]*2120",
    "MSG*",
    "N3*[^*~]+[*~]",
    "N4*[^*~]+*[A-Z]{2}*",
    "NM1*[0-9A-Z]{2}*[12]*",
    "PER*IC*",  # not COOPER*J
    "PRV*[A-Z]{2,3}*",
    "REF*[0-9A-Z]{2}*",
    "TRN*[12]*",
)


def terminator_lost(text: str, delimiters: Delimiters) -> bool:
    """Whether the text of a set has a segment in the middle of another one."""
    return _inside(delimiters.element, delimiters.terminator).search(text) is not None


@lru_cache(maxsize=16)
def _inside(element: str, terminator: str) -> "re.Pattern[str]":
    marks = {"*": re.escape(element), "~": re.escape(terminator)}
    pattern = "(?<=[^~\\s])(?:" + "|".join(_BEGINNINGS) + ")"
    return re.compile(re.sub("[*~]", lambda found: marks[found[0]], pattern))
