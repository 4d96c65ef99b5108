"""A daemon that starts on a database in which numbers were damaged."""

import pytest

from tests.support.cdpoll_process import House
from tests.support.damaged_rows import damage
from tests.support.loop_by_hand import loop_by_hand
from worker.store.tasks import mending


@pytest.mark.parametrize("column", ["due_at", "life_from", "paused_base", "leased_until", "pending_at"])
def test_it_sets_them_anew(house: House, column: str) -> None:
    house.record("a", "b")
    damage(house.database, "a", column, "x")
    with loop_by_hand(house) as made:
        made.loop._put_in_order()
        assert [event for event, _ in made.log.lines if event == mending.MENDED]
    rows = house.rows(f"SELECT DISTINCT typeof({column}) FROM tasks WHERE state = 'pending'")
    assert not {kind for (kind,) in rows} - {"integer", "null"}
