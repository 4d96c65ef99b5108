"""What `cdpoll status` says of the drop, where an installation may have nothing else."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_ingest_command import batch, configure
from tests.cli.test_status import ISO
from tests.support.cdpoll_process import House, until
from tests.support.database import MACHINE, NOW
from tests.support.sshd import Sshd
from worker.store.db.store import Store
from worker.store.state import daemon
from worker.store.state import drop as rounds
from worker.store.views.problems import StatusRules, found

HOUR = 3_600_000


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def problems(picture: Any) -> dict[str, str]:
    return {one["code"]: one["hint"] for one in picture["problems"]}


def lines(house: House) -> dict[str, str]:
    found = house.cdpoll("status", check=0).text.splitlines()
    return {line.split()[0]: line for line in found if line}


def test_a_round_is_told_of_and_what_waits_and_what_failed(house: House, server: Sshd) -> None:
    configure(house, server)
    server.put("whole.x12", batch("A").encode())
    server.put("cut.x12", batch("B").encode()[:-30])
    house.cdpoll("ingest", check=1)
    picture = house.status()
    drop = picture["drop"]
    assert ISO.fullmatch(drop["last_round_at"])
    assert drop == {**drop, "last_good_at": drop["last_round_at"], "failure": None, "waiting": 0, "failed": 1}
    assert "sftp_stale" not in problems(picture)
    said = lines(house)
    assert "last round 0 s ago; 1 file failed, to be tried again" in re.sub(r"[0-9]+ s ago", "0 s ago", said["drop"])
    assert "1 ingested, 0 quarantined, 1 incomplete" in said["files"]
    configure(house, server, key_file=str(house.folder / "nowhere"))
    house.cdpoll("ingest", check=78)
    failed = house.status()["drop"]
    assert (failed["failure"], failed["last_good_at"]) == ("key_file", drop["last_good_at"])
    assert failed["last_round_at"] > drop["last_round_at"]
    assert re.search("FAILED: key_file; last good one [0-9]+ s ago", lines(house)["drop"])


def test_no_good_round_for_long_is_a_problem(house: House, server: Sshd) -> None:
    configure(house, server, every="1h")
    house.cdpoll("ingest", check=None)
    back = "UPDATE meta SET value = json_set(value, '$.good_at', json_extract(value, '$.good_at') - ?)"
    back += " WHERE key = 'sftp_rounds'"
    house.rows(back, 2 * HOUR)
    assert "sftp_stale" not in problems(house.status())
    house.rows(back, HOUR + 60_000)
    assert problems(house.status())["sftp_stale"].startswith("no good round over the drop for 3 h 1 min, though it is")
    assert "sftp_stale" in house.cdpoll("status", "--check").text
    # A round that fails tells the cause, and a good one ends it.
    configure(house, server, every="1h", key_file=str(house.folder / "nowhere"))
    house.cdpoll("ingest", check=78)
    assert {"sftp_key_file", "sftp_stale"} & problems(house.status()).keys() == {"sftp_key_file"}
    configure(house, server, every="1h")
    house.cdpoll("ingest", check=None)
    assert "sftp_stale" not in problems(house.status())


def test_a_round_under_way_is_waited_for_and_then_told_of(store: Store) -> None:
    every, started_at = 10_000, NOW - 3_600_000
    with store.write():
        rounds.note(store, None, NOW)
        rounds.begin(store, NOW + every)
    began_at = NOW + every
    assert rounds.silence(store, every, started_at, began_at + rounds.LONG_ROUND_MS - 1) is None
    late = began_at + rounds.LONG_ROUND_MS
    assert rounds.silence(store, every, started_at, late) == (late - NOW, rounds.LONG_ROUND_MS)
    rules = StatusRules(every_ms=every)
    with store.write():
        daemon.beat(store, pid=1, version="1", started_at=started_at, now=late, token_expires_at=None)
    (stale,) = [one for one in found(store, late, rules, MACHINE, alive=True) if one.code == "sftp_stale"]
    assert stale.hint.startswith(
        "no good round over the drop for 5 min 10 s, though it is to be read every 10 s, and the round under way has"
        " lasted 5 min: `cdpoll files`"
    )
    # That round was of a daemon that has ended; and this one's is over.
    assert rounds.silence(store, every, began_at + 1, began_at + 40_000) == (39_999, None)
    with store.write():
        rounds.note(store, "timeout", began_at + 35_000)
    assert rounds.silence(store, every, started_at, began_at + 40_000) == (50_000, None)


def test_where_no_round_was_ever_good_it_counts_from_the_first(house: House, server: Sshd) -> None:
    configure(house, server, key_file=str(house.folder / "nowhere"))
    house.cdpoll("ingest", check=78)
    assert house.status()["drop"]["last_good_at"] is None
    assert "FAILED: key_file; no good one over this drop yet" in lines(house)["drop"]
    house.rows("UPDATE meta SET value = json_set(value, '$.since', 1000) WHERE key = 'sftp_rounds'")
    house.rows("DELETE FROM notices")
    assert "sftp_stale" in problems(house.status())


def test_a_daemon_that_has_just_begun_has_time_for_its_first_round(house: House, server: Sshd) -> None:
    configure(house, server)
    house.cdpoll("ingest", check=None)
    house.rows("UPDATE meta SET value = json_set(value, '$.good_at', 1000) WHERE key = 'sftp_rounds'")
    assert "sftp_stale" in problems(house.status())
    configure(house, server, key_file=str(house.folder / "nowhere"))
    with house.start() as daemon:
        daemon.ready()
        assert "sftp_stale" not in problems(house.status())
        assert daemon.stopped() == 0


def test_what_waits_to_settle_is_counted(house: House, server: Sshd) -> None:
    server.put("new.x12", batch("NEW").encode())
    configure(house, server, settle="1h", include="new.x12")
    with house.start() as daemon:
        daemon.ready()
        until(lambda: house.status()["drop"]["waiting"] == 1, "a look at the drop", daemon.process)
        assert lines(house)["drop"].endswith("; 1 file to be fetched")
        assert daemon.stopped() == 0


def test_without_a_drop_there_is_none(house: House) -> None:
    house.record("a")
    assert house.status()["drop"] is None
    assert "drop" not in lines(house)
    assert "files" not in lines(house)
