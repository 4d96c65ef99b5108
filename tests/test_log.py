"""Log lines while standard error takes none."""

import json
import os
import threading

import pytest

import worker.log
from worker.clock import Clock
from worker.log import MOST_WAITING_LINES, _Lines, make_log


class Stderr:
    """A pipe in the place of standard error that takes no line until it is opened."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.reader, self.writer = os.pipe()

    def fileno(self) -> int:
        self.gate.wait()
        return self.writer

    def lines(self, lines: _Lines) -> list[dict[str, object]]:
        """Everything that was written, once it is taken."""
        self.gate.set()
        taken: list[bytes] = []
        reading = threading.Thread(target=lambda: taken.extend(iter(lambda: os.read(self.reader, 1 << 16), b"")))
        reading.start()
        lines.flush(60)
        os.close(self.writer)
        reading.join()
        os.close(self.reader)
        return [json.loads(line) for line in b"".join(taken).splitlines()]


def blocked(monkeypatch: pytest.MonkeyPatch) -> Stderr:
    """To be called in a test, not in a fixture: between the two pytest puts its own standard error in place."""
    stderr = Stderr()
    monkeypatch.setattr("sys.stderr", stderr)
    return stderr


def test_no_line_waits_and_those_that_find_no_place_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stderr = blocked(monkeypatch)
    monkeypatch.setattr(worker.log, "_lines", lines := _Lines())
    monkeypatch.setattr(worker.log, "is_journal", lambda: False)
    log = make_log("json", "info", Clock())
    more = 50
    for n in range(1 + MOST_WAITING_LINES + more):  # one is in the hands of the thread that writes
        log.info("a line", n=n)
    assert lines.dropped in (more, more + 1), "nothing was written meanwhile, and no call has waited"
    dropped = lines.dropped
    written = stderr.lines(lines)
    assert len(written) == 1 + MOST_WAITING_LINES + more - dropped


def test_the_count_stands_in_the_next_line_that_finds_a_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker.log, "_lines", lines := _Lines())
    lines.dropped = 7
    assert worker.log._tell_dropped(None, "", {"event": "x"}) == {"event": "x", "lines_dropped": 7}
    lines.dropped = 0
    assert worker.log._tell_dropped(None, "", {"event": "x"}) == {"event": "x"}


def test_the_end_of_the_process_does_not_wait_for_a_reader_that_takes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stderr = blocked(monkeypatch)
    lines = _Lines()
    lines.put('{"event": "a line"}')
    lines.flush(0.0)
    assert lines._queue.unfinished_tasks == 1
    stderr.lines(lines)
