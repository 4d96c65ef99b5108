"""Finds the known word that a misspelt one may stand for."""

from collections.abc import Iterable


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
