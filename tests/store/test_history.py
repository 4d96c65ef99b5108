"""The history of a task that flaps for weeks: its beginning, its end, and how much between them is left out."""

from tests.support.database import NOW, record
from worker.store.db.store import Store
from worker.store.tasks import history

KEPT_ROWS, FIRST_ROWS = 200, 20


def rows(store: Store, task: int) -> list[tuple[str, str | None]]:
    found = store.read("SELECT event, detail FROM history WHERE task = :task ORDER BY seq", {"task": task})
    return [(row["event"], row["detail"]) for row in found]


def test_a_task_keeps_its_first_and_its_newest_events(store: Store) -> None:
    record(store, "flapping", "calm")
    events = [("failing", str(n)) for n in range(1000)]
    for n in range(0, 1000, 50):
        with store.write():
            history.add_all(store, [(1, NOW, event, detail) for event, detail in events[n : n + 49]])
            history.add(store, 1, NOW, *events[n + 49])
            if n % 100 == 0:
                history.add(store, 2, NOW, "failing", str(n))
        kept = rows(store, 1)
        if n + 50 <= KEPT_ROWS:
            assert kept == events[: n + 50]
            continue
        assert len(kept) == KEPT_ROWS
        newest = KEPT_ROWS - FIRST_ROWS - 1
        assert kept[:FIRST_ROWS] == events[:FIRST_ROWS]
        assert kept[FIRST_ROWS] == ("left_out", str(n + 50 - FIRST_ROWS - newest))
        assert kept[-newest:] == events[n + 50 - newest : n + 50]
    assert rows(store, 2) == [("failing", str(n)) for n in range(0, 1000, 100)]
