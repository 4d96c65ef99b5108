"""The lane of the spool in real processes: it begins with its section, and ``kill -9`` costs nothing."""

import os
import random
import uuid
from pathlib import Path

from tests.support.cdpoll_process import House, until

# `IDS=20000 KILLS=50` is the long way; as it stands it takes some seconds.
IDS, KILLS = int(os.environ.get("IDS", "1500")), int(os.environ.get("KILLS", "4"))


def spool_house(folder: Path) -> House:
    """An installation with nothing but a spool."""
    house = House(folder, spool_path=str(folder / "spool"), spool_every="100ms")
    for key in ("base_url", "client_id", "client_secret", "timeout"):
        house.values[f"api_{key}"] = ""
    house.write()
    (folder / "spool" / "in").mkdir(parents=True)
    return house


def done(house: House) -> list[str]:
    return sorted(path.name.partition("Z-")[2] for path in (house.folder / "spool" / "done").iterdir())


def test_run_once_takes_all_that_lies_there(tmp_path: Path) -> None:
    house = spool_house(tmp_path)
    inbox = tmp_path / "spool" / "in"
    ids = [str(uuid.UUID(int=n)) for n in range(1, 4)]
    (inbox / "ids").write_text("\n".join(ids) + "\n")
    house.cdpoll("run", "--once", check=0)
    assert [one for (one,) in house.rows("SELECT id FROM tasks ORDER BY id")] == ids
    assert done(house) == ["ids"]
    spool = house.status()["spool"]
    assert (spool["taken"], spool["waiting"], spool["bad"], spool["error"]) == (1, 0, 0, None)
    os.mkfifo(inbox / "pipe")
    house.cdpoll("run", "--once", check=1)
    assert house.problems()["spool_bad"].startswith("1 file of the spool could not be read")
    assert "1 file taken, 0 waiting; 1 could not be read" in house.cdpoll("status").text
    (inbox / ".lane").unlink()
    inbox.rename(tmp_path / "away")
    inbox.write_text("no folder")
    house.cdpoll("run", "--once", check=74)
    assert "cannot be used" in house.problems()["spool_stuck"]


def test_kill_9_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    house = spool_house(tmp_path)
    inbox = tmp_path / "spool" / "in"
    chance = random.Random(9)
    ids = [str(uuid.UUID(int=chance.getrandbits(128))) for _ in range(IDS)]
    for n, start in enumerate(range(0, IDS, 50)):
        aside = inbox / f".{n}"
        aside.write_text("".join(f'{{"id": "{one}", "ref": "R-{one}"}}\n' for one in ids[start : start + 50]))
        aside.rename(inbox / f"{n}.jsonl")
    for kill in range(1, KILLS + 1):
        with house.start() as daemon:
            daemon.ready()
            wanted = kill * IDS // (KILLS + 2)
            until(lambda: house.value("SELECT count(*) FROM tasks") >= wanted, "ids", daemon.process, every=0.002)  # noqa: B023
            daemon.process.kill()
    with house.start() as daemon:
        until(lambda: len(done(house)) == IDS // 50, "all files", daemon.process)
        assert daemon.stopped() == 0
    assert house.value("SELECT count(*) FROM tasks") == IDS
    assert house.rows("SELECT count(*), count(DISTINCT ref) FROM refs") == [(IDS, IDS)]
    assert {one for (one,) in house.rows("SELECT id FROM tasks")} == set(ids)
    assert not (house.folder / "spool" / "bad").exists() or not list((house.folder / "spool" / "bad").iterdir())


def test_a_reload_begins_and_ends_it(tmp_path: Path) -> None:
    house = spool_house(tmp_path)
    first, second = tmp_path / "spool", tmp_path / "other"
    with house.start() as daemon:
        daemon.ready()
        until(lambda: (first / "in" / ".lane").exists(), "the lane", daemon.process)
        house.write(spool_path=str(second))
        daemon.process.send_signal(1)
        until(lambda: (second / "in" / ".lane").exists(), "the other lane", daemon.process)
        (second / "in" / "ids").write_text(f"{uuid.UUID(int=7)}\n")
        until(lambda: house.rows("SELECT id FROM tasks"), "the id", daemon.process)
        assert daemon.stopped() == 0
