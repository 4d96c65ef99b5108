"""A move that ends in the middle has changed nothing, and the same command again ends it."""

from pathlib import Path
from threading import Thread

import pytest

from tests.daemon.test_kill import begun
from tests.support.cdpoll_process import DEADLINE, House
from tests.support.database import record
from tests.support.mortal import KILLED, Moment
from tests.support.moved import NOW, MoveCut, Seen, content, filled, moved
from tests.support.postgres import Cluster
from worker.core.errors import MovedAway, TryLater
from worker.place import DatabasePlace
from worker.store.db.store import Store
from worker.store.moving.into_file import FileTarget
from worker.store.moving.into_server import ServerTarget
from worker.store.moving.target import NewPlace
from worker.store.opening import identity_of, open_store

pytestmark = pytest.mark.sqlite  # from a file, which stays one


@pytest.fixture(params=["server", "file"])
def target(request: pytest.FixtureRequest, source: Store, server: ServerTarget, tmp_path: Path) -> NewPlace:
    return server if request.param == "server" else FileTarget(tmp_path / "new.db", identity_of(source))


@pytest.mark.parametrize("share", [0.01, 0.3, 0.49, 0.51, 0.99])
def test_cut_at_any_row_and_made_again(source: Store, target: NewPlace, share: float) -> None:
    seen = Seen()
    before = content(source)
    with pytest.raises(MoveCut):
        moved(source, target, Seen(last=1))
    with pytest.raises(MoveCut):
        moved(source, target, Seen(last=int(share * 2 * sum(map(len, before.values())))))
    assert content(source) == before
    record(source, "between", now=NOW)
    report = moved(source, target, seen)
    assert not report.already
    assert seen.rows == seen.all
    with target.open() as store:
        assert content(store) == content(source)
        assert [row for row in content(store)["tasks"] if row[1] == "between"]


def test_cut_when_the_new_place_is_whole_and_the_old_one_is_not_sealed(
    source: Store, target: NewPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(*_: object) -> None:
        raise MoveCut

    with monkeypatch.context() as patch:
        patch.setattr("worker.store.moving.work.seal", cut)
        with pytest.raises(MoveCut):
            moved(source, target)
    record(source, "between", now=NOW)
    moved(source, target)
    with target.open() as store:
        assert content(store) == content(source)


def test_cut_when_the_old_place_is_sealed(source: Store, target: NewPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(*_: object) -> None:
        raise MoveCut

    with monkeypatch.context() as patch:
        patch.setattr(type(target), "release", cut)
        with pytest.raises(MoveCut):
            moved(source, target)
    with pytest.raises(MovedAway):
        record(source, "late", now=NOW)
    report = moved(source, target)
    assert report.already
    assert report.tables["tasks"].rows == len(content(source)["tasks"])
    # And once more: there is nothing to do.
    assert moved(source, target) == ({}, True)


def test_no_other_command_uses_what_is_not_complete(source: Store, server: ServerTarget, empty: DatabasePlace) -> None:
    with pytest.raises(MoveCut):
        moved(source, server, Seen(last=sum(map(len, content(source).values())) + 5))
    for create in (False, True):
        with pytest.raises(TryLater, match="is being filled by `cdpoll db move`"):
            open_store(empty, create=create)


def test_a_file_that_is_not_complete_is_used_by_no_command(source: Store, tmp_path: Path) -> None:
    new = FileTarget(tmp_path / "new.db", identity_of(source))
    with pytest.raises(MoveCut):
        moved(source, new, Seen(last=sum(map(len, content(source).values())) + 5))
    for create in (False, True):
        with pytest.raises(TryLater, match="is being filled by `cdpoll db move`"):
            open_store(tmp_path / "new.db", create=create)


def test_who_writes_meanwhile_waits_and_is_told(
    old: Path, source: Store, server: ServerTarget, empty: DatabasePlace
) -> None:
    said: list[object] = []

    def write() -> None:
        with open_store(old, timeout=60) as other:
            try:
                said.append(record(other, "late", now=NOW))
            except MovedAway as error:
                said.append(error)

    thread = Thread(target=write)
    moved(source, server, Seen(first=thread.start))
    thread.join()
    assert [type(one) for one in said] == [MovedAway]
    with open_store(empty) as store:
        assert content(store)["tasks"] == content(source)["tasks"]


def test_who_writes_to_a_server_meanwhile_waits_and_is_told(
    source: Store, server: ServerTarget, empty: DatabasePlace, tmp_path: Path
) -> None:
    moved(source, server)
    said: list[object] = []
    with open_store(empty) as there, open_store(empty, timeout=60) as other:

        def write() -> None:
            try:
                said.append(record(other, "late", now=NOW))
            except MovedAway as error:
                said.append(error)

        thread = Thread(target=write)
        moved(there, FileTarget(tmp_path / "back.db", identity_of(there)), Seen(first=thread.start))
        thread.join()
        assert [type(one) for one in said] == [MovedAway]


# Of the process that moves from a file to a server, and of the one that moves back. The first of what a database is
# made with is of the one in memory that the tables are read from.
THERE = [
    Moment("INSERT INTO acts", where="after"),
    Moment("SELECT seq, task"),
    Moment("CREATE TRIGGER moved_tasks_insert"),
    Moment("COMMIT", 2),
    Moment("COMMIT", 2, "within"),
    Moment("COMMIT", 2, "after"),
]
BACK = [
    Moment("INSERT INTO paths", where="after"),
    Moment("CREATE INDEX tasks_correlation", 2),
    Moment("COMMIT", 2),
    Moment("COMMIT", 2, "after"),
    Moment("COMMIT", 3),
    Moment("COMMIT", 3, "after"),
]


@pytest.mark.parametrize("moment", [*THERE, *BACK], ids=str)
def test_killed_at_any_moment_and_given_again(tmp_path: Path, cluster: Cluster, moment: Moment) -> None:
    house = House(tmp_path)
    house.database.parent.mkdir()
    filled(house.database)
    with open_store(house.database) as store:
        before = content(store)
    name = cluster.databases.new("empty")
    url, new = cluster.url(database=name), tmp_path / "back.db"
    there, back = ("db", "move", "--to", url), ("db", "move", "--to", str(new))

    def kill(*command: str) -> None:
        assert begun(house, *command, last=moment).wait(DEADLINE) in KILLED

    if moment in THERE:
        kill(*there)
    house.cdpoll(*there, check=0)
    house.write(store_url=url)
    if moment in BACK:
        kill(*back)
    house.cdpoll(*back, check=0)
    with open_store(new) as store:
        after = content(store)
        assert store.wrong() == []
    assert after["acts"][-1][3:] == ("moved the database", f"postgresql:///{name} to {new}")
    assert {**after, "acts": []} == {**before, "acts": []}
    assert len(after["acts"]) == len(before["acts"]) + 2
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("back.db.new")] == []
    cluster.databases.leave([name])
