"""The dates of a dependent beside those of its subscriber."""

import pytest

from tests.support.x12_reading import RECEIVER, SOURCE, answer, child, holder, said
from tests.support.x12_samples import ACTIVE, Segment

ASKED_2023 = ("472", "D8", "20230601")
PLAN_YEAR: Segment = ("DTP", "291", "RD8", "20250101-20251231")
PLAN_OVER: Segment = ("DTP", "347", "D8", "20251231")


def test_a_dependent_has_the_dates_of_the_subscriber_that_it_has_not_itself() -> None:
    over: Segment = ("DTP", "347", "D8", "20251231")
    asked: Segment = ("DTP", "291", "D8", "20260301")
    found = answer(*SOURCE, *RECEIVER, *holder(over), *child("KID", asked, ACTIVE), whole=True)
    assert (found.coverage, found.ends) == ("inactive", "2025-12-31")


@pytest.mark.parametrize(
    ("above", "own", "told"),
    [
        ([PLAN_OVER], ("346", "D8", "20260101"), ("active", "2026-01-01", "")),
        ([PLAN_OVER], ("356", "D8", "20260101"), ("active", "2026-01-01", "")),
        ([PLAN_YEAR], ("356", "D8", "20260101"), ("active", "2026-01-01", "")),
        ([PLAN_OVER], ("357", "D8", "20261231"), ("active", "", "2026-12-31")),
        ([PLAN_OVER], ("307", "RD8", "20260101-20261231"), ("active", "", "")),
        ([PLAN_OVER], ("346", "D8", "20240101"), ("inactive", "2024-01-01", "2025-12-31")),
        ([("DTP", "346", "D8", "20250101")], ("347", "D8", "20261231"), ("active", "2025-01-01", "2026-12-31")),
    ],
)
def test_a_dependent_s_own_dates_win_over_those_of_the_subscriber(
    above: list[Segment], own: tuple[str, str, str], told: tuple[str, str, str]
) -> None:
    found = answer(*SOURCE, *RECEIVER, *holder(*above), *child("KID", ("DTP", *own), ACTIVE), whole=True)
    assert (found.coverage, found.begins, found.ends) == told


def test_a_begin_after_the_dependent_s_own_end_is_not_its_begin() -> None:
    began, ended, asked = [("DTP", *one) for one in (("346", "D8", "20240101"), ("347", "D8", "20231231"), ASKED_2023)]
    found = answer(*SOURCE, *RECEIVER, *holder(began), *child("KID", asked, ended, ACTIVE), whole=True)
    assert (found.coverage, found.begins, found.ends) == ("active", "", "2023-12-31")


@pytest.mark.parametrize("qualifier", ["291", "307"])
def test_the_day_asked_for_does_not_replace_the_subscriber_s_plan(qualifier: str) -> None:
    asked: Segment = ("DTP", qualifier, "D8", "20260301")
    over, runs = [[("DTP", qualifier, "RD8", text)] for text in ("20240101-20251231", "20200101-20261231")]
    found = answer(*SOURCE, *RECEIVER, *holder(*over), *child("KID", asked, ACTIVE), whole=True)
    assert (found.coverage, found.ends, said(found)) == ("inactive", "2025-12-31", ["not_in_force"])
    found = answer(*SOURCE, *RECEIVER, *holder(*runs), *child("KID", asked, ACTIVE), whole=True)
    assert (found.coverage, said(found)) == ("active", [])
    found = answer(*SOURCE, *RECEIVER, *holder(asked), *child("KID", asked, ACTIVE), whole=True)
    assert [one.qualifier for one in found.dates] == [qualifier]
