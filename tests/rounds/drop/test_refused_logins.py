"""A refused login is tried again ever more seldom: who goes on trying is locked out of the account."""

from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.bent_sftp import Bend, BentDrop, BentServer
from tests.support.drop_house import EVERY, DropRounds, problems
from tests.support.numbered_patients import numbered_batch
from worker.core.problems import Problem
from worker.daemon.drop_lane import whole_round
from worker.daemon.lane import Surroundings
from worker.rounds.drop.work import DropWork
from worker.store.opening import open_store
from worker.store.state import logins

HOUR = 3_600_000


class RefusedRounds(DropRounds):
    """Rounds as the daemon makes them, each at the instant that the last one named."""

    def __init__(self, folder: Path, server: BentServer) -> None:
        super().__init__(folder, server.settings())
        self.bent = server.drop

    def follow(self, logins: int) -> list[int]:
        """Make rounds until there were these many logins; when each was, in seconds."""
        made: list[int] = []
        while len(made) < logins:
            before = self.bent.logins
            at = self.clock.at
            outcome = self.round()
            assert outcome.failure is not None
            assert at < outcome.next_at <= at + EVERY
            made += [at // 1000] * (self.bent.logins - before)
            self.clock.at = outcome.next_at
        return made


@pytest.fixture
def drop() -> BentDrop:
    refusing = BentDrop({"a.x12": numbered_batch(2)})
    refusing.password_good = False
    return refusing


@pytest.fixture
def rounds(tmp_path: Path, bend: Bend, drop: BentDrop) -> RefusedRounds:
    return RefusedRounds(tmp_path, bend(drop))


def test_each_wait_is_twice_as_long_up_to_an_hour(rounds: RefusedRounds, drop: BentDrop) -> None:
    made = rounds.follow(9)
    waits = [later - earlier for earlier, later in pairwise(made)]
    assert waits == [60, 120, 240, 480, 960, 1920, 3600, 3600]
    assert (drop.logins, drop.connections) == (9, 9)
    named = problems(rounds)
    assert Problem("sftp_auth", 1, "").severity == "critical"
    assert "`cdpoll ingest` at a terminal, tries at once" in named["sftp_auth"]


def test_a_daemon_that_is_started_again_and_again_tries_no_sooner(rounds: RefusedRounds, drop: BentDrop) -> None:
    first = rounds.round()
    for _ in range(5):
        # Another store, and another process.
        outcome = rounds.round(wait=10_000)
        assert outcome.failure is not None
        assert (outcome.failure.code, outcome.failure.as_error().exit_code) == ("login_waits", 77)
        assert outcome.next_at == first.next_at
    assert drop.logins == 1
    assert list(problems(rounds)) == ["sftp_auth"]


def test_what_was_fetched_before_is_read_in_meanwhile(rounds: RefusedRounds) -> None:
    rounds.round()
    (rounds.path.parent / "incoming" / "f00d").write_bytes(numbered_batch(2))
    assert len(rounds.round(wait=1000).reports) == 1


def test_a_person_may_try_at_once_and_the_next_wait_is_longer(rounds: RefusedRounds, drop: BentDrop) -> None:
    rounds.follow(3)
    rounds.clock.jump(-60_000)
    with open_store(rounds.path) as store:
        work = DropWork(store, rounds.rules, rounds.log, patient=True, by_hand=True)
        whole_round(work, Surroundings(rounds.clock, rounds.log, rounds.stop, True))
        assert drop.logins == 4
        assert logins.next_at(store, rounds.clock.at) == rounds.clock.at + 480_000
        # A reload lets the daemon try at once.
        with store.write():
            logins.at_once(store)
    rounds.round()
    assert drop.logins == 5


def test_a_login_by_hand_that_went_well_lets_the_daemon_go_on(rounds: RefusedRounds, drop: BentDrop) -> None:
    rounds.follow(8)
    waiting = rounds.round()
    assert (drop.logins, waiting.next_at) == (8, rounds.clock.at + EVERY)
    drop.password_good = True
    with open_store(rounds.path) as store:
        work = DropWork(store, rounds.rules, rounds.log, patient=True, by_hand=True)
        assert whole_round(work, Surroundings(rounds.clock, rounds.log, rounds.stop, True)).failure is None
    assert rounds.round(wait=EVERY).failure is None


def test_once_it_is_let_in_nothing_is_left_of_it(rounds: RefusedRounds, drop: BentDrop) -> None:
    rounds.follow(4)
    drop.password_good = True
    rounds.clock.jump(480_000)
    assert rounds.states() == [("a.x12", "ingested")]
    assert problems(rounds) == {}
    drop.password_good = False
    assert rounds.round().next_at == rounds.clock.at + 60_000


def test_a_clock_that_was_set_back_keeps_nothing_waiting(rounds: RefusedRounds, drop: BentDrop) -> None:
    rounds.follow(1)
    rounds.clock.jump(-30 * 24 * HOUR)
    rounds.round()
    assert drop.logins == 2


def test_a_server_that_hangs_up_on_a_wrong_password_is_tried_as_seldom(tmp_path: Path, bend: Bend) -> None:
    drop = BentDrop()
    drop.hangs_up = True
    rounds = RefusedRounds(tmp_path, bend(drop))
    made = rounds.follow(3)
    assert [later - earlier for earlier, later in pairwise(made)] == [60, 120]
    assert list(problems(rounds)) == ["sftp_cut"]
