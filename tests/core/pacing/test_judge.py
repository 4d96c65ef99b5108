"""A refusal, and a row of polls without an answer: is it the task, or is it us?"""

from itertools import product

import pytest

from tests.support.story import (
    FORBIDDEN,
    FORBIDDEN_TOO,
    HTML,
    LATER,
    LOST,
    NO_ANSWER,
    TOKEN_GONE,
    TOKEN_REFUSED,
    USABLE,
    S,
    Story,
    blamed,
    excused,
)
from worker.core.pacing.breaker import Breaker
from worker.core.pacing.judge import MISSES_IN_A_ROW, NO_TASK, Suspicion, Verdict
from worker.core.vendor.reply import Pending, Rejected, Reply, Unknown, Unreachable

# A refusal: the task's fault, or ours?


def test_a_refused_task_is_held_until_another_was_heard() -> None:
    story = Story()
    assert story.hear(1, FORBIDDEN) == []
    assert (story.suspicion.suspect, story.breaker) == ((1, FORBIDDEN), Breaker())


@pytest.mark.parametrize("reply", USABLE, ids=repr)
def test_another_task_is_answered_so_the_refused_one_is_to_blame(reply: Reply) -> None:
    story = Story()
    story.hear(1, FORBIDDEN)
    assert story.hear(2, reply) == [blamed(1, Rejected("http_403")), blamed(2, reply)]
    assert (story.breaker, story.suspicion) == (Breaker(), Suspicion())


def test_two_different_requests_are_refused_so_it_is_the_credentials_and_no_task_is_to_blame() -> None:
    story = Story()
    story.hear(1, FORBIDDEN)
    assert story.hear(2, FORBIDDEN_TOO) == [excused(1, FORBIDDEN), excused(2, FORBIDDEN_TOO)]
    assert story.pause == ("credentials", S.probe(0, slowly=True))
    assert story.breaker.code == "http_401_invalid_product"
    assert story.suspicion == Suspicion(refused=((1, FORBIDDEN), (2, FORBIDDEN_TOO)))


def test_an_answer_that_ends_the_pause_is_held_against_those_refused_in_it() -> None:
    """Two tasks that are refused for ever must not stop all others again and again."""
    story = Story()
    story.hear(1, FORBIDDEN)
    story.hear(2, FORBIDDEN_TOO)
    story.now += S.probe(0, slowly=True)
    assert story.hear(3, FORBIDDEN) == [excused(3, FORBIDDEN)]
    story.now += S.probe(1, slowly=True)
    own = [
        blamed(1, Rejected("http_403")),
        blamed(2, Rejected("http_401_invalid_product")),
        blamed(3, Rejected("http_403")),
    ]
    assert story.hear(4, Pending()) == [*own, blamed(4, Pending())]
    assert (story.breaker.paused, story.suspicion) == (False, Suspicion())


def test_a_task_that_is_answered_after_all_is_not_held_to_have_failed() -> None:
    story = Story()
    story.hear(1, FORBIDDEN)
    story.hear(2, FORBIDDEN)
    story.now += S.probe(0, slowly=True)
    assert story.hear(1, Pending()) == [blamed(2, Rejected("http_403")), blamed(1, Pending())]


def test_a_refused_token_needs_no_second_opinion() -> None:
    story = Story()
    assert story.hear(1, TOKEN_REFUSED) == [excused(1, TOKEN_REFUSED)]
    assert story.pause == ("credentials", S.probe(0, slowly=True))


def test_the_only_task_is_refused_and_the_health_check_is_not() -> None:
    story = Story()
    story.hear(1, FORBIDDEN)
    assert story.hear(NO_TASK, Pending()) == [blamed(1, Rejected("http_403")), blamed(NO_TASK, Pending())]
    assert not story.breaker.paused


@pytest.mark.parametrize("health", [FORBIDDEN, LOST, HTML, Unreachable("http_500"), Unreachable("not_json")], ids=repr)
def test_a_health_check_that_refuses_or_proves_nothing_leaves_the_refusal_standing(health: Reply) -> None:
    story = Story()
    story.hear(1, FORBIDDEN)
    of_the_task, of_nobody = story.hear(NO_TASK, health)
    assert of_the_task == excused(1, FORBIDDEN)
    assert of_nobody[0] == NO_TASK
    assert (story.pause[0], story.breaker.code) == ("credentials", "http_403")


