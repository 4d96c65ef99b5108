"""What is known of a kind of problem; the list of them all is in problems.py."""

from typing import Literal, NamedTuple

Severity = Literal["critical", "warning"]


class Kind(NamedTuple):
    """``critical``: nothing moves, or data is at risk. ``words``: what is wrong, in one line, and ``cure``: what to do.
    Both may hold ``{…}``: the fields that :func:`problem` is given, ``{n}``, and counted words such as ``{tasks}``.
    ``page``: where the docs say more."""

    code: str
    severity: Severity
    words: str
    cure: str
    page: str = ""
    lasting_ms: int = 0
    """It is told once it has stood for this long."""
    logged_after_ms: int = 0
    """The log tells of it once it has stood for this long; `status` does at once."""
    grows_by_itself: bool = False
    """Its count grows as long as it stands. An acknowledgement hides it until its end, however much it grows."""
    unnamed: str = ""
    """Of one whose hint names files: what is said in its place to users who may not read the database."""
