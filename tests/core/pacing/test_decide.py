"""What one poll pass decides, as values: replies with their rows and candidates in, intents out."""

from typing import Any

import pytest

from tests.support.story import DONE, FORBIDDEN, LATER, LOST
from worker.core.pacing.breaker import Breaker, PauseReason
from worker.core.pacing.claiming import MOST_REPLANNED_TASKS
from worker.core.pacing.decide import (
    FLOATED_EVERY_MS,
    KEPT_EVERY_MS,
    Collected,
    Conclusion,
    Decision,
    Intents,
    Withdrawn,
    decide,
)
from worker.core.pacing.judge import MISSES_IN_A_ROW, NO_SUSPICION, NO_TASK, Finished, Suspicion
from worker.core.pacing.limiter import FULL_PACE_PPM, LimiterState, RateLimit
from worker.core.pacing.policy import Moment, Own, Policy
from worker.core.pacing.shared import Shared
from worker.core.schedule.cadence import Schedule
from worker.core.schedule.fixed import FixedPlanner
from worker.core.schedule.learned import LearnedPlanner
from worker.core.schedule.state import ScheduleState
from worker.core.task import DueReason, PollPlan, Task
from worker.core.vendor.reply import Garbled, Pending, Rejected, Reply

NOW = 1_800_000_000_000
MINUTE, HOUR = 60_000, 3_600_000
LEASE = 35_000
SCHEDULE = Schedule()
POLICY = Policy(SCHEDULE, RateLimit(10, 20), LEASE, FixedPlanner(SCHEDULE))
OWN = Own(floated_at=NOW, kept_at=NOW)
NOTHING, FRESH = Collected(), Shared()
SUSPECTING = OWN._replace(suspicion=Suspicion(excused=((1, FORBIDDEN),)))
MISSING = OWN._replace(suspicion=Suspicion(missed=frozenset(range(1, MISSES_IN_A_ROW + 1))))


def a_task(seq: int, due_at: int | None = NOW, **about: Any) -> Task:
    """A task that was recorded a minute ago."""
    return Task(seq, f"t{seq}", "pending", NOW - MINUTE, NOW - MINUTE, due_at=due_at)._replace(**about)


def polled(seq: int) -> Task:
    """As the row stands while its poll is under way."""
    return a_task(seq, leased_until=NOW + LEASE - 100)


def heard(*replies: tuple[int, Reply], rows: tuple[Task, ...] = ()) -> Collected:
    finished = [Finished(seq, reply, NOW - 100, status=200, trace_id=f"trace-{seq}") for seq, reply in replies]
    return Collected(
        finished, rows={seq: polled(seq) for seq, _ in replies if seq != NO_TASK} | {t.seq: t for t in rows}
    )


def decided(
    collected: Collected = NOTHING,
    *candidates: Task,
    own: Own = OWN,
    shared: Shared = FRESH,
    policy: Policy = POLICY,
    **moment: Any,
) -> Decision:
    """What is decided now; ``free`` threads wait for work."""
    return decide(policy, own, shared, collected, candidates, Moment(NOW, NOW, **({"free": 0} | moment)))


def claimed(decision: Decision) -> list[int]:
    return [task.seq for task in decision.intents.claims]


# --- what was heard


def test_a_pending_task_is_polled_again_as_its_cadence_says() -> None:
    decision = decided(heard((1, Pending())))
    (save,) = decision.intents.saves
    assert decision.intents == Intents(saves=(save,)), "and nothing else is to be done"
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


def test_a_reply_about_a_row_that_is_gone_changes_no_row() -> None:
    gone = Collected([Finished(1, Pending(), NOW - 100)])
    assert decided(gone).intents == Intents()


