"""What one poll pass decides, as values: replies with their rows and candidates in, intents out."""

import pytest

from tests.support.deciding import (
    LEASE,
    MINUTE,
    NOTHING,
    NOW,
    OWN,
    POLICY,
    SCHEDULE,
    a_task,
    claimed,
    decided,
    heard,
    polled,
)
from tests.support.story import DONE, FORBIDDEN, LOST
from worker.core.pacing.breaker import Breaker
from worker.core.pacing.claiming import MOST_REPLANNED_TASKS
from worker.core.pacing.decide import (
    FLOATED_EVERY_MS,
    KEPT_EVERY_MS,
    LONGEST_LOAD_MS,
    Collected,
    Conclusion,
    Decision,
    Intents,
    Withdrawn,
    decide,
    floats,
)
from worker.core.pacing.judge import NO_TASK, Finished
from worker.core.pacing.limiter import LimiterState, RateLimit
from worker.core.pacing.policy import Moment, Own
from worker.core.pacing.shared import Shared
from worker.core.schedule.fixed import FixedPlanner
from worker.core.schedule.learned import LearnedPlanner
from worker.core.schedule.state import ScheduleState
from worker.core.task import DueReason, PollPlan, Task
from worker.core.vendor.document import Document
from worker.core.vendor.reply import Garbled, Pending, Rejected, Reply

# --- what was heard


def test_a_pending_task_is_polled_again_as_its_cadence_says() -> None:
    decision = decided(heard((1, Pending())))
    (save,) = decision.intents.saves
    assert decision.intents == Intents(saves=(save,), finished={1: b""}), "and nothing else is to be done"
    assert save.old == polled(1)
    assert save.new.due_at is not None
    # At an age of 60 s the wait is 10 + 0.4 * 60 = 34 s, and at most 4 % more or less.
    assert 0.96 * 34_000 <= save.new.due_at - NOW <= 1.04 * 34_000
    assert save.new == save.old._replace(
        due_at=save.new.due_at,
        leased_until=None,
        reason=DueReason.CADENCE,
        polls=1,
        last_poll_at=NOW,
        pending_at=NOW,
        last_status=200,
        last_trace_id="trace-1",
    )
    assert (decision.own, decision.shared) == (OWN._replace(usable=1, answered=(1,)), Shared())


def test_the_planner_of_the_policy_plans_it() -> None:
    learned = POLICY._replace(planner=LearnedPlanner(SCHEDULE, 20_000, {}))
    (save,) = decided(heard((1, Pending())), policy=learned).intents.saves
    assert save.new.delay_per_request_ms == 20_000


def test_a_concluded_task_is_concluded_and_not_saved_beside_that() -> None:
    intents = decided(heard((1, DONE))).intents
    (conclusion,) = intents.conclusions
    assert intents == Intents(conclusions=(conclusion,))
    assert conclusion == Conclusion(polled(1), conclusion.new, DONE.document)
    assert (conclusion.new.state, conclusion.new.outcome) == ("concluded", "success")
    assert (conclusion.new.due_at, conclusion.new.leased_until) == (None, None)


def test_a_late_conclusion_of_a_task_that_is_not_pending_any_more_is_kept_too() -> None:
    abandoned = polled(1)._replace(state="abandoned", due_at=None)
    (conclusion,) = decided(heard((1, DONE), rows=(abandoned,))).intents.conclusions
    assert (conclusion.old, conclusion.new.state) == (abandoned, "concluded")


def test_two_replies_about_one_task_become_one_save() -> None:
    (save,) = decided(heard((1, Rejected("http_422")), (1, Pending()))).intents.saves
    assert (save.old, save.new.polls, save.new.failures) == (polled(1), 2, 0)


def test_the_body_of_an_unknown_status_is_kept() -> None:
    intents = decided(heard((1, Garbled("unknown_status", b"{}")), (2, Garbled("html")))).intents
    assert intents.bodies == ((1, "unknown_status", b"{}"),)
    assert [save.new.last_error for save in intents.saves] == ["unknown_status", "html"]


