"""One process reads batches at a time; another waits as long as it is told to."""

from pathlib import Path

import pytest

from worker.core.errors import TryLater
from worker.store.batch import lock
from worker.store.batch.lock import IngestLock


def test_a_round_by_hand_waits_for_another_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = IngestLock(tmp_path / "cdpoll.db", "round", wait=False)
    other.__enter__()
    rests: list[int] = []

    def rest(ms: int) -> None:
        rests.append(ms)
        if len(rests) == 3:
            other.__exit__()

    monkeypatch.setattr(lock, "rest", rest)
    with IngestLock(tmp_path / "cdpoll.db", "round", wait=False, patience_ms=5_000):
        assert len(rests) == 3
        with (
            pytest.raises(TryLater),
            IngestLock(tmp_path / "cdpoll.db", "round", wait=False, patience_ms=5_000),
        ):
            pass
    assert sum(rests[3:]) == 5_000
