"""Whose trouble is it? What one poll pass decides of refusals, pauses and probes."""

from typing import Any

import pytest

from tests.support.deciding import (
    HOUR,
    MINUTE,
    MISSING,
    NOTHING,
    NOW,
    OWN,
    SUSPECTING,
    a_task,
    claimed,
    decided,
    heard,
    polled,
)
from tests.support.story import FORBIDDEN, LATER, LOST
from worker.core.pacing.breaker import Breaker, PauseReason
from worker.core.pacing.decide import Collected, Withdrawn
from worker.core.pacing.judge import NO_SUSPICION, NO_TASK, Suspicion
from worker.core.pacing.limiter import FULL_PACE_PPM
from worker.core.pacing.shared import Shared
from worker.core.task import DueReason
from worker.core.vendor.reply import Pending


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
    tried = OWN._replace(suspicion=Suspicion(excused=((1, LOST), (3, LOST))))
    again = decided(NOTHING, *map(a_task, (1, 3)), free=4, own=tried, shared=after_the_pause("credentials", code))
    assert claimed(again) == [3], "also where all were tried before"


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
    assert (decision.shared.limiter.spent, decision.shared.schedule.asked) == (1, 1), "it takes a slot like any request"


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
