"""What a move of the database to another place has left in the table ``meta`` of both: see ``worker/store/moving``."""

from typing import NamedTuple

from worker.core.errors import MovedAway, TryLater
from worker.store.db.damage import json_object
from worker.store.db.store import Store

# In the new place until it is complete, and in the old one from then on.
MOVING, MOVED = "moving", "moved"


class Move(NamedTuple):
    """``other``: for people, the place that it comes from or went to. ``token``: a random value of this one move."""

    other: str
    token: str
    at: int


class Standing(NamedTuple):
    """What a database says of moves: ``moving`` while it is filled, ``moved`` once it is the old one."""

    moving: Move | None = None
    moved: Move | None = None


def standing_of(store: Store) -> Standing:
    """Both, in one short read."""
    rows = store.read("SELECT key, value FROM meta WHERE key IN ('moving', 'moved')")
    return Standing(**{row["key"]: _read(row["value"]) for row in rows})


def refuse(store: Store, *, writes: bool) -> None:
    """Raise :class:`TryLater` for a database that is not complete yet, and :class:`MovedAway` for one that was moved,
    where it is opened to write."""
    found = standing_of(store)
    if found.moving is not None:
        raise TryLater(
            f"{store.name} is being filled by `cdpoll db move` from {found.moving.other}, and is not complete",
            "wait until that ends; where it was cut short, run the same command again",
        )
    if found.moved is not None and writes:
        raise MovedAway(store.name, f"was moved to {found.moved.other}")


def _read(value: str) -> Move:
    said = json_object(value)
    return Move(str(said.get("other", "another place")), str(said.get("token", "")), int(said.get("at", 0)))
