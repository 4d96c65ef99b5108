"""Whether callbacks arrive, row by row of the table."""

import pytest

from worker.core.callback_lane import MISSING_TASKS, CallbackLane, looked_at

NOW = 1_800_000_000_000
ON = CallbackLane(on_since=NOW - 9, last_at=NOW - 5, last_fresh_at=NOW - 7)
DOWN = ON._replace(down_since=NOW - 3)


@pytest.mark.parametrize(
    ("lane", "missing", "configured", "then"),
    [
        (CallbackLane(), 0, False, CallbackLane()),
        (DOWN, 9, False, ON._replace(on_since=None)),
        (CallbackLane(), 0, True, CallbackLane(on_since=NOW)),
        (ON._replace(on_since=None), 9, True, ON._replace(on_since=NOW)),
        (ON, MISSING_TASKS - 1, True, ON),
        (ON, MISSING_TASKS, True, ON._replace(down_since=NOW)),
        (DOWN, MISSING_TASKS, True, DOWN),
        (DOWN, 0, True, DOWN),
    ],
)
def test_the_table(lane: CallbackLane, missing: int, configured: bool, then: CallbackLane) -> None:
    assert looked_at(lane, missing, NOW, configured=configured) == then
    assert then.waits == (configured and then.down_since is None)


def test_what_ended_before_callbacks_were_last_known_to_arrive_is_not_missing() -> None:
    assert ON.heard_at == NOW - 7
    assert ON._replace(on_since=NOW).heard_at == NOW
    assert CallbackLane().heard_at is None
