"""A time of the week in UTC."""

import pytest

from worker.core.instant import from_iso
from worker.core.weekly import Weekly, read_weekly


@pytest.mark.parametrize(
    ("now", "latest"),
    [
        ("2026-11-29T03:00:00.000Z", "2026-11-29T03:00:00.000Z"),  # a Sunday
        ("2026-11-29T02:59:59.999Z", "2026-11-22T03:00:00.000Z"),
        ("2026-12-05T23:00:00.000Z", "2026-11-29T03:00:00.000Z"),
    ],
)
def test_the_latest_time_that_it_was_so(now: str, latest: str) -> None:
    at = from_iso(now)
    assert at is not None
    assert read_weekly("sun 03:00").latest(at) == from_iso(latest)


def test_what_is_written_is_read() -> None:
    assert read_weekly("Sunday 03:00") == Weekly(6, 180)
    assert str(read_weekly("mon 23:59")) == "Monday 23:59"


@pytest.mark.parametrize("text", ["", "Sunday", "Someday 03:00", "Sunday 24:00", "Sunday 3:00", "03:00"])
def test_what_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="no time of the week"):
        read_weekly(text)
