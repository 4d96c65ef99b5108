"""``cdpoll deliver`` on two hosts that share a server: one delivers, the other stands by and takes over."""

from collections import Counter
from pathlib import Path

import psycopg
import pytest

from tests.support.cdpoll_process import House, until
from tests.support.scripted_way import results
from worker.place import DatabasePlace
from worker.store.opening import open_store


class DeliveringHost(House):
    """A host whose program notes its name and the number of each letter, for all hosts in one file; it kills the
    process that has started it when it is given the letter ``last``."""

    def __init__(self, folder: Path, url: str, name: str, last: int = 0) -> None:
        folder.mkdir()
        super().__init__(folder, store_url=url, store_daemon=name, log_format="json", store_path=str(folder / "db"))
        self.noted = folder.parent / "noted"
        self.noted.touch()
        program = folder / "program"
        number = r"""sed -n 's/.*"seq": *\([0-9]*\).*/\1/p'"""
        program.write_text(
            f'#!/bin/sh\nn=$({number})\necho "{name} $n" >> {self.noted}\n[ "$n" = {last} ] && kill -9 $PPID\nexit 0\n'
        )
        program.chmod(0o755)
        self.ways = {"own": {"kind": "command", "command": str(program)}}
        self.write()

    @property
    def letters(self) -> list[tuple[str, int]]:
        """By which host, and which."""
        return [(name, int(number)) for name, number in map(str.split, self.noted.read_text().splitlines())]

    @property
    def who(self) -> object:
        """Who delivers, as `status` has it."""
        return self.status()["deliveries"]["daemon"]


def conclude(place: DatabasePlace, *ids: str) -> None:
    with open_store(place) as store:
        results(store, ids)


@pytest.fixture
def url(place: DatabasePlace) -> str:
    assert place.server is not None
    return place.server.url()


def run(url: str, sql: str) -> None:
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(sql)


def test_another_host_takes_over_when_one_dies(tmp_path: Path, place: DatabasePlace, url: str) -> None:
    a, b = DeliveringHost(tmp_path / "a", url, "a", last=5), DeliveringHost(tmp_path / "b", url, "b")
    conclude(place, "1", "2")
    with a.deliver() as first, b.deliver() as second:
        first.ready()
        until(lambda: a.letters == [("a", 1), ("a", 2)], "two letters", first.process)
        until(lambda: b.status()["deliveries"]["ways"][0]["delivered"] == 2, "that they are noted", first.process)
        second.ready()
        until(lambda: "standing by" in b.log.read_text(), "the other", second.process)
        assert (a.who, b.who) == ("a", "a")
        conclude(place, "3", "4", "5", "6", "7")
        until(lambda: first.process.poll() is not None, "its death")
        assert {name for name, _ in b.letters} == {"a"}
        run(url, "UPDATE leases SET until_at = 0 WHERE name = 'deliver'")  # time passes
        until(lambda: ("b", 7) in b.letters, "the rest", second.process)
        times = Counter(number for _, number in b.letters)
        assert sorted(times) == [1, 2, 3, 4, 5, 6, 7], "nothing is lost"
        # Those of the step in which it died are sent again, and no other.
        assert {number for number, n in times.items() if n > 1} <= {3, 4, 5}
        assert max(times.values()) == 2
        assert not [code for code in b.problems() if code.startswith("deliver")]
        a.write()
        with a.deliver() as back:
            back.ready()
            until(lambda: a.log.read_text().count("standing by") == 1, "that it stands by", back.process)
            until(lambda: a.who == "b", "who delivers", back.process)
            assert second.stopped() == 0
            conclude(place, "8")
            until(lambda: a.letters[-1] == ("a", 8), "the first host again", back.process)
            assert a.who == "a"
            assert back.stopped() == 0


def test_a_host_that_was_away_for_longer_than_its_lease_stands_by(
    tmp_path: Path, place: DatabasePlace, url: str
) -> None:
    a = DeliveringHost(tmp_path / "a", url, "a")
    with a.deliver() as process:
        process.ready()
        until(lambda: a.who == "a", "that it delivers", process.process)
        run(url, "UPDATE leases SET holder = 'b/1', until_at = 9000000000000 WHERE name = 'deliver'")
        conclude(place, "1")
        until(lambda: "another host delivers now" in a.log.read_text(), "that it knows", process.process)
        until(lambda: "standing by" in a.log.read_text(), "that it stands by", process.process)
        assert a.letters == []
        run(url, "UPDATE leases SET until_at = 0 WHERE name = 'deliver'")
        until(lambda: a.letters == [("a", 1)], "the letter", process.process)
        assert process.stopped() == 0
