"""A refusal, or a row of polls without an answer: is it the task, or is it us?"""

from itertools import product

import pytest

from tests.support.story import (
    FORBIDDEN,
    FORBIDDEN_TOO,
    HTML,
    LATER,
    LOST,
    NO_ANSWER,
    T0,
    TOKEN_GONE,
    TOKEN_REFUSED,
    USABLE,
    S,
    Story,
    blamed,
    excused,
)
from worker.core.pacing.breaker import Breaker
from worker.core.pacing.judge import MISSES_IN_A_ROW, NO_TASK, REMEMBERED_REFUSALS, Suspicion, is_own
from worker.core.task import Task
from worker.core.vendor.reply import PROXY_REFUSED, Garbled, Pending, RateLimited, Rejected, Reply, Unknown, Unreachable


def failed_with(code: str, seq: int = 1) -> Task:
    """A row whose last poll failed so."""
    return Task(seq, f"t{seq}", "pending", T0, T0, due_at=T0, polls=3, failures=2, last_error=code)


# A refusal: the task's fault, or ours?


def test_a_refused_task_is_excused_until_others_were_asked() -> None:
    story = Story()
    assert story.hear(1, FORBIDDEN) == [excused(1, FORBIDDEN)]
    assert (story.suspicion.open, story.suspicion.seqs, story.breaker) == (True, frozenset({1}), Breaker())


@pytest.mark.parametrize("reply", USABLE, ids=repr)
def test_another_task_is_answered_so_the_refused_one_is_to_blame(reply: Reply) -> None:
    story = Story()
    story.hear(1, FORBIDDEN)
    assert story.hear(2, reply) == [blamed(1, Rejected("http_403")), blamed(2, reply)]
    assert (story.breaker, story.suspicion) == (Breaker(), Suspicion())


def test_those_refused_beside_it_prove_nothing_before_another_was_asked() -> None:
    """Four go out at once. That all of them are in trouble of their own is no wonder where many are."""
    story = Story()
    for seq in (1, 2, 3, 4):
        assert story.hear(seq, FORBIDDEN) == [excused(seq, FORBIDDEN)]
    assert not story.breaker.paused
    assert [seq for seq, *_ in story.ask(5).hear(5, Pending())] == [1, 2, 3, 4, 5]


def test_all_probes_are_refused_so_it_is_the_credentials_and_no_task_is_to_blame() -> None:
    story = Story()
    story.hear(1, FORBIDDEN)
    story.ask(2, 3)
    assert story.hear(2, FORBIDDEN_TOO) == [excused(2, FORBIDDEN_TOO)]
    assert not story.breaker.paused, "the other one is still out"
    assert story.hear(3, FORBIDDEN_TOO) == [excused(3, FORBIDDEN_TOO)]
    assert story.pause == ("credentials", S.probe(0, slowly=True))
    assert (story.breaker.code, story.suspicion.seqs) == ("http_403", frozenset({1, 2, 3}))


def test_one_of_the_probes_is_answered_and_the_others_not() -> None:
    for order in ((2, 3), (3, 2)):
        story = Story()
        story.hear(1, FORBIDDEN)
        story.ask(2, 3)
        for seq in order:
            story.hear(seq, Pending() if seq == 2 else FORBIDDEN)
        assert not story.breaker.paused


def test_an_answer_that_ends_the_pause_is_held_against_those_refused_in_it() -> None:
    """Tasks that are refused for ever must not stop all others again and again."""
    story = Story()
    story.hear(1, FORBIDDEN)
    story.ask(2).hear(2, FORBIDDEN_TOO)
    assert story.at_the_probe(3).hear(3, FORBIDDEN) == [excused(3, FORBIDDEN)]
    assert story.pause == ("credentials", S.probe(1, slowly=True))
    own = [
        blamed(1, Rejected("http_403")),
        blamed(2, Rejected("http_401_invalid_product")),
        blamed(3, Rejected("http_403")),
    ]
    assert story.at_the_probe(4).hear(4, Pending()) == [*own, blamed(4, Pending())]
    assert (story.breaker.paused, story.suspicion) == (False, Suspicion())


def test_a_task_that_is_answered_after_all_is_not_held_to_have_failed() -> None:
    story = Story()
    story.hear(1, FORBIDDEN)
    story.ask(2).hear(2, FORBIDDEN)
    assert story.at_the_probe(1).hear(1, Pending()) == [blamed(2, Rejected("http_403")), blamed(1, Pending())]


