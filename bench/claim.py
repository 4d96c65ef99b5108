"""How long it takes to claim 100 tasks that are due among very many pending ones.

The real claim in the real store, in the transaction that the round holds: find them, lease them, commit. Beside it the
same commit with one row in it, which is what the disk takes. `python -m bench --only claim`.
"""

import random
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from bench.filling import DELAY_PER_REQUEST_MS, far, fill
from bench.part import Part, at_most, quantile, table
from worker.core.pacing.decide import Collected, decide
from worker.core.pacing.limiter import RateLimit
from worker.core.pacing.policy import Moment, Own, Policy
from worker.core.pacing.shared import Shared
from worker.core.schedule.cadence import Schedule
from worker.core.schedule.learned import LearnedPlanner
from worker.rounds.poll import reading, writing
from worker.store.opening import open_store

NOW_MS = 1_800_000_000_000
DUE = 100
TURN_MS = 1000  # between two claims


class Claims(NamedTuple):
    """ms, one for each claim."""

    statements: list[float]
    whole: list[float]  # from BEGIN to the end of COMMIT
    commit: list[float]  # of a transaction that writes one row
    filled: float  # seconds


def claims(path: Path, pending: int, times: int) -> Claims:
    """``times`` claims, of 100 tasks each. What is claimed falls due again when nine tenths of all have been."""
    turns = min(times, pending * 9 // 10 // DUE)
    slots = list(range(pending))
    random.Random(1).shuffle(slots)  # noqa: S311 - who is due lies anywhere in the table

    def due(n: int) -> int:
        return NOW_MS + slots[n] // DUE * TURN_MS if slots[n] < turns * DUE else far(NOW_MS)

    began = time.perf_counter()
    fill(path, pending, NOW_MS, due)
    got = Claims([], [], [], time.perf_counter() - began)
    with open_store(path, create=True) as store:
        policy = Policy(
            Schedule(), RateLimit(1000.0, 1000), 30_000, LearnedPlanner(Schedule(), DELAY_PER_REQUEST_MS, {})
        )
        own, shared = Own(kept_at=NOW_MS), Shared()
        for turn in range(times):
            now = NOW_MS + turn * TURN_MS
            began = time.perf_counter()
            with store.write():
                first = time.perf_counter()
                moment = Moment(now, due_by=now, free=DUE)
                due_now = reading.candidates(store, own, shared, moment, None)
                decision = decide(policy, own, shared, Collected(), due_now, moment)
                writing.write(store, decision.intents, now, now + turns * TURN_MS)
                got.statements.append((time.perf_counter() - first) * 1000)
            got.whole.append((time.perf_counter() - began) * 1000)
            own, shared = decision.own, decision.shared
            assert len(decision.intents.claims) == DUE
            began = time.perf_counter()
            with store.write():
                store.execute("UPDATE api SET spent = :turn", {"turn": turn})
            got.commit.append((time.perf_counter() - began) * 1000)
    return got


def part(*, quick: bool) -> Part:
    sizes, times = ((2_000, 5_000), 10) if quick else ((10_000, 100_000, 1_000_000), 200)
    rows: list[list[str]] = []
    figures: list[float] = []
    for pending in sizes:
        with tempfile.TemporaryDirectory() as folder:
            got = claims(Path(folder) / "cdpoll.db", pending, times)
        kinds = (got.statements, got.whole, got.commit)
        figures = [quantile(values, share) for values in kinds for share in (0.5, 0.99)]
        rows.append([f"{pending:,}", *(f"{figure:.1f} ms" for figure in figures), f"{got.filled:.1f} s"])
    what = f"claim of {DUE} due among {sizes[-1]:,}, median"
    targets = [
        at_most(what, figures[0], 10, "{:.1f} ms"),
        at_most(f"{what}, with the commit", figures[2], 10, "{:.1f} ms"),
    ]
    heads = ["pending", "claim p50", "p99", "with commit p50", "p99", "a commit alone p50", "p99", "made in"]
    text = table(heads, rows) + f"\n\n{times} claims of {DUE} each; those due are strewn over the whole table."
    headline = (
        f"{DUE} tasks that are due among {sizes[-1]:,} pending ones are claimed in {figures[0]:.1f} ms, and are on the"
        f" disk after {figures[2]:.1f} ms (medians)."
    )
    return Part("Claims among very many", "python -m bench --only claim", text, targets, [headline])
