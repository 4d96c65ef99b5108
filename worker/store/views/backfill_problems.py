"""The sweep over the vendor's list, as people see it."""

from typing import Any

from worker.core.backfill import FLAWS
from worker.core.instant import about, from_iso
from worker.core.pacing.breaker import Breaker
from worker.core.poll_errors import cure_of, in_words
from worker.core.problems import Problem, problem
from worker.core.status_rules import StatusRules
from worker.store.db.store import Store
from worker.store.state import backfill

# A failure may be a moment's. By backoff, so many in a row last for a minute at least.
FAILURES = 3


def backfill_problems(store: Store, rules: StatusRules, breaker: Breaker) -> list[Problem]:
    """Whether sweeps fail, or tell nothing sure. While the API is paused, that says it."""
    row = backfill.get(store)
    code = row.last_error
    if not rules.backfill or code is None or (code not in FLAWS and (row.failures < FAILURES or breaker.paused)):
        return []
    cure = cure_of(code) or "ask the vendor"
    return [problem("backfill_failing", causes=[code], cause=in_words(code), cure=cure)]


def fact(told: dict[str, Any], now: int) -> str:
    """The sweep in a line."""
    reached, ended = from_iso(told["reached_at"]), from_iso(told["ended_at"])
    found = f"{told['recorded']} of {told['received']} were not recorded here"
    if told["sweeping"]:
        ago = "" if reached is None else f", has read up to {about(now - reached)} ago"
        said = f"under way{ago}: {found}"
    else:
        said = "none yet" if ended is None else f"the last sweep {about(now - ended)} ago: {found}"
    if told["foreign"]:
        said += f", {told['foreign']} of others"
    return said + (f"; FAILS: {in_words(told['last_error'])}" if told["last_error"] else "")
