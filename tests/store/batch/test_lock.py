"""One process reads batches at a time; another waits as long as it is told to."""

from pathlib import Path

import pytest

from worker.core.errors import TryLater
from worker.store.batch import lock
from worker.store.batch.lock import IngestLock
from worker.store.opening import open_store

NOW = 1_800_000_000_000


def test_a_round_by_hand_waits_for_another_to_end(used: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(used)
    other = IngestLock(open_store(used), "round", NOW, wait=False)
    other.__enter__()
    rests: list[int] = []

    def rest(ms: int) -> None:
        rests.append(ms)
        if len(rests) == 3:
            other.__exit__()

    monkeypatch.setattr(lock, "rest", rest)
    with IngestLock(store, "round", NOW, wait=False, patience_ms=5_000):
        assert len(rests) == 3
        with (
            pytest.raises(TryLater),
            IngestLock(store, "round", NOW, wait=False, patience_ms=5_000),
        ):
            pass
    assert sum(rests[3:]) == 5_000