@pytest.mark.parametrize("reply", [TOKEN_REFUSED, PROXY_REFUSED], ids=repr)
def test_a_refusal_before_the_api_needs_no_second_opinion(reply: Reply) -> None:
    story = Story()
    assert story.hear(1, reply) == [excused(1, reply)]
    assert story.pause == ("credentials", S.probe(0, slowly=True))
    assert (story.breaker.before_the_api, story.suspicion) == (True, Suspicion()), "no task has a part in it"


def test_the_only_task_is_refused_and_the_health_check_is_not() -> None:
    story = Story()
    story.hear(1, FORBIDDEN)
    assert story.ask(NO_TASK).hear(NO_TASK, Pending()) == [blamed(1, Rejected("http_403")), blamed(NO_TASK, Pending())]
    assert not story.breaker.paused


@pytest.mark.parametrize("health", [FORBIDDEN, LOST, HTML, Unreachable("http_500"), Unreachable("not_json")], ids=repr)
def test_a_health_check_that_refuses_or_proves_nothing_leaves_the_refusal_standing(health: Reply) -> None:
    story = Story()
    story.hear(1, FORBIDDEN)
    ((seq, *_),) = story.ask(NO_TASK).hear(NO_TASK, health)
    assert seq == NO_TASK
    assert (story.pause[0], story.breaker.code) == ("credentials", "http_403")


@pytest.mark.parametrize("begins", [LATER, LOST], ids=repr)
def test_a_refused_health_check_shows_that_the_api_answers_and_never_pauses_it(begins: Reply) -> None:
    """The credential may lack the right to ask for it."""
    story = Story()
    assert story.hear(NO_TASK, FORBIDDEN) == [blamed(NO_TASK, FORBIDDEN)]
    assert story.breaker == Breaker()
    for seq in range(1, MISSES_IN_A_ROW + 1):
        story.hear(seq, begins)
    if story.breaker.paused:
        story.at_the_probe(NO_TASK)
    story.ask(NO_TASK).hear(NO_TASK, FORBIDDEN)
    assert (story.breaker.paused, story.suspicion.open) == (False, False)


@pytest.mark.parametrize(
    ("other", "reason"), [(LATER, "rate_limited"), (TOKEN_GONE, "unreachable"), (TOKEN_REFUSED, "credentials")]
)
def test_a_pause_for_another_reason_begins_at_once(other: Reply, reason: str) -> None:
    story = Story()
    story.hear(1, FORBIDDEN)
    assert story.hear(2, other) == [excused(2, other)]
    assert story.breaker.reason == reason


def test_an_answer_that_is_none_settles_nothing() -> None:
    story = Story()
    story.hear(1, FORBIDDEN)
    assert story.hear(2, LOST) == [blamed(2, LOST)]
    assert story.suspicion.open
    assert story.hear(3, Pending()) == [blamed(1, Rejected("http_403")), blamed(3, Pending())]


# What is known to be the task's own.


@pytest.mark.parametrize(
    ("code", "reply", "own"),
    [
        ("http_403", FORBIDDEN, Rejected("http_403")),
        ("http_429", LATER, Rejected("http_429", 90_000)),
        ("timeout", LOST, LOST),
        ("html", HTML, HTML),
    ],
)
def test_what_a_task_has_failed_with_before_rests_only_itself(code: str, reply: Reply, own: Reply) -> None:
    story = Story()
    for _ in range(100):
        assert story.hear(1, reply, row=failed_with(code)) == [blamed(1, own)]
    assert (story.breaker, story.suspicion) == (Breaker(), Suspicion())


def test_another_trouble_than_before_may_be_about_us() -> None:
    story = Story()
    assert story.hear(1, LATER, row=failed_with("http_403")) == [excused(1, LATER)]
    assert story.breaker.paused
    assert not is_own(failed_with("token_http_401"), TOKEN_REFUSED), "the token is nothing of the task's"


def test_one_task_that_answers_429_costs_the_others_one_rest() -> None:
    story = Story()
    story.hear(7, LATER)
    assert story.pause == ("rate_limited", 90_000)
    assert story.at_the_probe(3).hear(3, Pending()) == [blamed(7, Rejected("http_429", 90_000)), blamed(3, Pending())]
    assert story.hear(7, LATER, row=failed_with("http_429", 7)) == [blamed(7, Rejected("http_429", 90_000))]
    assert not story.breaker.paused


