"""Finds the known word that a misspelt one may stand for."""

from collections.abc import Iterable

_SLIP_LETTERS = 2


def near(text: str, known: Iterable[str]) -> str | None:
    """The known word that is spelt most like the text, if any is."""
    import difflib  # only needed once something is wrong

    found = difflib.get_close_matches(text, sorted(known), 1, 0.7)
    return found[0] if found else None


def nearest(text: str, known: Iterable[str]) -> str:
    """``did you mean X?``, or the list of all that is known when nothing is near."""
    candidates = sorted(known)
    found = near(text, candidates)
    return f"did you mean {found}?" if found else f"write one of {', '.join(candidates)}"


def slip(text: str, known: Iterable[str]) -> bool:
    """Whether the text is a known word with at most two letters too many, too few or wrong.

    Such a text may be quoted. One that is merely near (a known word with half of a secret behind it) may not.
    """
    return any(_distance(text, word) <= _SLIP_LETTERS for word in known if abs(len(text) - len(word)) <= _SLIP_LETTERS)


def _distance(one: str, other: str) -> int:
    """How many letters must be added, left out or changed to make one word of the other (Levenshtein)."""
    row = list(range(len(other) + 1))
    for number, letter in enumerate(one, 1):
        before, row[0] = row[0], number
        for at, theirs in enumerate(other, 1):
            before, row[at] = row[at], min(row[at] + 1, row[at - 1] + 1, before + (letter != theirs))
    return row[-1]
