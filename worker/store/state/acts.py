"""The audit: who did what by hand, or read patient data, and to which object. Rows are only added.

An act is noted in the transaction that does it, or before what takes several. The journal is told after the commit, so
it never has an act that was rolled back.
"""

from collections.abc import Iterable
from typing import Any, Literal

from worker.store.db.store import Store

Action = Literal[
    "abandoned",
    "acknowledged",
    "asked for a poll",
    "began a purge",
    "began a snapshot",
    "began to ingest",
    "changed the callback secret",
    "dropped expected answers",
    "dropped from quarantine",
    "dropped lookups",
    "dropped unreadable",
    "exported",
    "forgot the database",
    "found a snapshot bad",
    "found a snapshot good",
    "ingested",
    "ingested as is",
    "listed coverage",
    "listed expected answers",
    "listed lookups",
    "listed tasks",
    "listed unreadable",
    "made the callback secret",
    "migrated the database",
    "moved the database",
    "purged",
    "rebound the database",
    "removed the former callback secret",
    "replayed deliveries",
    "restarted a way",
    "retried",
    "retried deliveries",
    "retried in quarantine",
    "showed body",
    "showed bytes",
    "showed task",
    "showed the callback secret",
    "skipped deliveries",
    "took a moved database back",
    "took a snapshot",
]
"""docs/operations.md says of each what its object is."""


def line_of(who: str, act: Action, about: str | None) -> str:
    """The act as the journal has it."""
    return f"audit: {who!r}: {act}" + ("" if about is None else f": {about}")


def note(store: Store, who: str, act: Action, about: str | None, now: int) -> None:
    """Note it, inside a transaction. ``about``: the object, without patient data: no ref, and no name of a file."""
    store.execute(
        "INSERT INTO acts (at, who, act, object) VALUES (:now, :who, :act, :about)",
        {"now": now, "who": who, "act": act, "about": about},
    )
    store.tell(line_of(who, act, about))


def listed(store: Store, most_rows: int) -> list[dict[str, Any]]:
    """The newest first: ``at`` (ms), ``who``, ``act`` and ``object``."""
    rows = store.read("SELECT at, who, act, object FROM acts ORDER BY seq DESC LIMIT :most", {"most": most_rows})
    return [{"at": row["at"], "who": row["who"], "act": row["act"], "object": row["object"]} for row in rows]


def runs(numbers: Iterable[int]) -> str:
    """All of them, briefly: ``1-3, 7`` of 1, 2, 3 and 7."""
    found: list[list[int]] = []
    for number in sorted({*numbers}):
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in found)
