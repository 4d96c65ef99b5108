"""The state machine, row by row of its table."""

import pytest

from worker.core.lifecycle import LAST_POLLS, after, excused
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

NOW = 1_800_000_000_000
S = Schedule()
T = Task(seq=1, id="t", state="pending", recorded_at=NOW - 60_000, life_from=NOW - 60_000, due_at=NOW)
DONE = Concluded(Document("failure", b"{}", fingerprint=Fingerprint("a", None), name="Default", trace_id="tr"))
HOUR, DAY = 3_600_000, 86_400_000

UNUSABLE: list[Reply] = [Unknown(), Rejected("http_422"), Garbled("html"), Unreachable("timeout")]
ABOUT_US: list[Reply] = [RateLimited("http_429"), Refused("http_403")]


def test_pending_forgets_failures_and_waits_by_age() -> None:
    failing = T._replace(failures=7, last_error="timeout", not_found_since=NOW - 5)
    new = after(failing, Pending(Document("pending", name="Default", started_at=NOW - 30_000)), NOW, S)
    assert (new.state, new.failures, new.last_error, new.not_found_since) == ("pending", 0, None, None)
    assert (new.polls, new.name, new.started_at) == (1, "Default", NOW - 30_000)
    assert new.due_at == NOW + S.wait(30_000, "t", 1)


def test_concluded_takes_the_vendors_outcome() -> None:
    new = after(T._replace(failures=3, last_error="timeout"), DONE, NOW, S)
    assert (new.state, new.outcome, new.due_at, new.failures, new.last_error) == ("concluded", "failure", None, 0, None)


@pytest.mark.parametrize("reply", [*UNUSABLE, *ABOUT_US, Pending()], ids=repr)
def test_nothing_else_concludes(reply: Reply) -> None:
    new = after(T, reply, NOW, S)
    assert (new.state, new.outcome) == ("pending", None)
    assert new.due_at is not None
    assert new.due_at >= NOW


@pytest.mark.parametrize("reply", UNUSABLE, ids=repr)
def test_an_unusable_look_is_one_failure_and_backs_off(reply: Reply) -> None:
    first = after(T, reply, NOW, S)
    second = after(first, reply, NOW + 1000, S)
    assert (first.failures, second.failures, second.polls) == (1, 2, 2)
    assert second.last_error == getattr(reply, "code", None)
    assert first.due_at == NOW + S.backoff(1, "t", 1)
    assert second.due_at is not None
    assert second.due_at - (NOW + 1000) > first.due_at - NOW


@pytest.mark.parametrize("reply", ABOUT_US, ids=repr)
def test_what_is_about_us_blames_no_task(reply: Reply) -> None:
    new = after(T, reply, NOW, S)
    assert (new.failures, new.last_error, new.due_at, new.polls) == (0, None, NOW, 1)
    assert excused(T, NOW, polled=False).polls == 0


def test_backoff_of_an_outage_ends_at_the_ceiling_and_of_a_rejection_at_the_longest() -> None:
    tired = T._replace(failures=40)
    lost = after(tired, Unreachable("dns"), NOW, S).due_at
    refused = after(tired, Rejected("http_422"), NOW, S).due_at
    assert lost is not None
    assert refused is not None
    assert lost - NOW < HOUR < 5 * HOUR < refused - NOW


@pytest.mark.parametrize("failures", [0, 30])
def test_an_unknown_status_is_polled_again_in_an_hour(failures: int) -> None:
    due_at = after(T._replace(failures=failures), Garbled("unknown_status"), NOW, S).due_at
    assert due_at is not None
    assert 0.9 * HOUR < due_at - NOW < 1.1 * HOUR


def test_not_found_has_a_grace_from_the_first_time_then_the_slow_cadence() -> None:
    first = after(T, Unknown(), NOW, S)
    assert first.not_found_since == NOW
    later = after(first._replace(failures=9), Unknown(), NOW + S.not_found_grace, S)
    assert later.not_found_since == NOW
    assert later.due_at == NOW + S.not_found_grace + S.wait(later.age(NOW + S.not_found_grace), "t", 2)


