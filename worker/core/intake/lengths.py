"""How long a caller's own keys may be.

Each is a part of a unique key of the database, and on a PostgreSQL server a key has 2,704 bytes at most. SQLite has the
same limits, so that a database can move from one to the other. What the vendor says has none: it is kept whole.
"""

MOST_REF_BYTES = 1_000
MOST_TRACE_NUMBER_BYTES = 250  # X12 has 50 characters for TRN02, and 10 for TRN03
MOST_ORIGINATOR_ID_BYTES = 250

_MOST_BYTES = {
    "ref": MOST_REF_BYTES,
    "trace_number": MOST_TRACE_NUMBER_BYTES,
    "originator_id": MOST_ORIGINATOR_ID_BYTES,
}


def length_trouble(key: str, text: str) -> str:
    """What is wrong with the length of the value of a key, in words that stand behind its name; empty where nothing
    is."""
    most = _MOST_BYTES.get(key)
    if most is None or len(text.encode("utf-8", "surrogatepass")) <= most:
        return ""
    return f"is longer than {most:,} bytes"
