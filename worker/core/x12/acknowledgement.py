"""What a 999, a 997 or a TA1 says of our own inquiries: whether they were accepted."""

from worker.core.x12.envelope import TransactionSet

# AK901 and IK501 or AK501; TA104 has A, E and R of them.
_WORDS = {
    "A": "accepted",
    "E": "accepted with errors",
    "P": "partly accepted",
    "M": "rejected",
    "R": "rejected",
    "W": "rejected",
    "X": "rejected",
}
_MIXED = "partly accepted"


def acceptance_of(code: str) -> str:
    """The code in words; empty where it is none that is known."""
    return _WORDS.get(code.strip().upper(), "")


def acceptance(tset: TransactionSet) -> str:
    """What a 999 or 997 says: of the group (AK901), else of the sets in it (IK501, AK501). Empty for any other set, and
    where it cannot be read."""
    if tset.code not in ("999", "997"):
        return ""
    delimiters = tset.interchange.delimiters
    text = tset.raw.translate(None, delimiters.line_breaks).decode("latin-1")
    segments = [segment.strip().split(delimiters.element) for segment in text.split(delimiters.terminator)]
    whole, parts = (
        [acceptance_of(one[1]) for one in segments if one[0].upper() in names and len(one) > 1]
        for names in (("AK9",), ("IK5", "AK5"))
    )
    said = set(whole) or set(parts)
    return said.pop() if len(said) == 1 else _MIXED if said else ""