def test_a_health_check_is_no_task_and_never_a_suspect() -> None:
    story = Story()
    assert story.hear(NO_TASK, FORBIDDEN) == [excused(NO_TASK, FORBIDDEN)]
    assert (story.breaker.reason, story.suspicion.suspect) == ("credentials", None)


@pytest.mark.parametrize(
    ("other", "reason"), [(LATER, "rate_limited"), (TOKEN_GONE, "unreachable"), (TOKEN_REFUSED, "credentials")]
)
def test_a_pause_for_another_reason_lets_the_suspect_go(other: Reply, reason: str) -> None:
    story = Story()
    story.hear(1, FORBIDDEN)
    assert story.hear(2, other) == [excused(1, FORBIDDEN), excused(2, other)]
    assert (story.breaker.reason, story.suspicion) == (reason, Suspicion())


def test_an_answer_that_is_none_settles_nothing() -> None:
    story = Story()
    story.hear(1, FORBIDDEN)
    assert story.hear(2, LOST) == [blamed(2, LOST)]
    assert story.suspicion.suspect == (1, FORBIDDEN)
    assert story.hear(3, Pending()) == [blamed(1, Rejected("http_403")), blamed(3, Pending())]


def test_one_refused_task_among_many_never_pauses() -> None:
    story = Story()
    for n in range(2, 50):
        story.hear(1, FORBIDDEN)
        assert story.hear(n, Pending())[0] == blamed(1, Rejected("http_403"))
        story.now += 1000
    assert story.breaker == Breaker()


# Five in a row.


@pytest.mark.parametrize("reply", NO_ANSWER, ids=repr)
def test_five_different_tasks_without_an_answer_are_no_accident(reply: Reply) -> None:
    story = Story()
    for n in range(1, MISSES_IN_A_ROW):
        assert story.hear(n, reply) == [blamed(n, reply)]
        assert not story.breaker.paused
    # Each of the five has really failed once: what pauses is what comes next.
    assert story.hear(MISSES_IN_A_ROW, reply) == [blamed(MISSES_IN_A_ROW, reply)]
    assert story.pause == ("unreachable", S.probe(0))
    assert story.suspicion == Suspicion()


def test_five_is_what_is_written() -> None:
    assert MISSES_IN_A_ROW == 5


def test_one_task_that_fails_for_ever_pauses_nobody() -> None:
    story = Story()
    for _ in range(100):
        assert story.hear(1, LOST) == [blamed(1, LOST)]
    assert not story.breaker.paused


def test_a_usable_answer_in_between_begins_the_count_anew() -> None:
    story = Story()
    for n in range(1, 40):
        story.hear(n, Unknown() if n % MISSES_IN_A_ROW == 0 else LOST)
    assert not story.breaker.paused


def test_the_fifth_lets_a_suspect_go_and_is_itself_blamed_once() -> None:
    story = Story()
    story.hear(9, FORBIDDEN)
    for n in range(1, MISSES_IN_A_ROW):
        story.hear(n, LOST)
    assert story.hear(MISSES_IN_A_ROW, LOST) == [excused(9, FORBIDDEN), blamed(MISSES_IN_A_ROW, LOST)]
    assert (story.breaker.reason, story.suspicion) == ("unreachable", Suspicion())


def test_no_story_loses_a_task_or_judges_it_twice() -> None:
    """However replies follow one another, each is in the end held against its task once, or excused once.

    (What was excused in a pause for credentials may be held against its task when an answer ends it.)
    """
    replies: list[Reply] = [Pending(), FORBIDDEN, LATER, LOST, TOKEN_REFUSED, HTML]
    for order in product(replies, repeat=5):
        story = Story()
        heard: list[int] = []
        for seq, reply in enumerate(order, start=1):
            held = {story.suspicion.suspect[0]} if story.suspicion.suspect else set()
            remembered = {refused[0] for refused in story.suspicion.refused}
            heard += [verdict[0] for verdict in story.hear(seq, reply) if verdict[0] not in remembered]
            story.now += 1000
            assert seq in heard or story.suspicion.suspect is not None
            assert held <= {*heard, *(() if story.suspicion.suspect is None else (story.suspicion.suspect[0],))}
        waiting = [] if story.suspicion.suspect is None else [story.suspicion.suspect[0]]
        assert sorted([*heard, *waiting]) == [1, 2, 3, 4, 5]


def test_a_verdict_is_held_against_the_task_unless_said_otherwise() -> None:
    assert Verdict(1, Pending()) == Verdict(1, Pending(), excused=False)
    assert Breaker()._replace(reason="credentials").paused
