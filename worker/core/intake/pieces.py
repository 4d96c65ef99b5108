"""Pieces of what is handed in, each with its place, and the notes on all of them."""

from collections.abc import Iterable
from dataclasses import dataclass

from worker.core.instant import iso
from worker.core.intake.intake import Intake, Recording

_IN_THE_FUTURE = "birth_date lies in the future"


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece of input; ``place`` and ``number`` say in notes where it stood: ``line`` 7."""

    intake: Intake
    place: str = ""
    number: int = 0


class Notes:
    """Notes by their text, with the places that each is about."""

    def __init__(self) -> None:
        self._places: dict[tuple[str, str], list[int]] = {}

    def add(self, text: str, place: str = "", number: int = 0) -> None:
        self._places.setdefault((place, text), []).append(number)

    def of(self, pieces: Iterable[Piece], now: int) -> None:
        """Those of pieces that were recorded at ``now`` (ms)."""
        for piece in pieces:
            for note in piece.intake.notes:
                self.add(note, piece.place, piece.number)
            if any(born_later(one, now) for one in piece.intake.recordings):
                self.add(_IN_THE_FUTURE, piece.place, piece.number)

    @property
    def told(self) -> list[str]:
        """One for each text."""
        return [f"{places(place, numbers)}{text}" for (place, text), numbers in self._places.items()]


# Of the lines (or ids) that have the same note, as many are named.
NAMED_PLACES = 5


def places(place: str, numbers: list[int]) -> str:
    """``line 4: ``; ``lines 1, 2 and 7 more: ``; nothing where the note is about no place."""
    if not place:
        return ""
    named = ", ".join(map(str, numbers[:NAMED_PLACES]))
    more = len(numbers) - NAMED_PLACES
    return f"{place}{'s' if len(numbers) > 1 else ''} {named}{f' and {more} more' if more > 0 else ''}: "


def born_later(one: Recording, now: int) -> bool:
    """Whether the birth date that was told of a task lies after ``now`` (ms)."""
    digits = (one.birth_date or "").strip().replace("-", "")
    if not (len(digits) == len("YYYYMMDD") and digits.isdigit() and digits > iso(now)[:10].replace("-", "")):
        return False
    from worker.core.intake.line_keys import birth_date_note  # only here: `record` seldom has one

    return birth_date_note(one.birth_date) is None  # else that is said already
