"""What a submission writes, step by step, without a vendor."""

import pytest

from worker.core.errors import BadData, CredentialsRefused, TryLater
from worker.core.intake.intake import Intake, Lookup, Recording
from worker.core.pacing.breaker import pause
from worker.core.pacing.limiter import FULL_PACE_PPM, RateLimit, grant
from worker.core.schedule.cadence import Schedule
from worker.core.vendor.submission import Wish, json_submission
from worker.core.vendor.submitted import Submitted
from worker.rounds.submit import steps
from worker.rounds.submit.steps import Intent, SubmitRules
from worker.store.db.store import Store
from worker.store.state import api, responses
from worker.store.tasks import submissions

NOW = 1_800_000_000_000
LIMIT = RateLimit(2.0, 2)
RULES = SubmitRules("https://api.example", LIMIT, Schedule())
BODY = b'{"subscriber": {}}'


def intent(correlation_id: str = "c-1", **wish: bool) -> Intent:
    return Intent(json_submission(BODY, "the file", Wish(correlation_id, **wish)), ("A", "B"))  # type: ignore[arg-type]


def recordings(*ids: str) -> Intake:
    return Intake(tuple(Recording(one, "submit", correlation_id="c-1") for one in ids))


def states(store: Store) -> list[tuple[str, str]]:
    return [(row["ref"], row["state"]) for row in store.read("SELECT ref, state FROM lookups ORDER BY seq")]


def test_slots_are_taken_in_turn_and_polls_come_behind_them(store: Store) -> None:
    """By hand: two requests a second and a burst of two. The first two go at once, and each further one half a second
    after the one before."""
    assert [steps.reserve(store, intent(), LIMIT, NOW) for _ in range(5)] == [0, 0, 500, 1000, 1500]
    limiter = api.get(store).limiter
    assert limiter.spent == 5
    assert grant(LIMIT, limiter, NOW + 1500, 1).slots == 0
    assert grant(LIMIT, limiter, NOW + 2000, 1).slots == 1


def test_who_would_wait_long_is_turned_away_and_takes_no_slot(store: Store) -> None:
    slow = RateLimit(0.1, 1)
    assert [steps.reserve(store, intent(), slow, NOW) for _ in range(4)] == [0, 10_000, 20_000, 30_000]
    before = api.get(store)
    with pytest.raises(TryLater, match="the next one may go at 2027-01-15T08:00:40"):
        steps.reserve(store, intent(), slow, NOW)
    assert api.get(store) == before


def test_the_requests_for_a_token_are_charged(store: Store) -> None:
    steps.reserve(store, intent(), LIMIT, NOW)
    steps.begin(store, intent(), LIMIT, 2, NOW)
    assert api.get(store).limiter.spent == 3
    assert states(store) == [("A", "searching"), ("B", "searching")]


def test_a_pause_that_began_meanwhile_stops_it_before_anything_is_sent(store: Store) -> None:
    steps.reserve(store, intent(), LIMIT, NOW)
    with store.write():
        shared = api.get(store)
        api.put(store, shared._replace(breaker=pause(shared.breaker, "credentials", "http_403", NOW, 60_000)))
    with pytest.raises(CredentialsRefused):
        steps.begin(store, intent(), LIMIT, 1, NOW)
    assert states(store) == []


def test_of_two_with_one_id_the_second_does_not_go_out(store: Store) -> None:
    for _ in range(2):
        steps.reserve(store, intent(), LIMIT, NOW)
    steps.begin(store, intent(), LIMIT, 1, NOW)
    with pytest.raises(BadData, match="is awaited, or did not come"):
        steps.begin(store, intent(), LIMIT, 1, NOW)
    steps.withdraw(store, intent())
    assert states(store) == []


def test_a_dry_run_keeps_no_intent(store: Store) -> None:
    dry = intent(discovery=True, dry_run=True)
    steps.begin(store, dry, LIMIT, 1, NOW)
    steps.settle(store, dry, Submitted("answered", dry_run=True), RULES, NOW, NOW)
    assert states(store) == []


def test_what_is_known_is_recorded_and_ends_the_lookup_in_one_transaction(store: Store) -> None:
    steps.begin(store, intent(), LIMIT, 1, NOW)
    done = steps.settle(store, intent(), Submitted("answered", intake=recordings("a", "b")), RULES, NOW, NOW + 5)
    assert done.new == ["a", "b"]
    assert states(store) == []
    refs = store.read("SELECT tasks.id, ref FROM refs JOIN tasks ON tasks.seq = refs.task ORDER BY id, ref")
    assert [tuple(row) for row in refs] == [("a", "A"), ("a", "B"), ("b", "A"), ("b", "B")]


@pytest.mark.parametrize("verdict", [Submitted("unclear", "cut"), Submitted("unclear", "http_503", recordings("a"))])
def test_what_is_not_known_leaves_it(store: Store, verdict: Submitted) -> None:
    steps.begin(store, intent(), LIMIT, 1, NOW)
    done = steps.settle(store, intent(), verdict, RULES, NOW, NOW + 5)
    assert done.new == [one.id for one in verdict.intake.recordings]
    assert [ref for ref, _ in states(store)] == ["A", "B"]
    assert store.read("SELECT due_at FROM lookups WHERE due_at IS NULL") == []


def test_a_lookup_of_another_caller_with_the_same_id_is_not_ended(store: Store) -> None:
    steps.begin(store, intent(), LIMIT, 1, NOW)
    submissions.begin(store, [Lookup("c-1", "C")], NOW)
    steps.settle(store, intent(), Submitted("rejected", "http_400"), RULES, NOW, NOW)
    assert states(store) == [("C", "searching")]


def test_the_pace_follows_refusals(store: Store) -> None:
    steps.settle(store, intent(), Submitted("limited", "http_429"), RULES, NOW, NOW)
    assert api.get(store).limiter.pace == FULL_PACE_PPM // 2
    steps.settle(store, intent(), Submitted("answered"), RULES, NOW + 60_000, NOW + 60_000)
    assert api.get(store).limiter.pace > FULL_PACE_PPM // 2


def test_checks_that_set_off_no_discovery_are_counted(store: Store) -> None:
    for _ in range(2):
        steps.settle(store, intent(), Submitted("answered"), RULES, NOW, NOW)
    assert responses.without_task(store).responses == 2
    steps.settle(store, intent(discovery=True), Submitted("answered"), RULES, NOW, NOW)
    assert responses.without_task(store).responses == 2
    steps.settle(store, intent(), Submitted("answered", intake=recordings("a")), RULES, NOW, NOW)
    assert responses.without_task(store).responses == 0
