"""The search for discoveries of which only the correlation id of their request is known."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.sandbox_client import DAY, HOUR, MINUTE, SECOND
from tests.support.sweep_rig import SweepRig
from worker.core.intake.intake import Intake, Lookup, Recording
from worker.core.schedule.cadence import Schedule
from worker.store.tasks import searches
from worker.store.tasks.recording import record_all


class Searched(SweepRig):
    """Without sweeps."""

    def __init__(self, folder: Path, faults: str = "", /, **keys: str) -> None:
        super().__init__(folder, faults, **{"backfill_every": "", "backfill_overlap": ""} | keys)

    def look_for(self, correlation_id: str, *refs: str | None) -> None:
        wanted = tuple(Lookup(correlation_id, ref) for ref in refs or (None,))
        record_all(self.store, Intake(lookups=wanted), origin="", now=self.clock.at, schedule=Schedule())

    def record(self, recording: Recording) -> None:
        record_all(self.store, Intake((recording,)), origin="", now=self.clock.at, schedule=Schedule())

    def until_asked(self, times: int = 1) -> None:
        """Steps until the list was asked so many times more."""
        wanted = self.asked.total() + times
        while self.asked.total() < wanted:
            self.step()

    @property
    def lookup(self) -> dict[str, Any]:
        """What stands in the first one."""
        return dict(self.store.read("SELECT * FROM lookups ORDER BY seq")[0])

    @property
    def refs(self) -> list[tuple[str, str]]:
        rows = self.store.read("SELECT id, ref FROM refs JOIN tasks ON tasks.seq = refs.task ORDER BY tasks.seq, ref")
        return [(row["id"], row["ref"]) for row in rows]


def test_the_discoveries_of_a_request_are_found_with_its_ref(tmp_path: Path) -> None:
    with Searched(tmp_path) as rig:
        rig.begin(3)
        ids = rig.begin(1, "TWO-NOW", correlation_id="c-1")
        rig.begin(2, correlation_id="c-2")
        rig.look_for("c-1", "ACCT-1")
        start = rig.clock.at
        rig.until_asked()
        assert rig.clock.at - start >= MINUTE, "the request may still be under way at the vendor"
        assert rig.recorded == dict.fromkeys(ids, "lookup")
        assert (len(ids), rig.refs) == (2, [(ids[0], "ACCT-1"), (ids[1], "ACCT-1")])
        assert (rig.lookup["state"], rig.lookup["due_at"], rig.lookup["searches"]) == ("found", None, 1)
        [query] = rig.queries()
        assert (query["correlationId"], "endDateTime" in query) == ("c-1", False)
        rig.clock.advance(DAY)
        for _ in range(5):
            rig.step()
        assert len(rig.asked) == 1, "it is not asked for again"


def test_one_request_serves_all_lookups_of_a_correlation_id(tmp_path: Path) -> None:
    with Searched(tmp_path) as rig:
        ids = rig.begin(1, correlation_id="c-1")
        rig.look_for("c-1", "A", "B")
        rig.until_asked()
        assert (list(rig.recorded), rig.refs) == (ids, []), "it is not sure for which of them it is"
        told = [tuple(row) for row in rig.store.read("SELECT state, due_at, last_error FROM lookups")]
        assert told == [("found", None, "doubtful_ref")] * 2
        assert searches.next_due(rig.store) is None


def test_it_is_asked_for_ever_more_slowly_until_it_expires(tmp_path: Path) -> None:
    with Searched(tmp_path, polling_lookup_for="1h") as rig:
        rig.look_for("c-1", "A")
        start, asked_at = rig.clock.at, []
        while rig.lookup["state"] == "searching":
            before = rig.clock.at
            rig.until_asked()
            asked_at.append((rig.clock.at - start) // MINUTE)
            assert rig.clock.at > before
        assert asked_at == [1, 3, 7, 15, 31, 63]
        assert (rig.lookup["state"], rig.lookup["searches"], rig.lookup["due_at"]) == ("expired", 6, None)
        assert rig.lookup["ended_at"] >= start + HOUR
        found = rig.begin(1, correlation_id="c-1")
        rig.look_for("c-1", "A")
        rig.until_asked()
        assert (rig.lookup["state"], rig.refs) == ("found", [(found[0], "A")]), "handed in again, it is searched again"


def test_what_was_found_otherwise_is_asked_for_once_more(tmp_path: Path) -> None:
    with Searched(tmp_path) as rig:
        ids = rig.begin(1, "TWO-NOW", correlation_id="c-1")
        rig.look_for("c-1", "A")
        rig.record(Recording(ids[0], "id", correlation_id="c-1"))
        assert rig.lookup["state"] == "found"
        rig.until_asked()
        assert rig.refs == [(ids[0], "A"), (ids[1], "A")]


@pytest.mark.parametrize("fault", ["forbidden", "500", "429:30", "html"])
def test_a_failure_changes_nothing_but_when_it_is_asked_again(tmp_path: Path, fault: str) -> None:
    with Searched(tmp_path, f"{fault}@list", polling_lookup_for="1h") as rig:
        rig.look_for("c-1", "A")
        rig.look_for("c-2", "B")
        rig.clock.advance(2 * HOUR)
        now = rig.clock.at
        rig.until_asked()
        assert (rig.lookup["state"], rig.lookup["failures"], rig.lookup["searches"]) == ("searching", 1, 0)
        assert rig.lookup["last_error"]
        assert rig.lookup["due_at"] > now
        assert rig.lane.run(now) > now, "the other rests as well"
        assert len(rig.asked) == 1
        ids = rig.begin(1, correlation_id="c-1")
        rig.sandbox.set_faults("")
        rig.clock.advance(MINUTE)
        rig.until_asked(2)
        assert rig.refs == [(ids[0], "A")]
        assert (rig.lookup["failures"], rig.lookup["last_error"]) == (0, None)


def test_a_vendor_that_ignores_the_filter_gives_no_discovery_to_a_lookup(tmp_path: Path) -> None:
    with Searched(tmp_path) as rig:
        ids = rig.begin(2, correlation_id="c-2")
        rig.look_for("c-1", "A")
        rig.say_of_rows({}, without="correlationId")
        rig.until_asked()
        assert (rig.recorded, rig.lookup["state"], rig.lookup["last_error"]) == ({}, "searching", "filter_ignored")
        ours = rig.begin(1, correlation_id="c-1")
        rig.clock.advance(MINUTE)
        rig.until_asked()
        assert rig.refs == [(ours[0], "A")]
        assert not rig.recorded.keys() & set(ids)


def test_a_comma_behind_the_id_is_the_vendors(tmp_path: Path) -> None:
    with Searched(tmp_path) as rig:
        ids = rig.begin(1, correlation_id="c-1")
        rig.say_of_rows({ids[0]: {"correlationId": "c-1,"}})
        rig.look_for("c-1", "A")
        rig.until_asked()
        assert rig.refs == [(ids[0], "A")]


def test_the_rows_of_others_are_not_ours_here_either(tmp_path: Path) -> None:
    with Searched(tmp_path, api_subtenant_id="clinic-7") as rig:
        ids = rig.begin(1, correlation_id="c-1")
        rig.say_of_rows({ids[0]: {"subtenantId": "clinic-8"}})
        rig.look_for("c-1", "A")
        rig.until_asked()
        assert (rig.recorded, rig.lookup["state"]) == ({}, "searching")


def test_searches_and_a_sweep_take_turns(tmp_path: Path) -> None:
    with Searched(tmp_path, backfill_every="1h", backfill_overlap="1d") as rig:
        rig.begin(150)
        for n in range(6):
            rig.look_for(f"c-{n}")
        rig.clock.advance(2 * MINUTE)
        for _ in range(8):
            rig.step()
        asked = ["search" if "correlationId" in query else "sweep" for query in rig.queries()]
        assert asked[:6] == ["search", "sweep"] * 3


def test_a_pass_that_ends_by_itself_makes_what_is_due(tmp_path: Path) -> None:
    with Searched(tmp_path) as rig:
        ids = rig.begin(1, correlation_id="c-1")
        rig.look_for("c-1", "A")
        rig.lane = rig.open_lane(once=True)
        rig.lane.run(rig.clock.at)
        assert (rig.lane.idle, len(rig.asked)) == (True, 0)
        rig.clock.advance(MINUTE + SECOND)
        rig.lane.run(rig.clock.at)
        rig.lane.run(rig.clock.at)
        assert (rig.lane.idle, rig.lane.exit_code, list(rig.recorded)) == (True, 0, ids)
        rig.look_for("c-2")
        rig.clock.advance(MINUTE + SECOND)
        rig.sandbox.set_faults("forbidden@list")
        rig.lane.run(rig.clock.at)
        rig.lane.run(rig.clock.at)
        assert (rig.lane.idle, rig.lane.exit_code) == (True, 77)


def test_what_was_recorded_with_another_correlation_id_is_found_and_doubtful(tmp_path: Path) -> None:
    """A repeated request is answered with the id that the first one was given."""
    with Searched(tmp_path) as rig:
        (task,) = rig.begin(1, correlation_id="c-1")
        rig.record(Recording(task, "id", correlation_id="c-2"))
        rig.look_for("c-1", "A")
        rig.until_asked()
        assert (rig.lookup["state"], rig.lookup["last_error"]) == ("found", "doubtful_ref")
        assert (rig.lookup["due_at"], rig.refs) == (None, [])
