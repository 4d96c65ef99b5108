"""Two hosts and one drop: whatever moment one dies at, the other goes on, and nothing is lost or stored twice."""

import signal
from pathlib import Path

import pytest

from tests.support.drop_house import DropHouse, batch
from tests.support.mortal import Moment, died
from tests.support.sshd import Sshd
from worker.core.errors import TryLater
from worker.place import DatabasePlace
from worker.store.opening import open_store
from worker.store.state import leases, notices

# The longest of the leases of a round.
LEASE_MS = 180_000


class HostHouse(DropHouse):
    """A host of several that share a database on a server. Its clock is that of all."""

    def __init__(self, folder: Path, server: Sshd, place: DatabasePlace, daemon: str) -> None:
        super().__init__(folder, server)
        self.path.parent.mkdir(parents=True)
        assert place.server is not None
        self.place = DatabasePlace(self.path, server=place.server._replace(daemon=daemon))

    def told(self, sql: str) -> list[tuple[object, ...]]:
        with open_store(self.place) as store:
            return [tuple(row) for row in store.read(sql)]

    @property
    def members(self) -> list[object]:
        """Of the answers that are shown, with those that are shown twice."""
        return [row[0] for row in self.told("SELECT member_id FROM batch_answers ORDER BY member_id")]

    @property
    def lease(self) -> str | None:
        """Whose turn it is."""
        with open_store(self.place) as store:
            held = leases.holder_of(store, leases.DROP, self.clock.at)
            return None if held is None else held.daemon

    @property
    def notices(self) -> list[str]:
        with open_store(self.place) as store:
            return [code for code, _ in notices.listed(store)]


@pytest.fixture
def hosts(tmp_path: Path, server: Sshd, place: DatabasePlace) -> tuple[HostHouse, HostHouse]:
    a, b = (HostHouse(tmp_path / name, server, place, name) for name in ("a", "b"))
    b.clock = a.clock
    return a, b


@pytest.mark.parametrize(("commit", "after"), [*((number, "delete") for number in range(2, 17)), (11, "leave")])
def test_another_host_goes_on_when_one_dies(hosts: tuple[HostHouse, HostHouse], commit: int, after: str) -> None:
    a, b = hosts
    a.put("1.x12", batch("A", "B"))
    a.put("2.x12", batch("C"))
    end = died(Moment("COMMIT", commit, "after"), lambda: a.round(patient=True, after=after))
    assert end == -signal.SIGKILL, "it has ended before that moment"
    a.clock.advance(30_000)  # as it did when it waited for the files to settle
    assert a.lease == "a"
    with pytest.raises(TryLater, match="another cdpoll of a is in a round over the drop"):
        b.round()
    a.clock.advance(LEASE_MS)
    b.round(patient=True, after=after)
    assert b.members == ["A", "B", "C"]
    a.round(patient=True, after=after)
    assert a.members == ["A", "B", "C"]
    assert a.told("SELECT count(*) FROM files WHERE state <> 'ingested'") == [(0,)]
    assert a.told("SELECT count(*) FROM files") == [(2,)]
    assert (a.incoming(), b.incoming()) == ([], [])
    assert sorted(path.name for path in a.drop.iterdir()) == ([] if after == "delete" else ["1.x12", "2.x12"])
    assert a.notices == []
    assert a.lease is None


def fetched(a: HostHouse) -> None:
    """A host dies when it has fetched a file and not read it in."""
    end = died(Moment("INSERT INTO files"), lambda: a.round(patient=True))
    assert end == -signal.SIGKILL
    a.clock.advance(30_000)
    assert a.told("SELECT state, daemon FROM remote_files") == [("fetched", "a")]
    assert len(a.incoming()) == 1


def test_what_a_server_gave_once_is_told_as_lost_until_its_host_is_back(hosts: tuple[HostHouse, HostHouse]) -> None:
    a, b = hosts
    file = a.put("1.x12", batch("A"))
    fetched(a)
    file.unlink()
    a.clock.advance(LEASE_MS)
    assert b.round(patient=True).lost == ["1.x12"]
    assert b.notices == ["files_lost"]
    assert [one.state for one in a.round(patient=True).reports] == ["ingested"]
    assert a.members == ["A"]
    assert a.incoming() == []


def test_the_same_host_waits_for_nothing(hosts: tuple[HostHouse, HostHouse]) -> None:
    a, _ = hosts
    a.put("1.x12", batch("A"))
    fetched(a)
    assert a.round(patient=True).reports[0].state == "ingested"
    assert a.members == ["A"]


def test_a_file_of_the_same_size_that_lies_on_another_host_is_not_taken_for_it(
    hosts: tuple[HostHouse, HostHouse],
) -> None:
    a, b = hosts
    file = a.put("1.x12", batch("A"))
    fetched(a)
    file.unlink()
    a.clock.advance(LEASE_MS)
    b.round(patient=True)
    a.put("2.x12", batch("B"))
    end = died(Moment("UPDATE remote_files SET state", 2), lambda: b.round(patient=True))
    assert end == -signal.SIGKILL
    a.clock.advance(30_000 + LEASE_MS)
    a.round(patient=True)
    assert a.members == ["A", "B"]


def test_a_host_that_was_frozen_in_a_round_ends_it(hosts: tuple[HostHouse, HostHouse]) -> None:
    a, b = hosts
    a.put("1.x12", batch("A"))
    with open_store(a.place) as frozen:
        held = leases.Lease(frozen, leases.DROP, LEASE_MS)
        assert held.take(a.clock.at)
        a.clock.advance(LEASE_MS)
        b.round(patient=True)
        with pytest.raises(leases.LeaseLost), frozen.write():
            pytest.fail("it writes")
    assert b.members == ["A"]
