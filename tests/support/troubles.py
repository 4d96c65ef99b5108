"""Problems to be made and ended by hand: each as the parts of cdpoll leave it in the database."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.support.cdpoll_process import House
from tests.support.loop_by_hand import ByHand, loop_by_hand
from worker.daemon.problem_watch import EVERY_MS

DAY = 86_400_000
FAR = 2_500_000_000_000


class Made(NamedTuple):
    """Statements that make the problem, and that end it."""

    begin: str
    end: str
    concerns: int = 1


NOTICE = "INSERT INTO notices (code, at, detail) VALUES ('{0}', 1, 'what is wrong')", "DELETE FROM notices"
PAUSE = (
    "UPDATE api SET reason = '{0}', code = '{1}', paused_at = 1, resumes_at = 2500000000000",
    "UPDATE api SET reason = NULL, code = NULL, paused_at = NULL, resumes_at = NULL",
)
FAILING = (
    "UPDATE tasks SET failures = 3, last_error = '{0}' WHERE seq < 4",
    "UPDATE tasks SET failures = 0, last_error = NULL",
)


def noticed(code: str) -> Made:
    return Made(NOTICE[0].format(code), NOTICE[1])


def paused(reason: str, code: str) -> Made:
    return Made(PAUSE[0].format(reason, code), PAUSE[1])


def failing(code: str) -> Made:
    return Made(FAILING[0].format(code), FAILING[1], 3)


TROUBLES = {
    "api_unreachable": paused("unreachable", "timeout"),
    "api_credentials": paused("credentials", "token_http_401_invalid_client"),
    "api_rate_limited": paused("rate_limited", "http_429"),
    "failing_http_503": failing("http_503"),
    "wrong_id": failing("wrong_id"),
    "unknown_status": failing("unknown_status"),
    "wrong_environment": Made(
        "UPDATE tasks SET not_found_since = 1, last_error = 'not_found' WHERE seq < 4",
        "UPDATE tasks SET not_found_since = NULL, last_error = NULL",
        3,
    ),
    "not_found": Made("UPDATE tasks SET not_found_since = 1 WHERE seq = 1", "UPDATE tasks SET not_found_since = NULL"),
    "overdue": Made(
        "UPDATE tasks SET life_from = life_from - 90000000 WHERE seq < 3", "UPDATE tasks SET life_from = recorded_at", 2
    ),
    "abandoned": Made(
        "UPDATE tasks SET state = 'abandoned', due_at = NULL WHERE seq = 1",
        f"UPDATE tasks SET state = 'pending', due_at = {FAR} WHERE seq = 1",
    ),
    "unreadable": Made(
        "INSERT INTO unreadable (raw, reason, ref, first_at, last_at) VALUES ('x', 'no id', '', 1, 1)",
        "DELETE FROM unreadable",
    ),
    "callback_quarantined": Made(
        "INSERT INTO bodies (source, received_at, reason, identity, body)"
        " VALUES ('callback', 1, 'not_json', 'x', x'7b')",
        "DELETE FROM bodies",
    ),
    "quarantined": Made(
        "INSERT INTO files (name, source, sha256, size, state, first_at, done_at)"
        " VALUES ('a.x12', 'path', 'x', 1, 'quarantined', 1, 1)",
        "DELETE FROM files",
    ),
    "incomplete_files": Made(
        "INSERT INTO files (name, source, sha256, size, state, first_at, done_at)"
        " VALUES ('a.x12', 'path', 'x', 1, 'incomplete', 1, 1)",
        "DELETE FROM files",
    ),
    "sftp_connect": noticed("sftp_connect"),
    "sftp_auth": noticed("sftp_auth"),
}


def quiet_house(folder: Path) -> House:
    """Five tasks, none due for years."""
    house = House(folder)
    house.record(*(f"t{n}" for n in range(5)))
    house.rows("UPDATE tasks SET due_at = ?", FAR)
    return house


@contextmanager
def quiet_loop(house: House) -> Iterator[ByHand]:
    """The loop, after a first pass that told of nothing."""
    with loop_by_hand(house) as by_hand:
        by_hand.loop.step()
        assert by_hand.log.lines == []
        yield by_hand


def turn(by_hand: ByHand, ms: int = EVERY_MS) -> list[tuple[str, object]]:
    """The next beat; what it logs, as (event, code)."""
    before = len(by_hand.log.lines)
    by_hand.clock.advance(ms)
    by_hand.loop.step()
    return [(event, fields.get("code")) for event, fields in by_hand.log.lines[before:]]
