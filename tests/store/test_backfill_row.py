"""The row of the sweep, as `status` and its problem read it."""

import pytest

from tests.support.database import NOW
from worker.core.backfill import Sweep
from worker.core.pacing.breaker import Breaker, pause
from worker.core.status_rules import StatusRules
from worker.store.db.store import Store
from worker.store.state import backfill
from worker.store.state.backfill import BackfillRow
from worker.store.views.backfill_problems import backfill_problems, fact

RULES = StatusRules(backfill=True)
SWEEP = Sweep(NOW - 60_000, NOW, NOW - 30_000, NOW, 91, "records")


def kept(store: Store, row: BackfillRow) -> BackfillRow:
    with store.write():
        backfill.put(store, row)
    return backfill.get(store)


def test_the_checkpoint_is_kept_and_one_step_by_offset_is_made_again_by_a_new_process(store: Store) -> None:
    assert kept(store, BackfillRow().with_sweep(SWEEP)).sweep == SWEEP
    compared = SWEEP._replace(offset=1, offset_by=None)
    assert kept(store, BackfillRow().with_sweep(compared)).sweep == compared._replace(offset=0)
    assert kept(store, BackfillRow(through_at=NOW).with_sweep(None)).sweep is None
    store.execute("UPDATE backfill SET begins_at = 1, offset_by = 'wrong'")
    assert backfill.get(store).sweep is None, "a damaged row is no sweep: the next begins anew"


@pytest.mark.parametrize(
    ("row", "rules", "breaker", "said"),
    [
        (BackfillRow(failures=3, last_error="http_403"), RULES, Breaker(), "HTTP 403"),
        (BackfillRow(failures=2, last_error="http_403"), RULES, Breaker(), None),
        (BackfillRow(failures=9, last_error="http_403"), RULES, pause(Breaker(), "credentials", "", NOW, 1), None),
        (BackfillRow(failures=9, last_error="http_403"), StatusRules(), Breaker(), None),
        (BackfillRow(last_error="page_cap"), RULES, Breaker(), "more pages than a sweep asks for"),
        (BackfillRow(last_error="outside_window"), RULES, Breaker(), "outside the time"),
        (BackfillRow(), RULES, Breaker(), None),
    ],
)
def test_when_it_is_a_problem(
    store: Store, row: BackfillRow, rules: StatusRules, breaker: Breaker, said: str | None
) -> None:
    kept(store, row)
    found = backfill_problems(store, rules, breaker)
    assert [one.code for one in found] == ([] if said is None else ["backfill_failing"])
    assert said is None or said in found[0].hint


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (BackfillRow(), "none yet"),
        (
            BackfillRow(ended_at=NOW - 120_000, received=9, recorded=2, foreign_rows=3),
            "the last sweep 2 min ago: 2 of 9 were not recorded here, 3 of others",
        ),
        (
            BackfillRow(received=5).with_sweep(SWEEP),
            "under way, has read up to 30 s ago: 0 of 5 were not recorded here",
        ),
        (BackfillRow(failures=1, last_error="http_500"), "none yet; FAILS: HTTP 500"),
    ],
)
def test_in_a_line(store: Store, row: BackfillRow, words: str) -> None:
    kept(store, row)
    assert fact(backfill.picture(store), NOW) == words
