"""Sends again what a way has delivered: letters for it are made anew, in short transactions."""

from worker.rounds.deliver.choosing import WayRules, choose
from worker.store import deliveries
from worker.store.db.store import Store
from worker.store.deliveries import STEP_ROWS
from worker.store.state import acts


def replay(store: Store, rules: WayRules, between: tuple[int, int], now: int, who: str) -> int:
    """Make letters anew of what the way is to deliver under these numbers, the two of them included; how many.

    What it has not looked at yet is left to it. Raises StorageFailed and TryLater.
    """
    first, last = between
    place = deliveries.position(store, rules.name)
    number, last = first - 1, min(last, 0 if place is None else place.number)
    many = 0
    while number < last:
        chosen = choose(store, rules, number, STEP_ROWS, now)
        if chosen is None:
            break
        fresh = [one for one in chosen.fresh if one.number <= last]
        with store.write():
            many += deliveries.add(store, rules.name, fresh, now)
            if fresh:
                numbers = acts.runs(one.number for one in fresh)
                acts.note(store, who, "replayed deliveries", f"{rules.name} {numbers}", now)
        number = chosen.up_to
    return many