@pytest.mark.parametrize("reply", [Pending(), Unknown()], ids=repr)
def test_given_up_only_on_the_vendors_own_word(reply: Reply) -> None:
    old = T._replace(recorded_at=NOW - 46 * DAY, life_from=NOW - 46 * DAY, polls_outlived=LAST_POLLS - 1)
    new = after(old, reply, NOW, S)
    assert (new.state, new.outcome, new.due_at) == ("abandoned", None, None)


@pytest.mark.parametrize("reply", [Pending(), Unknown()], ids=repr)
@pytest.mark.parametrize("give_up_after", [HOUR, 45 * DAY])
def test_not_given_up_before_several_polls_after_its_time(reply: Reply, give_up_after: int) -> None:
    schedule = S._replace(give_up_after=give_up_after)
    for old in (T._replace(recorded_at=NOW - 90 * DAY, life_from=NOW - 90 * DAY), T):
        task, polls = old, []
        while task.state == "pending":
            polls.append(task.due_at or NOW)
            task = after(task, reply, polls[-1], schedule)
        assert len([at for at in polls if at - old.life_from >= give_up_after]) == 3


def test_only_usable_polls_past_its_life_count() -> None:
    old = T._replace(recorded_at=NOW - 46 * DAY, life_from=NOW - 46 * DAY)
    seen = [after(old, Pending(), NOW, S)]
    for reply in (Garbled("html"), Pending()):
        seen.append(after(seen[-1], reply, NOW + HOUR, S))
    assert [task.polls_outlived for task in seen] == [1, 1, 2]
    assert after(seen[-1]._replace(life_from=NOW - DAY), Pending(), NOW, S).polls_outlived == 0, "a fresh start"


@pytest.mark.parametrize("reply", [*UNUSABLE[1:], *ABOUT_US], ids=repr)
def test_no_failure_of_ours_gives_up(reply: Reply) -> None:
    old = T._replace(recorded_at=NOW - 400 * DAY, life_from=NOW - 400 * DAY)
    assert after(old, reply, NOW, S).state == "pending"


def test_paused_time_and_a_retry_do_not_count_against_the_life() -> None:
    old = T._replace(recorded_at=NOW - 46 * DAY, life_from=NOW - 46 * DAY, polls_outlived=LAST_POLLS - 1)
    assert after(old, Pending(), NOW, S).state == "abandoned"
    assert after(old._replace(paused=2 * DAY), Pending(), NOW, S).state == "pending"
    assert after(old._replace(life_from=NOW - DAY), Pending(), NOW, S).state == "pending"


def test_a_late_result_concludes_an_abandoned_task_and_nothing_else_touches_it() -> None:
    gone = T._replace(state="abandoned", due_at=None)
    assert after(gone, Pending(), NOW, S) == gone
    assert excused(gone, NOW) == gone
    assert after(gone, DONE, NOW, S).state == "concluded"


def test_a_concluded_task_never_moves_back() -> None:
    done = after(T, DONE, NOW, S)
    for reply in (*UNUSABLE, *ABOUT_US, Pending()):
        assert after(done, reply, NOW + 5, S) == done


@pytest.mark.parametrize(
    ("started_at", "age"),
    [(None, 60_000), (NOW - 90_000, 90_000), (NOW + 5_000, 60_000), (0, 60_000)],
)
def test_the_age_is_the_vendors_where_that_is_sane(started_at: int | None, age: int) -> None:
    assert T._replace(started_at=started_at).age(NOW) == age


def test_a_retry_begins_the_schedule_anew_however_old_the_discovery_is() -> None:
    old = T._replace(recorded_at=NOW - 40 * DAY, started_at=NOW - 40 * DAY, life_from=NOW - 10_000)
    new = after(old, Pending(Document("pending", started_at=NOW - 40 * DAY)), NOW, S)
    assert new.due_at == NOW + S.wait(10_000, "t", 1)