def test_as_many_refusals_are_remembered_as_is_written() -> None:
    story = Story()
    for seq in range(1, REMEMBERED_REFUSALS + 9):
        story.hear(seq, FORBIDDEN)
    assert len(story.suspicion.excused) == REMEMBERED_REFUSALS
    assert 1 not in story.suspicion.seqs


# Five in a row.


def missed(reply: Reply) -> Story:
    """Five tasks without an answer."""
    story = Story()
    for n in range(1, MISSES_IN_A_ROW + 1):
        assert not story.suspicion.open
        # Each of the five has really failed once: what may pause is what comes next.
        assert story.hear(n, reply) == [blamed(n, reply)]
    assert (story.suspicion.open, story.breaker) == (True, Breaker())
    return story


@pytest.mark.parametrize("reply", NO_ANSWER, ids=repr)
def test_five_different_tasks_without_an_answer_are_no_accident_where_the_probes_get_none(reply: Reply) -> None:
    story = missed(reply).ask(9, NO_TASK)
    story.hear(9, reply)
    assert not story.breaker.paused
    story.hear(NO_TASK, LOST)
    assert story.pause == ("unreachable", S.probe(0))


@pytest.mark.parametrize("probe", [9, NO_TASK])
def test_one_answer_shows_that_they_were_in_trouble_of_their_own(probe: int) -> None:
    story = missed(Unreachable("http_500")).ask(9, NO_TASK)
    assert story.hear(probe, Pending()) == [blamed(probe, Pending())]
    assert (story.breaker, story.suspicion.open) == (Breaker(), False)
    story.hear(9 if probe == NO_TASK else NO_TASK, LOST)
    assert not story.breaker.paused, "the other probe comes too late"


def test_five_is_what_is_written() -> None:
    assert MISSES_IN_A_ROW == 5


def test_one_task_that_fails_for_ever_pauses_nobody() -> None:
    story = Story()
    for _ in range(100):
        assert story.hear(1, LOST) == [blamed(1, LOST)]
    assert not story.breaker.paused


def test_a_damaged_id_proves_nothing_of_the_api() -> None:
    """Nothing was asked, so no pause ends, and no refusal is held against its task."""
    story = Story()
    story.hear(1, FORBIDDEN)
    story.ask(2).hear(2, Garbled("damaged_id"))
    assert 1 in story.suspicion.seqs


def test_a_usable_answer_in_between_begins_the_count_anew() -> None:
    story = Story()
    for n in range(1, 40):
        story.hear(n, Unknown() if n % MISSES_IN_A_ROW == 0 else LOST)
    assert not story.suspicion.open


def test_an_outage_is_held_against_no_task_that_was_asked_in_it() -> None:
    story = missed(LOST).ask(9)
    story.hear(9, LOST)
    assert story.at_the_probe(10).hear(10, LOST) == [excused(10, LOST)]
    assert story.at_the_probe(11).hear(11, Pending()) == [blamed(11, Pending())]


def test_a_probe_out_of_turn_does_not_prolong_the_pause() -> None:
    story = Story()
    story.hear(1, FORBIDDEN)
    story.ask(2).hear(2, FORBIDDEN)
    before = story.breaker
    story.now += 10_000
    assert story.ask(3).hear(3, FORBIDDEN) == [excused(3, FORBIDDEN)]
    assert story.breaker == before
    story.ask(4).hear(4, Pending())
    assert not story.breaker.paused


def test_no_story_loses_a_task() -> None:
    """However replies follow one another, each is held against its task, or it is excused, when it is heard."""
    replies: list[Reply] = [Pending(), FORBIDDEN, LATER, LOST, TOKEN_REFUSED, HTML, Garbled("wrong_id")]
    for order in product(replies, repeat=5):
        story = Story()
        for seq, reply in enumerate(order, start=1):
            if story.suspicion.open or story.breaker.paused:
                story.ask(seq)
            held = story.suspicion.seqs
            heard = [verdict[0] for verdict in story.hear(seq, reply)]
            assert heard[-1] == seq
            assert set(heard[:-1]) <= held
            assert len(heard) == len(set(heard))
            assert isinstance(reply, RateLimited) <= story.breaker.paused
            story.now += 1000