def test_requests_beside_the_poll_are_charged() -> None:
    collected = Collected([Finished(NO_TASK, Pending(), NOW - 100, requests=3)])
    limiter = decided(collected, shared=Shared(limiter=LimiterState(day=NOW // 86_400_000, spent=5))).shared.limiter
    assert limiter.spent == 7
    assert limiter.tat_us == 1000 * NOW + 2 * 100_000  # two spacings of a tenth of a second


# --- about us, or about the task


def test_a_429_pauses_the_whole_api_and_is_no_failure_of_its_task() -> None:
    decision = decided(heard((1, LATER)), a_task(2), free=4)
    breaker, limiter = decision.shared.breaker, decision.shared.limiter
    assert (breaker.reason, breaker.paused_at, breaker.resumes_at) == ("rate_limited", NOW, NOW + 90_000)
    assert limiter.pace == FULL_PACE_PPM // 2
    (save,) = decision.intents.saves
    assert (save.new.due_at, save.new.reason, save.new.failures) == (NOW, DueReason.AGAIN, 0)
    assert claimed(decision) == [], "nothing is sent while a pause lasts"


def after_the_pause(reason: PauseReason = "unreachable", code: str = "timeout") -> Shared:
    return Shared(Breaker(reason, code, NOW - MINUTE + 1, NOW, 1))


def test_a_pause_that_is_over_lets_a_step_of_different_probes_through() -> None:
    own = OWN._replace(answered=(2, 3))
    tasks = [a_task(1, NOW - 9, failures=2), a_task(2, NOW - 5), a_task(3, NOW + MINUTE), a_task(4), a_task(5)]
    decision = decided(NOTHING, *tasks, free=4, own=own, shared=after_the_pause())
    assert claimed(decision) == [3, 5], "the one that was answered last, due or not, and the newest"
    assert decision.intents.health_check
    assert decision.own.suspicion.asked == {3, 5, NO_TASK}
    assert decision.shared.limiter.spent == 3
    assert claimed(decided(NOTHING, *tasks, free=4, own=own, shared=after_the_pause(), awaited=True)) == []
    before_its_end = Shared(after_the_pause().breaker._replace(resumes_at=NOW + 1))
    assert claimed(decided(NOTHING, *tasks, free=4, own=own, shared=before_its_end)) == []


def test_after_a_refusal_a_third_task_takes_the_place_of_the_health_check() -> None:
    tasks = [a_task(n) for n in range(1, 6)]
    decision = decided(NOTHING, *tasks, free=4, shared=after_the_pause("credentials", "http_403"))
    assert (claimed(decision), decision.intents.health_check) == ([5, 1, 2], False)


@pytest.mark.parametrize("code", ["token_http_401", "proxy_auth"])
def test_where_the_api_is_not_reached_one_request_is_the_whole_step(code: str) -> None:
    decision = decided(NOTHING, *(a_task(n) for n in range(1, 6)), free=4, shared=after_the_pause("credentials", code))
    assert (claimed(decision), decision.intents.health_check) == ([5], False)


def test_those_that_were_tried_in_the_pause_are_asked_again_only_where_there_are_no_others() -> None:
    tried = OWN._replace(suspicion=Suspicion(excused=((1, LOST), (3, LOST))))
    assert claimed(decided(NOTHING, *map(a_task, (1, 2, 3)), free=4, own=tried, shared=after_the_pause())) == [2]
    assert claimed(decided(NOTHING, *map(a_task, (1, 3)), free=4, own=tried, shared=after_the_pause())) == [3, 1]


def test_where_nothing_is_due_no_probe_is_sent() -> None:
    assert claimed(decided(NOTHING, a_task(1, NOW + 1), free=4, shared=after_the_pause())) == []


@pytest.mark.parametrize(
    ("reason", "code", "recorded_at", "expected"),
    [
        ("unreachable", "timeout", NOW - 20, [9]),
        ("credentials", "http_403", NOW - 20, [9]),
        ("credentials", "http_403", NOW - HOUR, []),
        ("credentials", "token_http_401", NOW - 20, []),
        ("rate_limited", "http_429", NOW - 20, []),
    ],
)
def test_a_task_recorded_in_the_pause_is_worth_a_probe_before_its_time(
    reason: PauseReason, code: str, recorded_at: int, expected: list[int]
) -> None:
    shared = Shared(Breaker(reason, code, NOW - MINUTE, NOW + HOUR, 3))
    new = a_task(9, recorded_at=recorded_at)
    decision = decided(NOTHING, a_task(1, recorded_at=NOW - HOUR), new, free=4, shared=shared)
    assert claimed(decision) == expected
    if expected:
        assert claimed(decided(NOTHING, new, free=4, shared=shared, own=decision.own)) == [], "not again at once"
        assert claimed(decided(NOTHING, new._replace(polls=1), free=4, shared=shared)) == []


def test_a_refused_task_is_excused_first_and_then_blamed_by_the_answer_of_another() -> None:
    first = decided(heard((1, FORBIDDEN)))
    assert first.own.suspicion.open
    (save,) = first.intents.saves
    assert (save.new.failures, save.new.reason, save.new.polls, save.new.last_status) == (0, DueReason.AGAIN, 1, 200)

    second = decided(heard((2, Pending()), rows=(save.new,)), own=first.own)
    blamed, answered = (next(save.new for save in second.intents.saves if save.new.seq == seq) for seq in (1, 2))
    assert (blamed.failures, blamed.last_error, blamed.reason) == (1, "http_403", DueReason.BACKOFF)
    assert blamed.polls == 1, "it was one poll"
    assert (answered.failures, answered.reason) == (0, DueReason.CADENCE)
    assert (second.own.suspicion, second.shared.breaker) == (NO_SUSPICION, Breaker())


def test_the_last_probe_in_vain_is_about_our_credentials_and_blames_no_task() -> None:
    own = OWN._replace(suspicion=SUSPECTING.suspicion._replace(asked=frozenset({2})))
    decision = decided(heard((2, FORBIDDEN), rows=(polled(1),)), own=own)
    assert decision.shared.breaker.reason == "credentials"
    assert {save.new.seq: save.new.failures for save in decision.intents.saves} == {2: 0}


def test_while_a_task_is_suspected_others_are_asked_due_or_not() -> None:
    candidates = [a_task(1), a_task(2, NOW + MINUTE), a_task(3, NOW + 2 * MINUTE)]
    assert claimed(decided(NOTHING, *candidates, free=4, own=SUSPECTING)) == [3, 2]


def test_a_task_that_fails_is_no_probe_before_it_is_due() -> None:
    failing = a_task(2, NOW + MINUTE, failures=1)
    decision = decided(NOTHING, failing, free=4, own=SUSPECTING)
    assert (claimed(decision), decision.intents.health_check) == ([], True)
    assert claimed(decided(NOTHING, failing._replace(due_at=NOW), free=4, own=SUSPECTING)) == [2]


def test_where_there_is_no_other_task_the_health_check_is_the_probe() -> None:
    decision = decided(NOTHING, a_task(1), free=4, own=SUSPECTING)
    assert (claimed(decision), decision.intents.health_check) == ([], True)
    assert (decision.shared.limiter.spent, decision.own.spent) == (1, 1), "it takes a slot like any request"


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ({"own": OWN}, "no task is suspected"),
        ({"own": MISSING, "awaited": True}, "what is under way may tell"),
        ({"own": MISSING, "free": 0}, "no thread is free"),
    ],
)
def test_else_there_is_no_health_check(how: dict[str, Any], reason: str) -> None:
    assert decided(NOTHING, free=4, own=MISSING).intents.health_check
    assert not decided(NOTHING, **({"free": 4} | how)).intents.health_check, reason


def test_a_suspicion_that_arises_in_this_pass_waits_for_candidates_that_are_not_due() -> None:
    decision = decided(heard((1, FORBIDDEN)), a_task(2), free=4)
    assert decision.own.suspicion.open
    assert (claimed(decision), decision.intents.health_check) == ([], False)


def test_probes_that_were_taken_back_are_not_waited_for() -> None:
    own = OWN._replace(suspicion=SUSPECTING.suspicion._replace(asked=frozenset({2, 3})))
    decision = decided(Collected(withdrawn=[Withdrawn(2, NOW - 50)], rows={2: polled(2)}), own=own)
    assert decision.own.suspicion.asked == {3}


def test_what_a_task_is_known_to_answer_slows_nothing_down() -> None:
    known = polled(1)._replace(failures=1, last_error="http_429")
    decision = decided(heard((1, LATER), rows=(known,)), a_task(2), free=4)
    assert (decision.shared.breaker, decision.shared.limiter.pace) == (Breaker(), FULL_PACE_PPM)
    (save,) = decision.intents.saves
    assert (save.new.failures, save.new.last_error) == (2, "http_429")
    assert save.new.due_at is not None
    assert save.new.due_at >= NOW + 90_000, "and not before the time that it asked for"
    assert claimed(decision) == [2]


# --- jobs that were taken back


def test_a_withdrawn_job_is_released_and_its_slot_is_given_back() -> None:
    mine, anothers = a_task(1, leased_until=NOW - 50 + LEASE), a_task(2, leased_until=NOW + LEASE)
    collected = Collected(withdrawn=[Withdrawn(1, NOW - 50), Withdrawn(2, NOW - 50)], rows={1: mine, 2: anothers})
    shared = Shared(limiter=LimiterState(spent=7))
    decision = decided(collected, mine, anothers, free=4, own=OWN._replace(spent=5), shared=shared)
    assert decision.intents == Intents(released=(1,)), "a later lease is another process's"
    assert (decision.shared.limiter.spent, decision.own.spent) == (5, 3)


# --- claims


def test_as_many_are_claimed_as_the_limiter_grants() -> None:
    policy = POLICY._replace(limit=RateLimit(10, 3))
    decision = decided(NOTHING, *(a_task(seq, NOW - seq) for seq in range(1, 10)), free=8, policy=policy)
    assert claimed(decision) == [9, 8, 7]
    assert decision.shared.limiter.spent == decision.own.spent == decision.own.slots_given == 3
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
    own = Own(floated_at=NOW - FLOATED_EVERY_MS, kept_at=NOW, backlog=0, spent=100)
    risen = decided(own=own, policy=policy, backlog=500)
    assert risen.shared.schedule.delay_per_request_ms > 20_000
    assert (risen.own.floated_at, risen.own.spent, risen.own.backlog) == (NOW, 0, 500)
    paused = decided(own=own, policy=policy, backlog=500, shared=Shared(Breaker("unreachable", "timeout", NOW - 1)))
    assert paused.shared.schedule == ScheduleState()
    assert paused.own.floated_at == NOW


def test_curves_are_stored_from_time_to_time() -> None:
    planner = LearnedPlanner(SCHEDULE, 20_000, {})
    policy = POLICY._replace(planner=planner)
    planner.learn(decided(heard((1, Pending())), policy=policy).intents.observations)
    due, early = (OWN._replace(kept_at=NOW - ago) for ago in (KEPT_EVERY_MS, KEPT_EVERY_MS - 1))
    assert decided(own=early, policy=policy).intents.curves == {}
    decision = decided(own=due, policy=policy)
    assert list(decision.intents.curves) == ["unseen"]
    assert decision.own.kept_at == NOW
    assert decision.shared.schedule.first_wait_ms is not None


# --- a pure function


def test_it_changes_nothing_so_that_a_failed_transaction_leaves_nothing_to_undo() -> None:
    planner = LearnedPlanner(SCHEDULE, 20_000, {})
    policy = POLICY._replace(planner=planner)
    finished = heard((1, Pending()), (2, DONE), (3, LOST), (4, FORBIDDEN), (5, Garbled("unknown_status", b"{}")))
    collected = finished._replace(withdrawn=[Withdrawn(6, NOW)], rows={**finished.rows, 6: a_task(6)})
    candidates = [a_task(seq, NOW - 5_000 * seq, delay_per_request_ms=1, task_class="quick") for seq in range(7, 30)]
    own = Own(floated_at=NOW - FLOATED_EVERY_MS, kept_at=NOW - KEPT_EVERY_MS, spent=9)
    copies = (dict(collected.rows), list(collected.finished), list(collected.withdrawn), list(candidates))

    def again() -> Decision:
        return decide(policy, own, Shared(), collected, candidates, Moment(NOW, NOW, 4, backlog=900))

    first = again()
    assert first.intents.observations
    assert planner.changed() == {}, "nothing is learned before it is stored"
    assert again() == first
    assert (collected.rows, collected.finished, collected.withdrawn, candidates) == copies
