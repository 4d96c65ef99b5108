"""``cdpoll record`` while the database cannot be used: what is handed in is left in the spool, in the same words."""

import json
import os
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

import cli.spooling
from cli.main import call
from cli.spooling import patience_s
from tests.support.cdpoll_process import House
from tests.support.spool_folder import make_spool
from worker.core.exit_code import ExitCode
from worker.core.intake.intake import Intake, merge
from worker.core.intake.json_lines import from_jsonl_line
from worker.store.opening import SCHEMA_VERSION
from worker.store.tasks import recording

A, B = "0716e3e8-87ee-11ee-b9d1-0242ac120002", "1716e3e8-87ee-11ee-b9d1-0242ac120002"


@pytest.fixture
def house(tmp_path: Path) -> House:
    """With a spool beside the database, and a daemon that has just looked into it."""
    made = House(tmp_path, spool_path=str(tmp_path / "spool"))
    made.record("first")
    make_spool(tmp_path / "spool")
    return made


def files(house: House) -> list[Path]:
    return sorted(one for one in (house.folder / "spool" / "in").iterdir() if one.name != ".lane")


def spooled(house: House) -> Intake:
    """What a daemon reads from the files."""
    return merge(
        from_jsonl_line(line, place="line") for one in files(house) for line in one.read_bytes().splitlines(True)
    )


