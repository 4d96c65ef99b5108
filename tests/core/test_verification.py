"""What the vendor says of a callback, row by row of the table."""

import pytest

from worker.core.schedule.cadence import Schedule
from worker.core.task import Task
from worker.core.vendor.document import Document, Fingerprint
from worker.core.vendor.reply import (
    Concluded,
    Garbled,
    Pending,
    RateLimited,
    Refused,
    Rejected,
    Reply,
    Unknown,
    Unreachable,
)
from worker.core.verification import CalledBack, asked_again, compared, edges_of, is_verifying

NOW = 1_800_000_000_000
MINUTE, DAY = 60_000, 86_400_000
S = Schedule()
T = Task(1, "t", "concluded", NOW - DAY, NOW - DAY, outcome="success", verify_at=NOW)
SAID = Fingerprint("a", "r")
LATE = 15 * MINUTE


def concluded(body: str, real_time: str | None = None) -> Concluded:
    return Concluded(Document("success", b"{}", fingerprint=Fingerprint(body, real_time)))


def told(reply: Reply, since: int = 0, task: Task = T) -> Task:
    return compared(task, reply, CalledBack(SAID, NOW - since), NOW - since, NOW, S)


@pytest.mark.parametrize(
    ("reply", "verified"),
    [
        (concluded("a"), "confirmed"),
        (concluded("a", "r"), "confirmed"),
        (concluded("a", "another"), "differs"),
        (concluded("b"), "differs"),
    ],
)
@pytest.mark.parametrize("since", [0, 50 * DAY])
def test_a_conclusion_settles_it_at_once(reply: Reply, verified: str, since: int) -> None:
    new = told(reply, since, T._replace(failures=2, last_error="timeout"))
    assert new == T._replace(verify_at=None, verified=verified, polls=1, last_poll_at=NOW)
    assert not is_verifying(new)


@pytest.mark.parametrize(("reply", "verified"), [(Pending(), "pending"), (Unknown(), "unknown")])
def test_the_vendor_may_be_behind_its_callback_for_a_while(reply: Reply, verified: str) -> None:
    early, late = told(reply, LATE - 1), told(reply, LATE)
    assert early.verified is None
    assert early.verify_at is not None
    assert early.verify_at > NOW
    assert (late.verify_at, late.verified, late.failures, late.last_error) == (None, verified, 0, None)


def test_what_is_pending_is_asked_again_less_and_less_often() -> None:
    waits = [(told(Pending(), since).verify_at or 0) - NOW for since in (0, MINUTE, 5 * MINUTE)]
    assert waits == [S.wait(since, "t", 1) for since in (0, MINUTE, 5 * MINUTE)]
    assert waits == sorted(waits)


@pytest.mark.parametrize("reply", [Rejected("http_422"), Garbled("html"), Unreachable("timeout")])
def test_no_usable_answer_backs_off_and_ends_visibly(reply: Reply) -> None:
    new = told(reply, S.give_up_after - 1)
    assert (new.failures, new.last_error, new.verified) == (1, getattr(reply, "code", ""), None)
    assert new.verify_at == NOW + S.backoff(1, "t", 1)
    assert edges_of(T, new) == [("failing", new.last_error)]
    assert told(reply, S.give_up_after).verified == "unanswered"


def test_a_wait_that_was_asked_for_is_kept() -> None:
    assert told(Rejected("http_429", 90_000)).verify_at == NOW + 90_000


@pytest.mark.parametrize("reply", [RateLimited("http_429"), Refused("http_403")])
def test_what_is_about_us_says_nothing_of_the_callback(reply: Reply) -> None:
    assert told(reply, 50 * DAY) == asked_again(T, NOW) == T._replace(polls=1, verify_at=NOW, last_poll_at=NOW)


def test_without_anything_to_compare_with_a_conclusion_is_enough() -> None:
    assert compared(T, concluded("a"), None, NOW, NOW, S).verified == "confirmed"


def test_what_was_asked_before_the_callback_came_and_says_something_else_settles_nothing() -> None:
    delivered = CalledBack(SAID, NOW - 100)
    assert compared(T, concluded("b"), delivered, NOW - 101, NOW, S) == asked_again(T, NOW)
    assert compared(T, concluded("b"), delivered, NOW - 100, NOW, S).verified == "differs"
    assert compared(T, concluded("a"), delivered, NOW - 101, NOW, S).verified == "confirmed"


def test_the_history_has_one_line_for_each_change() -> None:
    assert edges_of(T, told(concluded("a"))) == [("callback_confirmed", "the vendor says the same")]
    ((event, _),) = edges_of(T, told(concluded("b")))
    assert event == "callback_not_confirmed"
    asked = T._replace(verified="differs")
    assert edges_of(asked, told(concluded("b"), task=asked)) == [], "a person asked again"
    assert edges_of(T, told(Pending())) == []
