"""Which problems of deliveries stand at present, of the ways that are configured. Reads only."""

from dataclasses import replace

from worker.core.problems import Problem, counted, problem
from worker.core.status_rules import ConfiguredWay, StatusRules
from worker.store.db.store import Store
from worker.store.deliveries import position
from worker.store.state import daemon, delivering
from worker.store.views.deliveries import Json, picture

# Without a process for so long, while something waits for as long; a restart takes seconds.
SILENT_MS = 300_000

# A way that has delivered nothing for so long, while something waits for as long.
FAILING_MS = 900_000


def delivery_problems(store: Store, now: int, rules: StatusRules) -> list[Problem]:
    """What stands at this moment."""
    if not rules.ways and not rules.hook:
        return []
    ways = picture(store, now, rules.ways)
    waits_since = {way.name: _waits_since(store, way) for way in rules.ways}
    beat = delivering.get(store)
    alive = beat is not None and beat.alive(now)
    silent = []
    if rules.runs == "daemon" and not alive:
        silent = _not_running(store, now, ways, waits_since, beat, rules)
    return [
        *silent,
        *_stopped(ways),
        # Also where no process lives: a timer may run `cdpoll deliver --once`.
        *([] if silent else _failing(store, now, ways, waits_since)),
        *_dead(store, ways),
    ]


def _not_running(
    store: Store,
    now: int,
    ways: list[Json],
    waits_since: dict[str, int | None],
    beat: delivering.DeliverBeat | None,
    rules: StatusRules,
) -> list[Problem]:
    longest = min((at for at in waits_since.values() if at is not None), default=now)
    if beat is not None and now - beat.last_seen_at < SILENT_MS:
        return []
    runs = daemon.last_beat(store)  # at the start of a machine it is there first
    waits = []
    n = sum(way["behind"] + way["failed"] for way in ways)
    if n and now - longest >= SILENT_MS:
        waits.append(f"{counted(n, 'result')} to be delivered")
    if rules.hook and (runs is None or now - runs.started_at >= SILENT_MS):
        waits.append("[alert] command is to be told of problems")
    if not waits:
        return []
    found = problem("deliver_not_running", max(n, 1), waits=", and ".join(waits))
    return [replace(found, since=None if beat is None else beat.last_seen_at)]


def _stopped(ways: list[Json]) -> list[Problem]:
    names = [way["name"] for way in ways if way["stopped"]]
    return [problem("delivery_stopped", len(names), causes=names, named=", ".join(names))] if names else []


def _failing(store: Store, now: int, ways: list[Json], waits_since: dict[str, int | None]) -> list[Problem]:
    found = []
    for way in ways:
        since, place = waits_since[way["name"]], position(store, way["name"])
        if place is None or since is None or way["stopped"] or not place.way.failures:
            continue
        if now - max(since, place.way.last_at or 0) >= FAILING_MS:
            found.append(way)
    if not found:
        return []
    names = [way["name"] for way in found]
    cause = next((way["reason"] for way in found if way["reason"]), "each attempt failed")
    return [problem("delivery_failing", len(names), causes=names, named=", ".join(names), cause=cause)]


def _dead(store: Store, ways: list[Json]) -> list[Problem]:
    names = [way["name"] for way in ways if way["dead"]]
    if not names:
        return []
    n = sum(way["dead"] for way in ways)
    rows = [
        row
        for name in names
        if (
            row := store.one(
                "SELECT error, last_at FROM deliveries WHERE way = :way AND state = 'dead'"
                " ORDER BY next_at DESC LIMIT 1",
                {"way": name},
            )
        )
    ]
    last = max(rows, key=lambda row: row["last_at"] or 0, default=None)
    cause = "an error" if last is None else last["error"]
    return [problem("delivery_dead", n, letters=counted(n, "letter"), named=", ".join(names), cause=cause)]


def _waits_since(store: Store, way: ConfiguredWay) -> int | None:
    """Since when the oldest letter waits, or what the way has not looked at; ``None``: nothing does."""
    place = position(store, way.name)
    if place is None and way.start == "new":
        return None
    row = store.one(
        "SELECT min(first_at) AS at FROM deliveries WHERE way = :way AND state <> 'dead'", {"way": way.name}
    )
    unseen = store.one(
        "SELECT at FROM outbox WHERE last > :number ORDER BY last LIMIT 1",
        {"number": 0 if place is None else place.number},
    )
    found = [one["at"] for one in (row, unseen) if one is not None and one["at"] is not None]
    return min(found, default=None)
