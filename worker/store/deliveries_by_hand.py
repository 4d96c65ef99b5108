"""What a person does to deliveries: give them a fresh schedule, or skip them. In short transactions."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from worker.core.way import DeliveryState
from worker.store.db.store import Store
from worker.store.deliveries import STEP_ROWS
from worker.store.state import acts
from worker.store.state.acts import Action


class Key(NamedTuple):
    """Which delivery: the name of its way, and its number."""

    way: str
    number: int


_OF_SUBTENANT = """
task IN (SELECT seq FROM tasks WHERE subtenant = :subtenant) OR (task IS NULL AND result IN (
    SELECT results.seq FROM expected JOIN results ON results.expected = expected.seq
    WHERE expected.subtenant = :subtenant
))
"""


def keys(
    store: Store,
    *,
    way: str | None = None,
    subtenant: str | None = None,
    numbers: Sequence[int] | None = None,
    states: Iterable[DeliveryState] = ("waiting", "failed", "dead"),
) -> list[Key]:
    """The deliveries of a way or of all, in one of these states, by way and number.

    ``subtenant``: only results of what was recorded with this tag. ``numbers``: only these.
    """
    said = ",".join(f"'{state}'" for state in states)
    of_tasks = "" if subtenant is None else f" AND ({_OF_SUBTENANT})"
    found: list[Key] = []
    pieces = [None] if numbers is None else _pieces(numbers)
    for piece in pieces:
        listed = "" if piece is None else f" AND number IN ({','.join(map(str, piece))})"
        rows = store.read(
            f"SELECT way, number FROM deliveries WHERE way = coalesce(CAST(:way AS TEXT), way) AND state IN ({said})"  # noqa: S608
            f"{listed}{of_tasks} ORDER BY way, number",
            {"way": way, "subtenant": subtenant},
        )
        found += [Key(row["way"], row["number"]) for row in rows]
    return found


def ways(store: Store) -> list[str]:
    """The names of all ways that were ever used."""
    return [row["name"] for row in store.read("SELECT name FROM ways ORDER BY name")]


class Retried(NamedTuple):
    """``done``: the deliveries that are to be sent now. ``begun``: the ways that had failed or were stopped."""

    done: list[Key]
    begun: list[str]


def retry(store: Store, chosen: Sequence[Key], begin: Iterable[str], now: int, who: str) -> Retried:
    """Have deliveries sent now, with a fresh schedule, and let their ways and the ways ``begin`` try again."""
    with store.write():
        begun = [name for name in sorted({*begin, *(key.way for key in chosen)}) if _begin_again(store, name)]
        for name in begun:
            acts.note(store, who, "restarted a way", name, now)
    # It keeps the instant of its last attempt: that it is refused again tells nothing new of its receiver.
    change = "UPDATE deliveries SET state = 'waiting', attempts = 0, next_at = :now"
    return Retried(_in_steps(store, chosen, change, (who, "retried deliveries"), now), begun)


def _begin_again(store: Store, name: str) -> bool:
    changed = store.execute(
        """
        UPDATE ways SET failures = 0, rests_until = NULL, stopped_at = NULL, reason = NULL
        WHERE name = :name AND (failures > 0 OR stopped_at IS NOT NULL)
        """,
        {"name": name},
    )
    return changed > 0


def skip(store: Store, chosen: Sequence[Key], now: int, who: str) -> list[Key]:
    """Never send these; those that were there."""
    return _in_steps(store, chosen, "DELETE FROM deliveries", (who, "skipped deliveries"), now)


def _in_steps(store: Store, chosen: Sequence[Key], change: str, act: tuple[str, Action], now: int) -> list[Key]:
    """Each step notes the numbers that it has changed: one that is killed has done a part of it."""
    done: list[Key] = []
    for way in sorted({key.way for key in chosen}):
        for piece in _pieces([key.number for key in chosen if key.way == way]):
            with store.write():
                rows = store.read(
                    f"{change} WHERE way = :way AND number IN ({','.join(map(str, piece))}) RETURNING number",
                    {"way": way, "now": now},
                )
                changed = sorted(row["number"] for row in rows)
                if changed:
                    acts.note(store, *act, f"{way} {acts.runs(changed)}", now)
            done += [Key(way, number) for number in changed]
    return done


def _pieces(numbers: Sequence[int]) -> list[Sequence[int]]:
    return [numbers[start : start + STEP_ROWS] for start in range(0, len(numbers), STEP_ROWS)]
