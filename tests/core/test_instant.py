import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.instant import about, duration, from_iso, iso, short, words


@given(st.integers(0, 4_000_000_000_000))
def test_iso_round_trip(ms: int) -> None:
    assert from_iso(iso(ms)) == ms


@given(st.integers(0, 10**12))
def test_duration_round_trip(ms: int) -> None:
    assert duration(short(ms)) == ms


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("2024-07-22T16:17:08Z", 1721665028000),
        ("2024-07-22T16:17:08.123456789Z", 1721665028123),
        ("2024-07-22T16:17:08.5", 1721665028500),
        ("2024-07-22T18:17:08+02:00", 1721665028000),
        ("", None),
        (None, None),
        ("2024-13-22T16:17:08Z", None),
        ("yesterday", None),
        (17, None),
    ],
)
def test_the_vendors_instants(text: object, ms: int | None) -> None:
    assert from_iso(text) == ms


@pytest.mark.parametrize(("text", "ms"), [("30s", 30_000), ("1h30m", 5_400_000), ("0.5s", 500), ("14d", 1_209_600_000)])
def test_durations(text: str, ms: int) -> None:
    assert duration(text) == ms


@pytest.mark.parametrize("text", ["", "5", "5 minutes", "m5", "-5s", "5s,", "x5s", "1e3s"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        duration(text)


def test_words() -> None:
    assert [words(n) for n in (0, 850, 12_000, 7_500_000, 273_600_000, -60_000)] == [
        "0 ms",
        "850 ms",
        "12 s",
        "2 h 5 min",
        "3 d 4 h",
        "-1 min",
    ]


def test_about() -> None:
    assert [about(n) for n in (-5, 999, 59_999, 60_000, 3_599_999, 7_500_000, 273_600_000)] == [
        *("0 s", "0 s", "59 s", "1 min", "59 min", "2 h", "3 d")
    ]
