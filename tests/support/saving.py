"""Tasks that were asked about, and two ways to save what was heard of them: all at once, and one by one."""

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.support.database import NOW, ORIGIN, SCHEDULE, task_of
from tests.support.engine import copied, hurry
from worker.core.lifecycle import after, shown
from worker.core.pacing.decide import Decision, decide
from worker.core.pacing.judge import Finished
from worker.core.pacing.limiter import RateLimit
from worker.core.pacing.policy import Moment, Own, Planner, Policy
from worker.core.schedule.fixed import FixedPlanner
from worker.core.schedule.state import ScheduleState
from worker.core.vendor.document import Document
from worker.core.vendor.reply import Concluded, Pending, Reply
from worker.rounds.poll import reading, writing
from worker.store.conclude import conclude as conclude_task
from worker.store.db.store import Store
from worker.store.opening import open_store
from worker.store.state import api
from worker.store.tasks import polling as tasks

LEASED_UNTIL = NOW + 35_000
FIXED = FixedPlanner(SCHEDULE)
PLAIN: dict[str, Any] = {"recorded_at": NOW - 600_000, "reason": "cadence", "polls": 4, "pending_at": NOW - 90_000}


def told(name: str, started_at: int) -> Pending:
    return Pending(Document("pending", name=name, started_at=started_at))


def add(store: Store, rows: Sequence[dict[str, Any]]) -> list[int]:
    """Tasks t1, t2 …, claimed; their rows."""
    for seq, row in enumerate(rows, 1):
        about = {key: value for key, value in row.items() if key != "retried"}
        about |= {"seq": seq, "id": f"t{seq}", "origin": ORIGIN, "state": "pending", "source": "id", "due_at": NOW}
        about["life_from"] = NOW - 5_000 if row.get("retried") else row["recorded_at"]
        about["paused_base"] = 0
        about |= {"last_error": "timeout"} if row.get("failures") else {}
        columns = ", ".join(about)
        with store.write():
            store.execute(f"INSERT INTO tasks ({columns}) VALUES ({', '.join(':' + key for key in about)})", about)
            tasks.lease(store, [seq], LEASED_UNTIL)
    return list(range(1, len(rows) + 1))


def save(store: Store, asked: Sequence[int], heard: Sequence[Reply], now: int, planner: Planner = FIXED) -> Decision:
    """What was heard, saved as a pass saves it."""
    policy, own = Policy(SCHEDULE, RateLimit(1, 5), LEASED_UNTIL - NOW, planner), Own(kept_at=now)
    finished = [Finished(seq, reply, NOW) for seq, reply in zip(asked, heard, strict=True)]
    with store.write():
        shared = api.get(store)
        found = reading.collected(store, finished, (), own, shared.breaker.paused_until_now(now))
        decision = decide(policy, own, shared, found, (), Moment(now, now, 0))
        writing.write(store, decision.intents, now, LEASED_UNTIL)
        api.put(store, decision.shared)
    return decision


def save_each(
    store: Store, asked: Sequence[int], heard: Sequence[Reply], now: int, planner: Planner = FIXED
) -> ScheduleState:
    """The slow way: each from its row, by the state machine, in a statement of its own."""
    with store.write():
        shared = api.get(store)
        state = shared.schedule
        for seq, reply in zip(asked, heard, strict=True):
            old = task_of(store, seq, shared.breaker.paused_until_now(now))
            seen = planner.observe(old, reply, now)
            state = state if seen is None else planner.settle(old, seen, state, now)
            plan = None
            if isinstance(reply, Pending) and old.state == "pending":
                plan, state = planner.plan(shown(old, reply.document, now), state, now)
            new = after(old, reply, now, SCHEDULE, plan)
            if isinstance(reply, Concluded):
                conclude_task(store, new, reply.document, "poll", now)
            else:
                tasks.save(store, old, new, now)
    return state


def everything(store: Store) -> list[list[tuple[Any, ...]]]:
    """Rows, and the history line for line, task by task."""
    tables = ("SELECT * FROM tasks ORDER BY seq", "SELECT task, at, event, detail FROM history ORDER BY task, seq")
    return [[tuple(row) for row in store.read(sql)] for sql in tables]


def twins(stack: ExitStack, rows: Sequence[dict[str, Any]]) -> tuple[Store, Store, list[int]]:
    """Two databases with the same claimed tasks."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    with open_store(folder / "one.db", "truncate", create=True) as first:
        hurry(first)
        asked = add(first, rows)
    copied(folder / "one.db", folder / "other.db")
    one, other = (
        stack.enter_context(open_store(folder / name, "truncate", create=True)) for name in ("one.db", "other.db")
    )
    return one, other, asked