def newer(house: House) -> None:
    house.rows(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")


def older(house: House) -> None:
    house.rows(f"PRAGMA user_version = {SCHEMA_VERSION - 1}")


@pytest.mark.parametrize("of_another_release", [newer, older])
def test_while_the_schema_is_of_another_release(house: House, of_another_release: Callable[[House], None]) -> None:
    of_another_release(house)
    ended = house.cdpoll("record", A, B, A, "--ref", "R", "--json", check=0)
    said = ended.json
    assert (said["recorded"], said["known"], said["spooled"], said["unreadable"]) == ([], [], 2, [])
    assert said["notes"] == [ended.err.removeprefix("note: ").rstrip()]
    assert said["notes"][0].startswith(f"the database cannot be opened now ({house.database} ")
    assert said["notes"][0].endswith(f"the spool at {house.folder}/spool/in: 2 ids")
    assert [(one.id, one.ref) for one in spooled(house).recordings] == [(A, "R"), (B, "R")]
    assert house.cdpoll("record", A, check=0).text == f"spooled {A}\n"


def test_while_it_is_locked(house: House, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(cli.spooling, "LOOKING_TIMEOUT_S", 0.05)
    with closing(sqlite3.connect(house.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert call(["--config", str(house.config), "record", A]) == 0
    out, err = capsys.readouterr()
    assert out == f"spooled {A}\n"
    assert "is busy: another process" in err
    assert [one.id for one in spooled(house).recordings] == [A]
    assert house.value("SELECT count(*) FROM tasks") == 1


def test_where_there_is_none_and_this_user_may_make_none(house: House) -> None:
    """The file system says no: as root nothing else does."""
    house.write(store_path="/proc/cdpoll/cdpoll.db")
    assert house.cdpoll("record", A).code == ExitCode.STORAGE  # no such folder: nothing that a daemon mends
    house.write(store_path="/sys/cdpoll.db")
    assert house.cdpoll("record", A, check=0).text == f"spooled {A}\n"


def test_everything_that_is_handed_in_is_left(house: House) -> None:
    older(house)
    headers = "date: Sat, 02 May 2026 12:00:00 GMT", 'link: </coverage-discovery/d>; rel="related"'
    dump = "\r\n".join(["HTTP/1.1 200 OK", *headers, "", ""]).encode()
    lines = [
        {"id": "j", "member_id": "M", "birth_date": "1970-01-02", "trace_number": "T", "originator_id": "O"},
        {"correlation_id": "lost-2", "ref": "own"},
        {"trace_number": "T2", "member_id": "M2", "ref": "own"},
    ]
    (house.folder / "lines").write_text("\n".join(map(json.dumps, lines)))
    house.cdpoll("record", "--lookup", "lost-1", "--ref", "R", check=0)
    ended = house.cdpoll(
        *("record", "--json", A, "--ref", "R", "--ref", "S", "--correlation-id", "corr", "--subtenant", "north"),
        *("--link", '</coverage-discovery/l>; rel="related", </coverage-discovery/>; rel="related"'),
        *("--location", "/coverage-discovery/o"),
        *("--headers", "-", "--jsonl", str(house.folder / "lines")),
        stdin=dump,
        check=65,
    )
    read = spooled(house)
    assert {(one.id, one.ref) for one in read.recordings} == {(i, r) for i in (A, "l", "o", "d", "j") for r in "RS"}
    assert {(one.correlation_id, one.subtenant) for one in read.recordings} == {("corr", "north")}
    assert {one.sent_at for one in read.recordings if one.id == "d"} == {1_777_723_200_000}
    (j, _) = (one for one in read.recordings if one.id == "j")
    assert (j.member_id, j.birth_date, j.trace_number, j.originator_id) == ("M", "1970-01-02", "T", "O")
    assert {(one.correlation_id, one.ref) for one in read.lookups} == {("lost-1", "R"), ("lost-2", "own")}
    assert {(one.trace_number, one.ref) for one in read.expected} == {("T2", "own")}
    assert {one.raw for one in read.unreadable} == {one["raw"] for one in ended.json["unreadable"]}
    assert {one.ref for one in read.unreadable} == {"R", "S"}
    assert ended.json["spooled"] == 6
    assert "5 ids" in ended.err


def test_from_the_moment_on_at_which_it_is_locked(
    house: House, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was recorded before stands there alone, and a commit that failed in the middle costs nothing."""
    monkeypatch.setattr(cli.spooling, "LOOKING_TIMEOUT_S", 0.05)
    real: Callable[..., object] = recording.record_all
    with closing(sqlite3.connect(house.database, isolation_level=None)) as other:

        def record_all(*args: object, **more: object) -> object:
            done = real(*args, **more)
            if not other.in_transaction:
                other.execute("BEGIN IMMEDIATE")
            return done

        monkeypatch.setattr(recording, "record_all", record_all)
        link = [f'</coverage-discovery/{one}>; rel="related"' for one in (A, B)]
        assert call(["--config", str(house.config), "record", A, "--link", link[0], "--link", link[1], "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["recorded"], said["spooled"]) == ([A], 1)
    assert {one.id for one in spooled(house).recordings} == {A, B}


def test_a_spool_that_no_daemon_looks_into_is_75(house: House) -> None:
    older(house)
    (house.folder / "spool" / "in" / ".lane").unlink()
    ended = house.cdpoll("record", A, "--json", check=75)
    assert ended.out == b""
    assert "and nothing can be left in the spool: no daemon takes files from" in ended.err
    assert "[spool]" in ended.err.splitlines()[1]
    (house.folder / "spool").rename(house.folder / "gone")
    assert "is not there" in house.cdpoll("record", A, check=75).err


def test_without_a_spool_it_is_as_ever(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The spool of another installation is none of this one's."""
    monkeypatch.setattr(cli.spooling, "DEFAULT_PATH", str(house.folder / "spool"))
    house.write(spool_path="")
    newer(house)
    assert call(["--config", str(house.config), "record", A]) == ExitCode.CONFIGURATION
    assert files(house) == []


def test_a_lock_is_waited_for_longer_where_nothing_can_be_left(house: House) -> None:
    folder = house.folder / "spool" / "in"
    assert patience_s(folder) < patience_s(None) == patience_s(folder / "none")


def test_what_a_person_has_to_mend_is_not_left_for_a_daemon(house: House) -> None:
    house.database.write_bytes(b"no database" * 1000)
    house.cdpoll("record", A, check=74)
    house.database.unlink()
    house.cdpoll("record", A, check=74)
    house.write(store_path="", store_paht="x")
    house.cdpoll("record", A, check=78)
    assert files(house) == []


def test_a_text_that_is_none_is_refused_as_ever(house: House) -> None:
    older(house)
    ended = house.cdpoll("record", A, "--ref", os.fsdecode(b"\xff"), check=2)
    assert "not text in UTF-8" in ended.err
    assert files(house) == []
    assert stat.S_IMODE((house.folder / "spool" / "in").stat().st_mode) == 0o3730
