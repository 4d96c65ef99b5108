"""The API as a whole: what pauses it, what ends and what prolongs a pause."""

from itertools import pairwise

import pytest

from tests.support.story import (
    DONE,
    FORBIDDEN,
    HOUR,
    HTML,
    LATER,
    LOST,
    MINUTE,
    NO_ANSWER,
    NOT_NOW,
    T0,
    TOKEN_GONE,
    TOKEN_REFUSED,
    USABLE,
    S,
    Story,
    blamed,
    excused,
)
from worker.core.pacing.breaker import Breaker, pause, resume
from worker.core.pacing.judge import Suspicion, usable
from worker.core.vendor.reply import Pending, RateLimited, Rejected, Reply

BEGINS: dict[str, Reply] = {"rate_limited": NOT_NOW, "credentials": TOKEN_REFUSED, "unreachable": TOKEN_GONE}


def paused(reason: str = "rate_limited") -> Story:
    story = Story()
    story.hear(1, BEGINS[reason])
    assert story.breaker.reason == reason
    story.now += 1000
    return story


# Ordinary days.


@pytest.mark.parametrize("reply", USABLE, ids=repr)
def test_a_usable_answer_is_the_tasks_own_and_clears_every_doubt(reply: Reply) -> None:
    story = Story()
    story.hear(2, LOST)
    assert story.hear(1, reply) == [blamed(1, reply)]
    assert (story.breaker, story.suspicion) == (Breaker(), Suspicion())
    assert usable(reply)


@pytest.mark.parametrize("reply", NO_ANSWER, ids=repr)
def test_a_look_without_an_answer_is_the_tasks_failure_and_is_remembered(reply: Reply) -> None:
    story = Story()
    assert story.hear(1, reply) == [blamed(1, reply)]
    assert (story.breaker, story.suspicion.missed) == (Breaker(), frozenset({1}))
    assert not usable(reply)


# 429.


def test_a_429_pauses_everything_for_as_long_as_was_asked_and_blames_nobody() -> None:
    story = Story()
    assert story.hear(1, LATER) == [excused(1, LATER)]
    assert story.pause == ("rate_limited", 90_000)
    assert (story.breaker.code, story.breaker.paused_at, story.breaker.probes) == ("http_429", T0, 1)


@pytest.mark.parametrize("soon", [NOT_NOW, RateLimited("http_503", 0), RateLimited("http_429", 1_000)], ids=repr)
def test_a_429_without_a_date_or_with_one_that_is_near_pauses_by_backoff(soon: Reply) -> None:
    story = Story()
    story.hear(1, soon)
    assert story.pause == ("rate_limited", S.probe(0))
    story.at_the_probe().hear(2, soon)
    assert story.pause == ("rate_limited", S.probe(1)), "ever more slowly"


def test_a_429_while_others_succeed_pauses_and_their_results_count() -> None:
    """Four went out together: one is told to wait, the answers of the others come in after it."""
    story = Story()
    story.hear(1, LATER, asked=500)
    story.now += 50
    assert story.hear(2, DONE, asked=550) == [blamed(2, DONE)]
    assert story.hear(3, Pending(), asked=550) == [blamed(3, Pending())]
    # They left before the pause: they prove nothing against it.
    assert story.pause == ("rate_limited", 90_000 - 50)
    assert story.hear(4, LATER, asked=550) == [excused(4, LATER)]
    assert (story.breaker.probes, story.breaker.resumes_at) == (1, story.now + 90_000)


def test_late_replies_neither_end_nor_prolong_a_pause() -> None:
    for late in (Pending(), LOST, HTML, FORBIDDEN, TOKEN_REFUSED, TOKEN_GONE, NOT_NOW, RateLimited("http_429", 1000)):
        story = Story()
        story.hear(1, LATER)
        before = story.breaker
        story.now += 5_000
        verdicts = story.hear(2, late, asked=6_000)
        assert story.breaker == before
        assert verdicts == ([blamed(2, late)] if usable(late) else [excused(2, late)])


