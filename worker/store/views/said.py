"""All that an answer says, as JSON: its own text, or where it has none, of a batch, the body of its result."""

from worker.store.db.store import Row

# The columns of a statement that reads it; no cast of a text to bytes means the same to both databases.
ALL_SAID = "answers.said, CASE WHEN answers.said IS NULL THEN results.body END AS body"


def said_of(row: Row) -> bytes:
    """The JSON, of a row with the columns :data:`ALL_SAID`."""
    return bytes(row["body"]) if row["said"] is None else row["said"].encode()
