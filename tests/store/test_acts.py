"""The audit's rows, and when the journal is told of them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.database import NOW
from tests.support.engine import elsewhere
from worker.core.errors import StorageFailed
from worker.store.db.store import Store
from worker.store.opening import open_store
from worker.store.state import acts

LINE = "audit: 'ann': abandoned: a"


def abandoned(store: Store, task_id: str = "a") -> None:
    acts.note(store, "ann", "abandoned", task_id, NOW)


def ended_by(store: Store, end: Callable[[], object]) -> None:
    with store.write():
        abandoned(store, "b")
        end()


def test_the_journal_is_told_after_the_commit_when_others_may_write(store: Store, path: Path) -> None:
    seen: list[tuple[str, object]] = []

    def journal(line: str) -> None:
        seen.append((line, elsewhere(path, "SELECT act, object FROM acts")))
        with open_store(path, timeout=0) as another, another.write():
            another.execute("DELETE FROM notices")

    store.journal = journal
    with store.write():
        abandoned(store)
        assert seen == []
    assert seen == [(LINE, [("abandoned", "a")])]
    with store.write():
        store.execute("DELETE FROM notices")
    assert len(seen) == 1, "it is told once"


def test_what_was_rolled_back_is_never_told(store: Store, path: Path) -> None:
    lines: list[str] = []
    store.journal = lines.append
    with pytest.raises(ZeroDivisionError):
        ended_by(store, lambda: 1 // 0)
    with pytest.raises(StorageFailed):
        ended_by(store, lambda: store.execute("INSERT INTO notices (code) VALUES ('incomplete')"))
    with store.write():
        abandoned(store)
    assert lines == [LINE]
    assert elsewhere(path, "SELECT object FROM acts") == [("a",)]


@pytest.mark.sqlite
def test_what_went_into_a_file_that_was_removed_is_never_told(store: Store, path: Path) -> None:
    lines: list[str] = []
    store.journal = lines.append
    with pytest.raises(StorageFailed, match="removed or replaced"):
        ended_by(store, path.unlink)
    assert lines == []


@pytest.mark.parametrize(
    ("numbers", "said"), [([], ""), ([7], "7"), ([3, 1, 2, 7, 7], "1-3, 7"), (range(5, 8), "5-7"), ([1, 3], "1, 3")]
)
def test_numbers_are_named_briefly_and_none_is_left_out(numbers: list[int], said: str) -> None:
    assert acts.runs(numbers) == said
