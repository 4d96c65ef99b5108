"""Counts and control numbers: how they are compared, and which a file used before, in bounded memory."""

from dataclasses import dataclass, field

from worker.core.x12.envelope import BLANKS

_MOST_KEPT_NUMBERS = 20_000
"""Numbers kept apart from runs; about 2 MB at the worst."""


@dataclass(slots=True)
class _Numbers:
    """Numbers seen under one key: a run that ascends by one, and the others."""

    first: int = -1
    last: int = -2
    others: set[str] = field(default_factory=set)


class ControlNumbers:
    """The set numbers (ST02) seen under each ISA06, ISA13 and GS06 of one file."""

    def __init__(self) -> None:
        self._keys: dict[tuple[str, str, str], _Numbers] = {}
        self._current = _Numbers()
        self._kept = 0

    @property
    def full(self) -> bool:
        """Whether there were too many to keep: from then on not every repeated number is noticed."""
        return self._kept > _MOST_KEPT_NUMBERS

    def begin(self, key: tuple[str, str, str]) -> None:
        """A group begins: its sets are counted under this key, together with those of an earlier group that had it."""
        found = self._keys.get(key)
        if found is None:
            found = _Numbers()
            if self._room():
                self._keys[key] = found
        self._current = found

    def take(self, control: str) -> bool:
        """Use a set number under the present key; ``False`` if it was used before."""
        seen = self._current
        if control.isdecimal() and len(control) <= 9:
            number = int(control)
            if number == seen.last + 1 and str(number) not in seen.others:
                seen.last = number
                return True
            if seen.first <= number <= seen.last:
                return False
            if seen.first < 0:
                seen.first = seen.last = number
                return True
            control = str(number)
        if control in seen.others:
            return False
        if self._room():
            seen.others.add(control)
        return True

    def _room(self) -> bool:
        self._kept += 1
        return self._kept <= _MOST_KEPT_NUMBERS


def element_at(elements: list[str], index: int) -> str:
    """The element without blanks around it; empty where the segment ends before it."""
    return elements[index].strip() if len(elements) > index else ""


def number_at(elements: list[str], index: int) -> int:
    """The element as a number; -1 where it is none."""
    text = element_at(elements, index)
    return int(text) if text.isdecimal() and text.isascii() and len(text) <= 12 else -1


def same_number(one: str, other: str) -> bool:
    """Whether two control numbers differ in leading zeros only."""
    return one.isdecimal() and other.isdecimal() and one.lstrip("0") == other.lstrip("0")


def count_segments(raw: bytes, terminator: bytes) -> int:
    """The segments of a set that are not empty."""
    if terminator * 2 not in raw.translate(None, BLANKS.translate(None, terminator)):
        return raw.count(terminator)
    return sum(1 for piece in raw.split(terminator) if piece.strip(BLANKS))
