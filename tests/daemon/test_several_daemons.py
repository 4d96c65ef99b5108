"""Two daemons of one database: each says that it lives, what only one can know stays its own, the rest is told once.

Each test runs on a file that two share, which shows the statements, and on a PostgreSQL server.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.loop_by_hand import ByHand
from tests.support.several import Daemons, several, told
from tests.support.troubles import FAR, quiet_house
from worker.core.errors import TryLater
from worker.core.exit_code import ExitCode
from worker.core.intake.intake import Recording
from worker.core.schedule.cadence import Schedule
from worker.core.standing import QUIET_MS
from worker.daemon.loop import OWN_NOTICES
from worker.daemon.problem_watch import EVERY_MS, LEASE_MS
from worker.gateways.machine import Disk
from worker.rounds import machine
from worker.store.db.store import Store
from worker.store.state import api, callback_lane, daemon, leases, notices, standing
from worker.store.state.beat_file import Beat
from worker.store.tasks.recording import record
from worker.store.views import status as view
from worker.store.views.facts import facts
from worker.store.views.verdicts import Installation, verdicts

DAY_MS = 86_400_000
HERE = Installation(api=True, daemon=True)


@pytest.fixture(autouse=True)
def _room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "disk_of", lambda _: Disk(10**12, False))


@pytest.fixture(params=["file", "server"])
def daemons(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Daemons]:
    place = request.getfixturevalue("place") if request.param == "server" else None
    with several(quiet_house(tmp_path), place) as found:
        yield found


@pytest.fixture
def both(daemons: Daemons) -> tuple[ByHand, ByHand]:
    """`a`, which sees to what they share, and `b`."""
    return daemons.start("a"), daemons.start("b")


def run(store: Store, sql: str, **params: object) -> None:
    with store.write():
        store.execute(sql, params)


def abandon_one(store: Store, now: int) -> None:
    """A problem that the shared rows show."""
    record(store, [Recording("gone", "id")], (), origin="", now=now, schedule=Schedule())
    run(store, "UPDATE tasks SET state = 'abandoned', due_at = NULL WHERE id = 'gone'")


# --- each says that it lives


def test_status_names_all(daemons: Daemons, both: tuple[ByHand, ByHand]) -> None:
    a, b = both
    daemons.turn(b, ms=20_000)
    picture = daemons.picture(b.store)
    assert [(one["name"], one["alive"], one["beat_age_s"]) for one in picture["daemons"]] == [
        ("a", True, 20),
        ("b", True, 0),
    ]
    assert (picture["daemon"]["name"], picture["daemon"]["alive"], picture["problems"]) == ("b", True, [])
    lines = [said for name, said in facts(picture, "", HERE, daemons.clock.now()) if name == "daemon"]
    assert [line.partition(":")[0].split()[0] for line in lines] == ["a", "b"]
    assert view.one_line(b.store, daemons.clock.now(), None).endswith("; daemons: a, b; no problems")
    a.loop._leave()
    assert "daemons: a stopped, b" in view.one_line(b.store, daemons.clock.now(), None)


def test_one_that_dies_beside_another_is_a_warning_and_no_daemon_down(
    daemons: Daemons, both: tuple[ByHand, ByHand]
) -> None:
    a, b = both
    while (beat := daemon.own(a.store)) and daemons.clock.now() - beat.beat.beat_at < Beat.STALE_MS:
        assert daemons.codes(b.store) == []
        daemons.turn(b)
    assert daemons.codes(b.store) == [("daemon_silent", None)]
    (problem,) = daemons.picture(b.store)["problems"]
    assert (problem["severity"], problem["count"]) == ("warning", 1)
    assert problem["hint"].startswith("a on ")
    assert [one["problem"] for one in daemons.picture(b.store)["daemons"]] == ["daemon_silent", None]
    assert verdicts(daemons.picture(b.store), HERE, daemons.clock.now())["work"].level == "good"
    daemons.turn(a, b)
    assert daemons.codes(b.store) == []
    daemons.turn(ms=Beat.STALE_MS)
    assert "daemon_down" in {code for code, _ in daemons.codes(daemons.opened("c"))}


def test_on_a_host_whose_daemon_is_dead_work_goes_on_elsewhere(daemons: Daemons, both: tuple[ByHand, ByHand]) -> None:
    a, b = both
    daemons.turn(b, ms=2 * Beat.STALE_MS)
    picture = daemons.picture(a.store)
    assert picture["daemon"]["alive"] is False
    told_there = verdicts(picture, HERE, daemons.clock.now())
    assert (told_there["work"].level, told_there["picture"].state) == ("good", "fresh")
    assert "daemon_down" not in {code for code, _ in daemons.codes(a.store)}


def test_one_that_is_gone_or_was_stopped_is_forgotten_after_a_week(
    daemons: Daemons, both: tuple[ByHand, ByHand]
) -> None:
    a, b = both
    c = daemons.start("c")
    c.loop._leave()
    run(a.store, "INSERT INTO spool (daemon, bad) VALUES ('a', 1)")
    with a.store.write():
        notices.put(a.store, "internal_fault", "what: cure", 1, own=True)
    daemons.turn(b, ms=7 * DAY_MS - EVERY_MS)
    assert [one.name for one in daemon.listed(b.store)] == ["a", "b", "c"]
    daemons.turn(b, ms=2 * EVERY_MS)
    assert [one.name for one in daemon.listed(b.store)] == ["b"]
    assert b.store.read("SELECT daemon FROM spool WHERE daemon = 'a'") == []
    assert notices.told(b.store) == []


def test_versions_side_by_side_are_told(
    daemons: Daemons, both: tuple[ByHand, ByHand], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, b = both
    run(b.store, "UPDATE daemons SET version = '9.9' WHERE name = 'a'")
    (problem,) = daemons.picture(b.store)["problems"]
    assert problem["code"] == "daemon_versions"
    assert "a 9.9" in problem["hint"]


# --- one name twice


@pytest.mark.parametrize(
    ("host", "exists", "refused"), [("h2", True, True), ("h2", False, True), ("h1", True, True), ("h1", False, False)]
)
def test_a_second_one_of_a_name_is_refused_while_the_first_one_lives(
    daemons: Daemons, monkeypatch: pytest.MonkeyPatch, host: str, *, exists: bool, refused: bool
) -> None:
    monkeypatch.setattr(daemon, "this_host", lambda: "h1")
    store = daemons.opened("a")
    store.shared = True
    now = daemons.clock.now()
    with store.write():
        daemon.beat(store, pid=1, version="1", started_at=now, now=now, token_expires_at=None)
        store.execute("UPDATE daemons SET host = :host", {"host": host})
    if not refused:
        daemon.refuse_second(store, now, exists)
        return
    with pytest.raises(TryLater) as caught:
        daemon.refuse_second(store, now, exists)
    assert caught.value.exit_code == ExitCode.TRY_LATER
    assert "[store] daemon" in caught.value.hint
    assert ("h2" if host == "h2" else "process 1 of this host") in caught.value.message
    daemon.refuse_second(store, now + Beat.STALE_MS, exists)
    run(store, "UPDATE daemons SET stopped_at = beat_at")
    daemon.refuse_second(store, now, exists)


def test_two_processes_under_one_name_say_so(daemons: Daemons) -> None:
    first = daemons.start("a")
    daemons.turn(first)
    second = daemons.start("a")
    daemons.turn(first)
    assert ("daemon_name_taken", "a") in daemons.codes(first.store)
    second.loop._leave()
    for _ in range(6):
        daemons.turn(first)
    assert daemons.codes(first.store) == []


def test_a_new_run_of_a_daemon_is_no_second_one(daemons: Daemons) -> None:
    daemons.start("a")  # and it is killed
    daemons.clock.advance(1_000)
    again = daemons.start("a")
    daemons.turn(again)
    assert daemons.codes(again.store) == []


# --- problems


def test_a_shared_problem_is_told_by_one_and_the_other_goes_on_when_that_dies(
    daemons: Daemons, both: tuple[ByHand, ByHand]
) -> None:
    a, b = both
    abandon_one(a.store, daemons.clock.now())
    daemons.turn(b, a)
    assert (told(a), told(b)) == ([("problem begins", "abandoned")], [])
    assert list(standing.standing(b.store)) == [("abandoned", "")]
    daemons.turn(b, ms=LEASE_MS)
    daemons.turn(b)
    assert told(b) == []
    run(b.store, "DELETE FROM tasks WHERE id = 'gone'")
    daemons.turn(a, b)
    daemons.turn(b, a, ms=QUIET_MS)
    assert (told(a), told(b)) == ([], [("problem is over", "abandoned")])


def test_one_that_stops_hands_them_on_at_once(daemons: Daemons, both: tuple[ByHand, ByHand]) -> None:
    a, b = both
    a.loop._leave()
    abandon_one(b.store, daemons.clock.now())
    daemons.turn(b)
    assert told(b) == [("problem begins", "abandoned")]


def test_what_only_one_can_know_is_told_by_that_one(
    daemons: Daemons, both: tuple[ByHand, ByHand], monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = both
    with monkeypatch.context() as patch:
        patch.setattr(machine, "disk_of", lambda folder: Disk(10**7, False))
        daemons.turn(b)
    daemons.turn(a)
    assert (told(a), told(b)) == ([], [("problem begins", "disk_low")])
    (problem,) = daemons.picture(a.store)["problems"]
    assert (problem["code"], problem["daemon"]) == ("disk_low", "b")
    assert problem["hint"].startswith("on b: less than 64 MiB are free")
    with a.store.write():
        standing.acknowledge(a.store, ("disk_low", "b"), 1, "ann", daemons.clock.now())
    assert daemons.codes(a.store) == []
    daemons.turn(a, b)
    daemons.turn(a, b, ms=QUIET_MS)
    assert (told(a), told(b)) == ([], [("problem is over", "disk_low")])


@pytest.mark.parametrize("code", OWN_NOTICES)
def test_a_start_withdraws_its_own_notices_and_no_others(daemons: Daemons, code: str) -> None:
    a = daemons.start("a")
    a.loop._notices.put(code, "what: cure")
    daemons.turn(a)
    b = daemons.start("b")
    assert [(one.daemon, one.code) for one in notices.told(b.store)] == [("a", code)]
    b.loop._notices.put(code, "what: cure")
    daemons.turn(b)
    assert {(one.daemon, one.code) for one in notices.told(b.store)} == {("a", code), ("b", code)}
    daemons.start("a")
    assert [(one.daemon, one.code) for one in notices.told(b.store)] == [("b", code)]


# --- a start beside one that lives


def test_a_start_takes_no_leased_task_and_forgets_nothing(daemons: Daemons) -> None:
    a = daemons.start("a")
    now = daemons.clock.now()
    record(a.store, [Recording("polled", "id")], (), origin="", now=now, schedule=Schedule())
    run(a.store, "UPDATE tasks SET due_at = :now, leased_until = :until", now=now, until=now + 60_000)
    run(a.store, "UPDATE api SET first_wait_ms = 12345")
    b = daemons.start("b")  # it has no [api]
    assert api.get(a.store).schedule.first_wait_ms == 12345
    (row,) = a.store.read("SELECT due_at, leased_until FROM tasks WHERE id = 'polled'")
    assert (row["due_at"], row["leased_until"]) == (now, now + 60_000)
    daemons.turn(b, ms=2 * Beat.STALE_MS)
    with b.store.write():
        b.loop._keep_learned()
    assert api.get(a.store).schedule.first_wait_ms is None, "none lives that could keep it"


def test_a_start_lets_a_pause_be_probed_and_keeps_the_count_of_probes(daemons: Daemons) -> None:
    a = daemons.start("a")
    now = daemons.clock.now()
    pause = "UPDATE api SET reason = 'credentials', code = 'x', paused_at = :now, resumes_at = :later, probes = 5"
    run(a.store, pause, now=now, later=now + DAY_MS)
    b = daemons.opened("b")
    daemons.start("b")
    breaker = api.get(b).breaker
    assert (breaker.reason, breaker.probes) == ("credentials", 5)


def test_whether_tasks_wait_for_callbacks_is_decided_by_one(daemons: Daemons, both: tuple[ByHand, ByHand]) -> None:
    a, b = both
    run(a.store, "UPDATE callback_lane SET on_since = 1")  # as by one that has [callback]; these have none
    daemons.turn(b)
    assert callback_lane.get(b.store).on_since == 1
    daemons.turn(a)
    assert callback_lane.get(b.store).on_since is None


# --- the clock


def due(store: Store) -> int:
    (row,) = store.read("SELECT due_at FROM tasks WHERE id = 't'")
    return int(row["due_at"])


@pytest.fixture
def waiting(daemons: Daemons, both: tuple[ByHand, ByHand]) -> tuple[ByHand, ByHand]:
    a, b = both
    record(a.store, [Recording("t", "id")], (), origin="", now=daemons.clock.now(), schedule=Schedule())
    run(a.store, "UPDATE tasks SET due_at = :far, life_from = :now", far=FAR, now=daemons.clock.now())
    daemons.turn(a, b)
    return a, b


def test_a_clock_that_was_set_back_shifts_what_is_stored_once(daemons: Daemons, waiting: tuple[ByHand, ByHand]) -> None:
    a, b = waiting
    daemons.clock.jump(-3_600_000)
    daemons.turn(a, b, ms=1_000)
    assert due(a.store) == FAR - 3_600_000
    daemons.clock.jump(-3_600_000)
    daemons.turn(b, a, ms=1_000)
    assert due(a.store) == FAR - 7_200_000
    assert {"clock_jumped"} == {one.code for one in notices.told(a.store)}
    daemons.turn(a, b)
    assert [one.lives(daemons.clock.now()) for one in daemon.listed(a.store)] == [True, True]


def test_a_lease_lasts_no_longer_when_the_clock_is_set_back(daemons: Daemons, waiting: tuple[ByHand, ByHand]) -> None:
    _, b = waiting
    daemons.clock.jump(-DAY_MS)
    daemons.turn(b, ms=1_000)  # the other has died
    daemons.turn(b, ms=LEASE_MS + EVERY_MS)
    daemons.turn(b)
    held = leases.holder_of(b.store, "problems", daemons.clock.now())
    assert held is not None
    assert held.daemon == "b"


def test_a_host_that_slept_shifts_nothing(daemons: Daemons, waiting: tuple[ByHand, ByHand]) -> None:
    a, b = waiting
    life = "SELECT life_from, paused_base FROM tasks WHERE id = 't'"
    before = [tuple(row) for row in a.store.read(life)]
    frozen = daemons.clock.monotonic()
    for _ in range(20):
        daemons.turn(b, ms=30_000)
    daemons.clock.advance(20_000)
    now = daemons.clock.now()
    a.loop._jumps.watch(now, frozen + 1_000)
    assert [tuple(row) for row in a.store.read(life)] == before
    # Where no other has beaten meanwhile, the clock was set.
    b.loop._jumps.watch(now + 7_200_000, daemons.clock.monotonic())
    assert [tuple(row) for row in a.store.read(life)] != before