def test_what_has_finished_of_pending_tasks_is_to_be_kept() -> None:
    two, four = (Pending(Document("pending", finished=said)) for said in (b"two", b"four"))
    found = decided(heard((1, Pending()), (2, two), (3, DONE), (4, four))).intents.finished
    assert found == {1: b"", 2: b"two", 4: b"four"}, "nothing is said, too: what was kept may have been withdrawn"


def test_a_reply_about_a_row_that_is_gone_changes_no_row() -> None:
    gone = Collected([Finished(1, Pending(), NOW - 100)])
    assert decided(gone).intents == Intents()


def test_requests_beside_the_poll_are_charged() -> None:
    collected = Collected([Finished(NO_TASK, Pending(), NOW - 100, requests=3)])
    limiter = decided(collected, shared=Shared(limiter=LimiterState(day=NOW // 86_400_000, spent=5))).shared.limiter
    assert limiter.spent == 7
    assert limiter.tat_us == 1000 * NOW + 2 * 100_000  # two spacings of a tenth of a second


# --- jobs that were taken back


def test_a_withdrawn_job_is_released_and_its_slot_is_given_back() -> None:
    mine, anothers = a_task(1, leased_until=NOW - 50 + LEASE), a_task(2, leased_until=NOW + LEASE)
    collected = Collected(withdrawn=[Withdrawn(1, NOW - 50), Withdrawn(2, NOW - 50)], rows={1: mine, 2: anothers})
    shared = Shared(limiter=LimiterState(spent=7), schedule=ScheduleState(asked=5))
    decision = decided(collected, mine, anothers, free=4, shared=shared)
    assert decision.intents == Intents(released=(1,)), "a later lease is another process's"
    assert (decision.shared.limiter.spent, decision.shared.schedule.asked) == (5, 3)


# --- replies that come late


@pytest.mark.parametrize(
    "since",
    [
        {"last_poll_at": NOW - 50, "leased_until": None, "polls": 1},  # polled by another, or saved already
        {"leased_until": NOW + LEASE - 10},  # claimed by another
    ],
)
@pytest.mark.parametrize("reply", [Pending(), LOST, Garbled("unknown_status", b"{}"), Rejected("http_422")])
def test_a_reply_to_what_was_asked_again_since_changes_nothing(since: dict[str, int | None], reply: Reply) -> None:
    row = a_task(1, **since)
    intents = decided(heard((1, reply), rows=(row,))).intents
    assert intents == Intents()


@pytest.mark.parametrize("ahead", [{"last_poll_at": NOW + 1}, {"leased_until": NOW + LEASE + 1}])
def test_what_a_clock_wrote_that_was_ahead_keeps_no_reply_out(ahead: dict[str, int]) -> None:
    (save,) = decided(heard((1, Pending()), rows=(a_task(1, **ahead),))).intents.saves
    assert save.new.last_poll_at == NOW


def test_but_it_concludes_the_task() -> None:
    row = a_task(1, leased_until=NOW + LEASE - 10)
    intents = decided(heard((1, DONE), rows=(row,))).intents
    assert [one.new.state for one in intents.conclusions] == ["concluded"]


# --- claims


def test_as_many_are_claimed_as_the_limiter_grants() -> None:
    policy = POLICY._replace(limit=RateLimit(10, 3))
    decision = decided(NOTHING, *(a_task(seq, NOW - seq) for seq in range(1, 10)), free=8, policy=policy)
    assert claimed(decision) == [9, 8, 7]
    assert decision.shared.limiter.spent == decision.shared.schedule.asked == decision.own.slots_given == 3
    assert decision.shared.limiter.tat_us == 1000 * NOW + 3 * 100_000


def test_what_is_not_due_under_way_or_just_heard_is_left() -> None:
    candidates = [a_task(1), a_task(2, NOW + 1), a_task(3), polled(4), a_task(5, due_at=None)]
    decision = decided(heard((4, Pending())), *candidates, free=9, under_way=frozenset({3}))
    assert claimed(decision) == [1]


def test_half_of_the_slots_are_for_late_tasks_and_half_for_fresh_ones() -> None:
    late = [a_task(seq, NOW - MINUTE - seq) for seq in range(1, 6)]
    fresh = [a_task(seq, NOW - seq) for seq in range(11, 16)]
    assert claimed(decided(NOTHING, *fresh, *late, free=4)) == [5, 4, 15, 14]
    odd = decided(NOTHING, *fresh, *late, free=3)
    assert claimed(odd) == [5, 4, 15]
    assert claimed(decided(NOTHING, *fresh, *late, free=3, own=odd.own)) == [5, 15, 14], "they take turns"
    assert claimed(decided(NOTHING, *fresh[:1], *late, free=4)) == [5, 4, 3, 11], "no slot stays free"
    assert claimed(decided(NOTHING, *fresh, *late[:1], free=4)) == [1, 15, 14, 13]


def test_those_that_fail_come_last_and_take_a_part_of_the_threads_only() -> None:
    failing = [a_task(seq, NOW - 9_000 - seq, failures=1) for seq in range(1, 9)]
    good = [a_task(seq, NOW - seq) for seq in range(11, 13)]
    assert claimed(decided(NOTHING, *failing, *good, free=4, for_failing=2))[:2] == [12, 11]
    assert len(claimed(decided(NOTHING, *failing, free=4, for_failing=2))) == 2
    assert claimed(decided(NOTHING, *failing, *good, free=4, for_failing=0)) == [12, 11]
    late = [task._replace(due_at=NOW - 2 * MINUTE) for task in failing]
    assert len(claimed(decided(NOTHING, *late, free=4, for_failing=1))) == 1


class PutsOff(FixedPlanner):
    """Plans anew what was planned at a delay of 1 ms, and takes one request of the credit for each."""

    def replan(self, task: Task, state: ScheduleState, now: int) -> tuple[PollPlan, ScheduleState] | None:
        if task.delay_per_request_ms != 1:
            return None
        return PollPlan(MINUTE, DueReason.LEARNED, 9), state._replace(credit=state.credit - 1)


PUTS_OFF = POLICY._replace(planner=PutsOff(SCHEDULE))


def test_what_is_planned_anew_leaves_its_slot_to_others() -> None:
    cheap, others = [a_task(n, delay_per_request_ms=1) for n in (1, 2)], [a_task(3), a_task(4)]
    decision = decided(NOTHING, *cheap, *others, free=2, policy=PUTS_OFF)
    assert claimed(decision) == [3, 4]
    assert decision.intents.replanned == tuple((task, PollPlan(MINUTE, DueReason.LEARNED, 9)) for task in cheap)
    assert decision.shared.schedule.credit == -2
    assert not decision.wants_more


def test_more_candidates_are_wanted_where_slots_stay_free_because_of_it() -> None:
    cheap = [a_task(n, delay_per_request_ms=1) for n in range(1, 9)]
    assert decided(NOTHING, *cheap, a_task(9), free=2, policy=PUTS_OFF).wants_more
    assert not decided(NOTHING, a_task(9), free=2, policy=PUTS_OFF).wants_more, "there were no more"


def test_in_one_pass_a_bounded_number_is_planned_anew() -> None:
    cheap = [a_task(n, delay_per_request_ms=1) for n in range(1, MOST_REPLANNED_TASKS + 9)]
    decision = decided(NOTHING, *cheap, free=2, policy=PUTS_OFF)
    assert len(decision.intents.replanned) == MOST_REPLANNED_TASKS
    assert not decision.wants_more


# --- from time to time


def test_the_delay_per_request_floats_with_the_backlog_but_not_in_a_pause() -> None:
    policy = POLICY._replace(planner=LearnedPlanner(SCHEDULE, 20_000, {}))
    loaded = Shared(schedule=ScheduleState(floated_at=NOW - FLOATED_EVERY_MS, asked=100))
    risen = decided(shared=loaded, policy=policy, backlog=500).shared.schedule
    assert risen.delay_per_request_ms > 20_000
    assert (risen.floated_at, risen.asked, risen.backlog) == (NOW, 0, 500)
    paused = loaded._replace(breaker=Breaker("unreachable", "timeout", NOW - 1))
    assert decided(shared=paused, policy=policy, backlog=500).shared.schedule == ScheduleState(0, 0, None, NOW, 0, 500)


def test_the_load_of_all_processes_is_counted_once() -> None:
    """Two that each ask half of what the limit allows, while tasks are due: it binds, so the delay must not fall."""
    policy = POLICY._replace(planner=LearnedPlanner(SCHEDULE, 20_000, {}))
    shared = Shared(schedule=ScheduleState(80_000, floated_at=NOW, asked=10, backlog=30))
    for turn in range(1, 11):
        for process in range(2):
            now = NOW + turn * 1_000 + process
            due = [a_task(turn * 100 + process * 10 + n, NOW) for n in range(5)]
            backlog = 30 if floats(shared.schedule, now) else None
            moment = Moment(now, now, 5, backlog=backlog)
            shared = decide(policy, OWN, shared, NOTHING, due, moment).shared
    assert shared.schedule.floated_at == NOW + 10_000
    assert shared.schedule.delay_per_request_ms == pytest.approx(80_000, rel=0.01)


def test_a_rest_of_all_processes_is_no_load() -> None:
    policy = POLICY._replace(planner=LearnedPlanner(SCHEDULE, 20_000, {}))
    rested = ScheduleState(80_000, floated_at=NOW - LONGEST_LOAD_MS - 1, asked=3, backlog=2)
    begun = decided(shared=Shared(schedule=rested), policy=policy, backlog=500).shared.schedule
    assert begun == ScheduleState(80_000, floated_at=NOW, backlog=500)


def test_curves_are_stored_from_time_to_time() -> None:
    planner = LearnedPlanner(SCHEDULE, 20_000, {})
    policy = POLICY._replace(planner=planner)
    planner.learn(decided(heard((1, Pending())), policy=policy).intents.observations)
    due, early = (OWN._replace(kept_at=NOW - ago) for ago in (KEPT_EVERY_MS, KEPT_EVERY_MS - 1))
    assert decided(own=early, policy=policy).intents.since is None
    decision = decided(own=due, policy=policy)
    assert list(decision.intents.since or {}) == ["unseen"]
    assert decision.own.kept_at == NOW
    assert decision.shared.schedule.first_wait_ms is not None


# --- a pure function


def test_it_changes_nothing_so_that_a_failed_transaction_leaves_nothing_to_undo() -> None:
    planner = LearnedPlanner(SCHEDULE, 20_000, {})
    policy = POLICY._replace(planner=planner)
    finished = heard((1, Pending()), (2, DONE), (3, LOST), (4, FORBIDDEN), (5, Garbled("unknown_status", b"{}")))
    collected = finished._replace(withdrawn=[Withdrawn(6, NOW)], rows={**finished.rows, 6: a_task(6)})
    candidates = [a_task(seq, NOW - 5_000 * seq, delay_per_request_ms=1, task_class="quick") for seq in range(7, 30)]
    own = Own(kept_at=NOW - KEPT_EVERY_MS)
    shared = Shared(schedule=ScheduleState(floated_at=NOW - FLOATED_EVERY_MS, asked=9))
    copies = (dict(collected.rows), list(collected.finished), list(collected.withdrawn), list(candidates))

    def again() -> Decision:
        return decide(policy, own, shared, collected, candidates, Moment(NOW, NOW, 4, backlog=900))

    first = again()
    assert first.intents.observations
    assert planner.since() == {}, "nothing is learned before it is stored"
    assert again() == first
    assert (collected.rows, collected.finished, collected.withdrawn, candidates) == copies