def test_what_was_asked_in_the_very_millisecond_of_the_pause_is_late_too() -> None:
    story = Story()
    story.hear(1, LATER)
    before = story.breaker
    story.now += 5
    story.hear(2, Pending(), asked=5)
    assert story.breaker == before


def test_a_late_reply_with_a_later_date_prolongs_the_pause_and_an_earlier_does_not_shorten_it() -> None:
    story = Story()
    story.hear(1, LATER)
    story.now += 1_000
    story.hear(2, RateLimited("http_429", 300_000), asked=2_000)
    assert story.pause == ("rate_limited", 300_000)
    story.hear(3, RateLimited("http_429", 5_000), asked=2_000)
    assert story.pause == ("rate_limited", 300_000)


def test_after_the_clock_was_set_back_a_probe_still_ends_the_pause() -> None:
    story = paused()
    story.now = T0 - 10 * HOUR
    assert story.hear(2, Pending())[-1] == blamed(2, Pending())
    assert not story.breaker.paused


# Probes.


@pytest.mark.parametrize("reason", ["rate_limited", "credentials", "unreachable"])
@pytest.mark.parametrize("reply", USABLE, ids=repr)
def test_any_usable_answer_to_a_probe_ends_the_pause(reason: str, reply: Reply) -> None:
    story = paused(reason).at_the_probe(2)
    began = T0
    its_own = [blamed(1, Rejected("http_429"))] if reason == "rate_limited" else []
    assert story.hear(2, reply) == [*its_own, blamed(2, reply)]
    assert story.breaker == Breaker(paused_total=story.now - began)


@pytest.mark.parametrize(
    ("probe", "reason"),
    [
        (NOT_NOW, "rate_limited"),
        (FORBIDDEN, "credentials"),
        (TOKEN_REFUSED, "credentials"),
        (LOST, "unreachable"),
        (HTML, "unreachable"),
        (TOKEN_GONE, "unreachable"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("before", ["rate_limited", "credentials", "unreachable"])
def test_a_probe_that_fails_prolongs_the_pause_for_its_own_reason(probe: Reply, reason: str, before: str) -> None:
    story = paused(before).at_the_probe(2)
    assert story.hear(2, probe) == [excused(2, probe)]
    assert story.pause == (reason, S.probe(1, slowly=reason == "credentials"))
    assert (story.breaker.paused_at, story.breaker.probes, story.breaker.paused_total) == (T0, 2, 0)


@pytest.mark.parametrize(("reason", "longest"), [("unreachable", 300_000), ("credentials", 900_000)])
def test_probes_come_ever_more_slowly_up_to_a_bound(reason: str, longest: int) -> None:
    story = paused(reason)
    waits = []
    for n in range(12):
        story.at_the_probe().hear(n, TOKEN_REFUSED if reason == "credentials" else TOKEN_GONE)
        waits.append(story.pause[1])
    assert waits[-1] == waits[-2] == longest
    assert all(a <= b for a, b in pairwise(waits))


def test_a_resumed_breaker_sums_its_pauses() -> None:
    story = Story()
    spent = 0
    for _ in range(3):
        began = story.now
        story.hear(1, LATER)
        assert story.breaker.paused_until_now(story.now + 500) == spent + 500
        story.at_the_probe().hear(2, NOT_NOW)
        story.at_the_probe().hear(2, DONE)
        spent += story.now - began
        assert story.breaker == Breaker(paused_total=spent)
        assert story.breaker.paused_until_now(story.now + HOUR) == spent
        story.now += MINUTE
    assert spent > 3 * 90_000


def test_a_clock_set_back_never_makes_paused_time_negative() -> None:
    breaker = pause(Breaker(paused_total=5), "rate_limited", "http_429", T0, 1000)
    assert breaker.paused_until_now(T0 - HOUR) == 5
    assert resume(breaker, T0 - HOUR) == Breaker(paused_total=5)
