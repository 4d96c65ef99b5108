"""When tasks end, and that it depends on the seed and nothing else."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox import examples
from sandbox.inquiry import Inquiry
from sandbox.steering import ENDS, KINDS, PACES, WORDS, UnknownWord, course, help_text
from sandbox.times import DEFAULT, Times, parse
from sandbox.times import help_text as times_help
from sandbox.timetable import ALREADY, CACHED, TASKS, UNFIT, Path, Tempo, plan
from tests.support.sandbox_client import DAY, HOUR, MINUTE, SECOND, START, Rig


def planned(
    words: str = "", setup: str = "serial", seed: int = 1, speed: float = 1.0, times: Times = DEFAULT
) -> tuple[Path, ...]:
    chance = random.Random(seed)
    way = course(Inquiry(member_id=f"SBX-{words}" if words else "M1"), chance)
    return plan(setup, way, START, Tempo(speed, times), chance, lambda _family, _at: False)


def length(paths: tuple[Path, ...]) -> int | None:
    ends = [path.end for path in paths]
    return None if None in ends else max(end for end in ends if end is not None) - START


SPANS = {
    "Medicare": (2 * SECOND, 30 * SECOND),
    "Commercial": (2 * SECOND, 30 * SECOND),
    "Medicaid": (2 * SECOND, 30 * SECOND),
    "HMO": (2 * SECOND, 30 * SECOND),
    "SearchOptions": (2 * SECOND, 30 * SECOND),
    "RTCOB": (MINUTE, 30 * MINUTE),
    "CoverageInsight": (HOUR, 3 * DAY),
}


def taken(times: Times) -> dict[str, list[int]]:
    """How long the paths of each family took."""
    seen: dict[str, list[int]] = {}
    for seed in range(400):
        for setup in TASKS:
            for path in planned(setup=setup, seed=seed, times=times):
                if not path.reason and path.end is not None:
                    seen.setdefault(path.family, []).append(path.end - path.begin)
    return seen


def test_each_family_takes_its_time() -> None:
    seen = taken(DEFAULT)
    assert set(seen) == set(SPANS)
    for name, (low, high) in SPANS.items():
        assert low <= min(seen[name]) < 2 * low
        assert high / 2 < max(seen[name]) <= high
        # even on a logarithmic scale: half of them lie below the geometric mean
        assert 0.35 < sum(took < (low * high) ** 0.5 for took in seen[name]) / len(seen[name]) < 0.65


def test_each_family_takes_the_time_that_was_written_for_it() -> None:
    times = parse("quick=1m-2m, rtcob=5s ,Commercial=3s-4s,CoverageInsight=10d-31d")
    assert dict(times) == {
        "Medicare": (MINUTE, 2 * MINUTE),
        "Commercial": (3 * SECOND, 4 * SECOND),
        "Medicaid": (MINUTE, 2 * MINUTE),
        "HMO": (MINUTE, 2 * MINUTE),
        "SearchOptions": (MINUTE, 2 * MINUTE),
        "RTCOB": (5 * SECOND, 5 * SECOND),
        "CoverageInsight": (10 * DAY, 31 * DAY),
    }
    for name, seen in taken(times).items():
        low, high = times[name]
        assert low <= min(seen) <= max(seen) <= high
    assert dict(parse("")) == dict(parse(" , ")) == dict(DEFAULT)
    # a word of the member id comes first
    assert length(planned("NOW", times=times)) == 0
    assert (length(planned("HOURS", times=parse("CoverageInsight=10d"))) or 0) <= 23 * HOUR


def test_all_mistakes_in_the_times_are_told_at_once() -> None:
    with pytest.raises(ValueError) as caught:
        parse("rtcbo=1s,HMO=5m-1m,Medicaid=0s-1s,Medicare,quick=soon,RTCOB=1s-" + "9" * 400 + "d,zzz=1s")
    assert [line.split(": ")[:2] for line in str(caught.value).splitlines()] == [
        ["rtcbo=1s", "there is no family 'rtcbo'; did you mean RTCOB?"],
        ["HMO=5m-1m", "'5m-1m' ends before it begins"],
        ["Medicaid=0s-1s", "a path takes at least a millisecond"],
        ["Medicare", "'' is not a duration"],
        ["quick=soon", "'soon' is not a duration"],
        ["RTCOB=1s-" + "9" * 400 + "d", "that is too long"],
        ["zzz=1s", "there is no family 'zzz'; see `help`"],
    ]


def test_the_help_on_times_names_every_family_and_the_default() -> None:
    for name in DEFAULT:
        assert name in times_help()
    assert dict(parse(times_help().partition("default  ")[2].split()[0])) == dict(DEFAULT)


def test_a_sandbox_with_other_times() -> None:
    with Rig(times=parse("quick=1h-2h"), speed=60) as rig:
        rig.task("SECONDS")
        (task,) = rig.sandbox.tasks
        ran = [path for path in task.paths if path.status]
        assert ran
        assert all(path.end is not None and MINUTE <= path.end - START <= 2 * MINUTE for path in ran)


@pytest.mark.parametrize(
    ("pace", "low", "high"),
    [
        ("NOW", 0, 0),
        ("SECONDS", 2 * SECOND, 90 * SECOND),
        ("MINUTES", 2 * MINUTE, 32 * MINUTE),
        ("HOURS", HOUR, 24 * HOUR),
        ("DAYS", DAY, 3 * DAY + HOUR),
    ],
)
@pytest.mark.parametrize("end", ["", "-NOTHING", "-FOUND", "-UNSEARCHED"])
@pytest.mark.parametrize("setup", list(TASKS))
def test_the_pace_that_was_asked_for(setup: str, end: str, pace: str, low: int, high: int) -> None:
    for seed in range(30):
        took = length(planned(pace + end, setup, seed))
        assert took is not None
        assert low <= took <= high


@pytest.mark.parametrize("setup", list(TASKS))
def test_a_task_that_never_ends(setup: str) -> None:
    assert all(length(planned("NEVER", setup, seed)) is None for seed in range(60))


@pytest.mark.parametrize("setup", list(TASKS))
def test_the_speed_divides_every_span(setup: str) -> None:
    for seed in range(30):
        for slow, fast in zip(planned("", setup, seed), planned("", setup, seed, speed=100), strict=True):
            assert slow.end is not None
            assert fast.end is not None
            assert abs((fast.end - START) * 100 - (slow.end - START)) <= 300
            assert (slow.status, slow.reason, slow.id) == (fast.status, fast.reason, fast.id)


def test_serial_paths_run_side_by_side() -> None:
    assert all(path.begin == START for seed in range(50) for path in planned(seed=seed))


def test_chained_paths_wait_for_each_other() -> None:
    skipped = 0
    for seed in range(100):
        at, found = START, False
        for path in planned(setup="chained", seed=seed):
            if path.reason == UNFIT:
                continue
            assert path.begin == at
            assert (path.reason == ALREADY) == found
            skipped += found
            at = path.end or 0
            found = found or path.status == "eligible"
    assert skipped


@given(st.sampled_from(["", *PACES]), st.sampled_from(["", *ENDS]), st.sampled_from(sorted(TASKS)), st.integers(0, 99))
def test_a_task_ends_as_was_asked_for(pace: str, end: str, setup: str, seed: int) -> None:
    paths = planned(f"{pace}-{end}-1", setup, seed)
    statuses = {path.status for path in paths if not path.reason}
    if end == "FOUND" and pace != "NEVER":
        assert "eligible" in statuses
    elif end == "NOTHING":
        assert statuses <= {"ineligible", "patient_unknown"}
        assert statuses
    elif end == "UNSEARCHED":
        assert statuses <= {"processing_error", "payer_unavailable"}
        assert statuses
    elif end == "SKIPPED":
        assert not statuses


def test_the_words_are_all_understood_in_any_order_and_case() -> None:
    for word in WORDS:
        assert course(Inquiry(member_id=f"sbx-{word.lower()}-A1"), random.Random(1))
    way = course(Inquiry(member_id="SBX-42-NOTHING-minutes-TWO-X7-Chained"), random.Random(1))
    assert (way.tasks, way.kind, way.pace, way.end) == (2, KINDS["CHAINED"], "MINUTES", "NOTHING")
    with pytest.raises(UnknownWord, match="did you mean MINUTES"):
        course(Inquiry(member_id="SBX-MINUTE"), random.Random(1))


def test_the_help_names_every_word_once() -> None:
    lines = help_text().splitlines()
    assert [line.split()[0] for line in lines if line.split() and line.split()[0] in WORDS] == list(WORDS)
    assert not any("`" in line for line in lines)


def test_unsteered_answers_are_mixed() -> None:
    ways = [course(Inquiry(member_id=f"M{n}"), random.Random(n)) for n in range(500)]
    assert {way.tasks for way in ways} == {0, 1, 2}
    assert len({way.answer for way in ways}) == 6
    assert 0.5 < sum(way.tasks > 0 for way in ways) / 500 < 0.9


def everything(seed: int, order: list[int]) -> dict[int, Any]:
    """What happens to each of several patients, submitted in some order."""
    found: dict[int, Any] = {}
    with Rig(seed=seed) as rig:
        for n in order:
            before = len(rig.sandbox.tasks)
            answer = rig.call("POST", "", examples.real_time_request(n)).json()
            tasks = rig.sandbox.tasks[before:]
            bodies = [[task.body(START + at, "") for task in tasks] for at in (0, 20 * SECOND, HOUR, 5 * DAY)]
            found[n] = (answer, bodies)
    return found


def test_the_same_seed_does_the_same_in_any_order() -> None:
    forth, back = everything(1, list(range(12))), everything(1, list(range(11, -1, -1)))
    assert forth == back
    assert forth != everything(2, list(range(12)))
    assert any(bodies[0] for _, bodies in forth.values())


def test_what_shall_be_found_is_found_whatever_the_request_cache_holds() -> None:
    with Rig() as rig:
        rig.task("TWO-MINUTES-FOUND")
        assert [task.status_at(START + DAY) for task in rig.sandbox.tasks] == ["success", "success"]


def test_the_request_cache_of_72_hours() -> None:
    def reasons(rig: Rig) -> dict[str, str]:
        rig.token = ""
        rig.task("MINUTES-NOTHING")
        return {path.name: path.reason for path in rig.sandbox.tasks[-1].paths}

    with Rig(speed=3) as rig:
        assert reasons(rig)["RTCOB"] == ""
        assert reasons(rig)["RTCOB"] == CACHED
        assert reasons(rig)["Medicare"] == ""
        body = rig.body(rig.sandbox.tasks[-1].id)
        assert CACHED in {path["reason"] for path in body["discoveryPaths"]["skipped"]}
        rig.clock.at = START + 24 * HOUR - 1
        assert reasons(rig)["RTCOB"] == CACHED
        rig.clock.at = START + 24 * HOUR
        assert reasons(rig)["RTCOB"] == ""
        assert reasons(rig)["RTCOB"] == CACHED


def test_another_patient_is_not_in_the_cache() -> None:
    with Rig() as rig:
        for n in (1, 2):
            rig.task("MINUTES-NOTHING", n)
        assert CACHED not in {path.reason for task in rig.sandbox.tasks for path in task.paths}
