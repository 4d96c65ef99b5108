"""Is it the task, or is it us? The judgement as stories: who is asked, what is heard, who is held to account."""

from itertools import pairwise, product

import pytest

from worker.core.document import Fingerprint
from worker.core.judge import MISSES, NO_TASK, Doubt, Verdict, judge, speaks
from worker.core.lane import Lane, pause, resume
from worker.core.limit import Meter
from worker.core.reply import (
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
from worker.core.schedule import Schedule

T0 = 1_800_000_000_000
S = Schedule()
MINUTE, HOUR = 60_000, 3_600_000

DONE = Concluded("success", b"{}", Fingerprint("a", None))
FORBIDDEN, FORBIDDEN_TOO = Refused("http_403"), Refused("http_401_invalid_product")
TOKEN_REFUSED = Refused("token_http_401", "token")
TOKEN_GONE = Unreachable("token_connect", "token")
LATER, NOT_NOW = RateLimited("http_429", 90_000), RateLimited("http_429")
LOST, HTML = Unreachable("timeout"), Garbled("html")

USABLE: list[Reply] = [DONE, Pending(), Unknown(), Rejected("http_422"), Garbled("wrong_id"), Garbled("unknown_status")]
NO_ANSWER: list[Reply] = [
    LOST,
    HTML,
    Garbled("not_json"),
    Garbled("redirect"),
    Garbled("encoding"),
    Garbled("too_large"),
]


class Story:
    """A lane and what is suspected, as the round keeps them; ``hear`` returns what becomes of the tasks."""

    def __init__(self, lane: Lane | None = None, now: int = T0) -> None:
        self.lane = Lane() if lane is None else lane
        self.doubt = Doubt()
        self.now = now

    def hear(self, seq: int, reply: Reply, *, asked: int | None = None) -> list[tuple[int, Reply, bool]]:
        """``asked``: how many ms ago the request went out (10)."""
        asked_at = self.now - (10 if asked is None else asked)
        judged = judge(self.lane, self.doubt, seq, reply, asked_at, self.now, S)
        self.lane, self.doubt = judged.lane, judged.doubt
        return [(v.seq, v.reply, v.excused) for v in judged.verdicts]

    def at_the_probe(self) -> "Story":
        """Time passes until a probe is due, and its answer is there a little later."""
        assert self.lane.resumes_at is not None
        self.now = self.lane.resumes_at + 100
        return self

    @property
    def pause(self) -> tuple[str | None, int]:
        """Why, and for how long from now."""
        return self.lane.reason, (self.lane.resumes_at or self.now) - self.now


def blamed(seq: int, reply: Reply) -> tuple[int, Reply, bool]:
    return seq, reply, False


def excused(seq: int, reply: Reply) -> tuple[int, Reply, bool]:
    return seq, reply, True


BEGINS: dict[str, Reply] = {"rate_limited": NOT_NOW, "credentials": TOKEN_REFUSED, "unreachable": TOKEN_GONE}


def paused(reason: str = "rate_limited") -> Story:
    story = Story()
    story.hear(1, BEGINS[reason])
    assert story.lane.reason == reason
    story.now += 1000
    return story


# Ordinary days.


@pytest.mark.parametrize("reply", USABLE, ids=repr)
def test_a_usable_answer_is_the_tasks_own_and_clears_every_doubt(reply: Reply) -> None:
    story = Story()
    story.hear(2, LOST)
    assert story.hear(1, reply) == [blamed(1, reply)]
    assert (story.lane, story.doubt) == (Lane(), Doubt())
    assert speaks(reply)


@pytest.mark.parametrize("reply", NO_ANSWER, ids=repr)
def test_a_look_without_an_answer_is_the_tasks_failure_and_is_remembered(reply: Reply) -> None:
    story = Story()
    assert story.hear(1, reply) == [blamed(1, reply)]
    assert (story.lane, story.doubt.missed) == (Lane(), frozenset({1}))
    assert not speaks(reply)


# 429.


def test_a_429_pauses_everything_for_as_long_as_was_asked_and_blames_nobody() -> None:
    story = Story()
    assert story.hear(1, LATER) == [excused(1, LATER)]
    assert story.pause == ("rate_limited", 90_000)
    assert (story.lane.code, story.lane.paused_at, story.lane.probes) == ("http_429", T0, 1)


def test_a_429_without_a_date_pauses_by_backoff_and_a_date_of_now_for_a_moment() -> None:
    story = Story()
    story.hear(1, NOT_NOW)
    assert story.pause == ("rate_limited", S.probe(0))
    story = Story()
    story.hear(1, RateLimited("http_503", 0))
    assert story.pause == ("rate_limited", S.min_interval)


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
    assert (story.lane.probes, story.lane.resumes_at) == (1, story.now + 90_000)


def test_late_replies_neither_end_nor_prolong_a_pause() -> None:
    for late in (Pending(), LOST, HTML, FORBIDDEN, TOKEN_REFUSED, TOKEN_GONE, NOT_NOW, RateLimited("http_429", 1000)):
        story = Story()
        story.hear(1, LATER)
        before = story.lane
        story.now += 5_000
        verdicts = story.hear(2, late, asked=6_000)
        assert story.lane == before
        assert verdicts == ([blamed(2, late)] if speaks(late) else [excused(2, late)])


def test_what_was_asked_in_the_very_millisecond_of_the_pause_is_late_too() -> None:
    story = Story()
    story.hear(1, LATER)
    before = story.lane
    story.now += 5
    story.hear(2, Pending(), asked=5)
    assert story.lane == before


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
    assert story.hear(2, Pending()) == [blamed(2, Pending())]
    assert not story.lane.paused


# Probes.


@pytest.mark.parametrize("reason", ["rate_limited", "credentials", "unreachable"])
@pytest.mark.parametrize("reply", USABLE, ids=repr)
def test_any_usable_answer_to_a_probe_ends_the_pause(reason: str, reply: Reply) -> None:
    story = paused(reason).at_the_probe()
    began = T0
    assert story.hear(2, reply) == [blamed(2, reply)]
    assert story.lane == Lane(paused_total=story.now - began)


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
    story = paused(before).at_the_probe()
    assert story.hear(2, probe) == [excused(2, probe)]
    assert story.pause == (reason, S.probe(1, slowly=reason == "credentials"))
    assert (story.lane.paused_at, story.lane.probes, story.lane.paused_total) == (T0, 2, 0)


@pytest.mark.parametrize(("reason", "longest"), [("unreachable", 300_000), ("credentials", 900_000)])
def test_probes_come_ever_more_slowly_up_to_a_bound(reason: str, longest: int) -> None:
    story = paused(reason)
    waits = []
    for n in range(12):
        story.at_the_probe().hear(n, TOKEN_REFUSED if reason == "credentials" else TOKEN_GONE)
        waits.append(story.pause[1])
    assert waits[-1] == waits[-2] == longest
    assert all(a <= b for a, b in pairwise(waits))


def test_a_resumed_lane_keeps_the_limiter_and_sums_its_pauses() -> None:
    story = Story(Lane(meter=Meter(77)))
    spent = 0
    for _ in range(3):
        began = story.now
        story.hear(1, LATER)
        assert story.lane.paused_until_now(story.now + 500) == spent + 500
        story.at_the_probe().hear(2, NOT_NOW)
        story.at_the_probe().hear(2, DONE)
        spent += story.now - began
        assert story.lane == Lane(paused_total=spent, meter=Meter(77))
        assert story.lane.paused_until_now(story.now + HOUR) == spent
        story.now += MINUTE
    assert spent > 3 * 90_000


def test_a_clock_set_back_never_makes_paused_time_negative() -> None:
    lane = pause(Lane(paused_total=5), "rate_limited", "http_429", T0, 1000)
    assert lane.paused_until_now(T0 - HOUR) == 5
    assert resume(lane, T0 - HOUR) == Lane(paused_total=5)


# A refusal: the task's fault, or ours?


def test_a_refused_task_is_held_until_another_was_heard() -> None:
    story = Story()
    assert story.hear(1, FORBIDDEN) == []
    assert (story.doubt.suspect, story.lane) == ((1, FORBIDDEN), Lane())


@pytest.mark.parametrize("reply", USABLE, ids=repr)
def test_another_task_is_answered_so_the_refused_one_is_to_blame(reply: Reply) -> None:
    story = Story()
    story.hear(1, FORBIDDEN)
    assert story.hear(2, reply) == [blamed(1, Rejected("http_403")), blamed(2, reply)]
    assert (story.lane, story.doubt) == (Lane(), Doubt())


def test_two_different_requests_are_refused_so_it_is_the_credentials_and_no_task_is_to_blame() -> None:
    story = Story()
    story.hear(1, FORBIDDEN)
    assert story.hear(2, FORBIDDEN_TOO) == [excused(1, FORBIDDEN), excused(2, FORBIDDEN_TOO)]
    assert story.pause == ("credentials", S.probe(0, slowly=True))
    assert story.lane.code == "http_401_invalid_product"
    assert story.doubt == Doubt(refused=((1, FORBIDDEN), (2, FORBIDDEN_TOO)))


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
    assert (story.lane.paused, story.doubt) == (False, Doubt())


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
    assert not story.lane.paused


@pytest.mark.parametrize("health", [FORBIDDEN, LOST, HTML, Unreachable("http_500"), Unreachable("not_json")], ids=repr)
def test_a_health_check_that_refuses_or_proves_nothing_leaves_the_refusal_standing(health: Reply) -> None:
    story = Story()
    story.hear(1, FORBIDDEN)
    of_the_task, of_nobody = story.hear(NO_TASK, health)
    assert of_the_task == excused(1, FORBIDDEN)
    assert of_nobody[0] == NO_TASK
    assert (story.pause[0], story.lane.code) == ("credentials", "http_403")


def test_a_health_check_is_no_task_and_never_a_suspect() -> None:
    story = Story()
    assert story.hear(NO_TASK, FORBIDDEN) == [excused(NO_TASK, FORBIDDEN)]
    assert (story.lane.reason, story.doubt.suspect) == ("credentials", None)


@pytest.mark.parametrize(
    ("other", "reason"), [(LATER, "rate_limited"), (TOKEN_GONE, "unreachable"), (TOKEN_REFUSED, "credentials")]
)
def test_a_pause_for_another_reason_lets_the_suspect_go(other: Reply, reason: str) -> None:
    story = Story()
    story.hear(1, FORBIDDEN)
    assert story.hear(2, other) == [excused(1, FORBIDDEN), excused(2, other)]
    assert (story.lane.reason, story.doubt) == (reason, Doubt())


def test_an_answer_that_is_none_settles_nothing() -> None:
    story = Story()
    story.hear(1, FORBIDDEN)
    assert story.hear(2, LOST) == [blamed(2, LOST)]
    assert story.doubt.suspect == (1, FORBIDDEN)
    assert story.hear(3, Pending()) == [blamed(1, Rejected("http_403")), blamed(3, Pending())]


def test_one_refused_task_among_many_never_pauses() -> None:
    story = Story()
    for n in range(2, 50):
        story.hear(1, FORBIDDEN)
        assert story.hear(n, Pending())[0] == blamed(1, Rejected("http_403"))
        story.now += 1000
    assert story.lane == Lane()


# Five in a row.


@pytest.mark.parametrize("reply", NO_ANSWER, ids=repr)
def test_five_different_tasks_without_an_answer_are_no_accident(reply: Reply) -> None:
    story = Story()
    for n in range(1, MISSES):
        assert story.hear(n, reply) == [blamed(n, reply)]
        assert not story.lane.paused
    # Each of the five has really failed once: what pauses is what comes next.
    assert story.hear(MISSES, reply) == [blamed(MISSES, reply)]
    assert story.pause == ("unreachable", S.probe(0))
    assert story.doubt == Doubt()


def test_five_is_what_is_written() -> None:
    assert MISSES == 5


def test_one_task_that_fails_for_ever_pauses_nobody() -> None:
    story = Story()
    for _ in range(100):
        assert story.hear(1, LOST) == [blamed(1, LOST)]
    assert not story.lane.paused


def test_a_usable_answer_in_between_begins_the_count_anew() -> None:
    story = Story()
    for n in range(1, 40):
        story.hear(n, Unknown() if n % MISSES == 0 else LOST)
    assert not story.lane.paused


def test_the_fifth_lets_a_suspect_go_and_is_itself_blamed_once() -> None:
    story = Story()
    story.hear(9, FORBIDDEN)
    for n in range(1, MISSES):
        story.hear(n, LOST)
    assert story.hear(MISSES, LOST) == [excused(9, FORBIDDEN), blamed(MISSES, LOST)]
    assert (story.lane.reason, story.doubt) == ("unreachable", Doubt())


def test_no_story_loses_a_task_or_judges_it_twice() -> None:
    """However replies follow one another, each is in the end held against its task once, or excused once.

    (What was excused in a pause for credentials may be held against its task when an answer ends it.)
    """
    replies: list[Reply] = [Pending(), FORBIDDEN, LATER, LOST, TOKEN_REFUSED, HTML]
    for order in product(replies, repeat=5):
        story = Story()
        heard: list[int] = []
        for seq, reply in enumerate(order, start=1):
            held = {story.doubt.suspect[0]} if story.doubt.suspect else set()
            remembered = {refused[0] for refused in story.doubt.refused}
            heard += [verdict[0] for verdict in story.hear(seq, reply) if verdict[0] not in remembered]
            story.now += 1000
            assert seq in heard or story.doubt.suspect is not None
            assert held <= {*heard, *(() if story.doubt.suspect is None else (story.doubt.suspect[0],))}
        waiting = [] if story.doubt.suspect is None else [story.doubt.suspect[0]]
        assert sorted([*heard, *waiting]) == [1, 2, 3, 4, 5]


def test_a_verdict_is_held_against_the_task_unless_said_otherwise() -> None:
    assert Verdict(1, Pending()) == Verdict(1, Pending(), excused=False)
    assert Lane()._replace(reason="credentials").paused
