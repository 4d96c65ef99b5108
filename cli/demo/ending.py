"""The demo's progress, and its result: the database compared with what the sandbox knows."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sandbox.server import Sandbox
from worker.store.db.store import Store
from worker.store.state import api
from worker.store.tasks import tallies


@dataclass(slots=True)
class Picture:
    """What the demo shows while it runs."""

    checks: int
    submitted: int = 0
    recorded: int = 0
    pending: int = 0
    success: int = 0
    failure: int = 0
    paused: str | None = None
    phase: str = "starting"


@dataclass(frozen=True, slots=True)
class Batch:
    """The batch file that was read in: sets written and read, answers joined to a task, the command's exit code."""

    path: Path
    written: int
    read: int
    matched: int
    code: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the tasks in the database came to. ``waits`` are ms from a check to its stored result."""

    wrong: list[str]  # one line for each task that is not as the vendor has it
    found: Counter[str]  # paths that found coverage, by name
    waits: list[int]
    polls: int
    example: str  # the id of a task that found coverage


@dataclass(frozen=True, slots=True)
class Ending:
    """What the demo came to."""

    picture: Picture
    tasks: Comparison
    unaccounted: list[str]  # one line for each thing that is not as it should be
    requests: Counter[str]  # replies of the sandbox, by kind
    batch: Batch
    config: Path  # of the daemon, or of the first one
    database: str
    took_ms: int
    more: list[tuple[str, str]]  # further lines of the table


def read_picture(store: Store, picture: Picture) -> None:
    """Update ``picture`` from the database."""
    outcomes = tallies.by_outcome(store)
    picture.paused = api.get(store).breaker.reason
    picture.pending = tallies.by_state(store)["pending"]
    picture.success, picture.failure = outcomes["success"], outcomes["failure"]


def compare(vendor: Sandbox, store: Store, now: int) -> Comparison:
    """Every task that the vendor has named against what the database says of it. ``now`` is ms."""
    rows = store.read(
        """
        SELECT id, state, outcome, polls, concluded_at,
            (SELECT count(*) FROM results WHERE results.task = tasks.seq AND source = 'poll') AS results
        FROM tasks
        """
    )
    found = store.read("SELECT path, count(*) AS n FROM found_coverage WHERE source = 'poll' GROUP BY path")
    truth = {task.id: task for task in vendor.tasks}
    wrong = [f"{i}: named by the vendor, but not recorded" for i in truth.keys() - {row["id"] for row in rows}]
    waits = []
    for row in rows:
        task_id, state, outcome, results = (row[name] for name in ("id", "state", "outcome", "results"))
        task = truth.get(task_id)
        if task is None:
            wrong.append(f"{task_id}: recorded, but never named by the vendor")
        elif state != "concluded" or results != 1 or outcome != task.status_at(now):
            wrong.append(f"{task_id}: {state} {outcome}, {results} results; the vendor says {task.status_at(now)}")
        else:
            waits.append(row["concluded_at"] - task.start)
    return Comparison(
        wrong=wrong,
        found=Counter({row["path"]: row["n"] for row in found}),
        waits=waits,
        polls=sum(row["polls"] for row in rows),
        example=next((row["id"] for row in rows if row["outcome"] == "success"), "ID"),
    )


def answers(requests: Mapping[tuple[str, int], int]) -> Counter[str]:
    """The sandbox's counts of what the daemon met, in words."""
    said: Counter[str] = Counter()
    for (operation, status), n in requests.items():
        if operation in ("discovery_get", "token"):
            name = "token" if operation == "token" else "poll"
            said[f"{name} answered {status}" if status else f"{name} reset"] += n
    return said
