"""``cdpoll record`` where something is wrong with what it is given, the configuration, the database or its output."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.cdpoll_process import House

A, B, C = "0716e3e8-87ee-11ee-b9d1-0242ac120002", "Id_two.~x", "third"
SECRET_REF = "MRN-4711-of-Jane"


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_what_cannot_be_read_is_65_kept_and_the_rest_recorded(house: House) -> None:
    link = '</coverage-discovery/x12>; rel="related"'
    ended = house.cdpoll("record", "--json", C, "--link", link, "--ref", SECRET_REF, check=65)
    assert ended.json["recorded"] == [C]
    (lost,) = ended.json["unreadable"]
    assert lost["raw"]
    assert lost["reason"]
    assert house.rows("SELECT raw, reason FROM unreadable") == [(lost["raw"], lost["reason"])]
    assert SECRET_REF not in ended.err
    assert "unreadable, kept raw" in ended.err


def test_a_ref_that_is_too_long_is_65_once_and_the_others_are_given(house: House) -> None:
    long = SECRET_REF * 100
    ended = house.cdpoll("record", "--json", A, "--ref", long, "--ref", "R", "--ref", long + "x", check=65)
    assert ended.json["recorded"] == [A]
    assert house.rows("SELECT ref FROM refs") == [("R",)]
    assert ended.err.count("--ref is longer than 1,000 bytes") == 1
    assert SECRET_REF not in ended.err


def test_an_invalid_id_is_kept_raw(house: House) -> None:
    ended = house.cdpoll("record", "--json", "a/b", "..", "x" * 129, "Müller", A, check=65)
    assert ended.json["recorded"] == [A]
    assert [item["raw"] for item in ended.json["unreadable"]] == ["a/b", "..", "x" * 129, "Müller"]
    assert ended.err.count("hand it in rightly, then `cdpoll unreadable drop NUMBER`") == 1


def test_nothing_to_record_is_a_usage_error(house: House) -> None:
    ended = house.cdpoll("record", check=2)
    assert "nothing to record" in ended.err
    assert not house.database.exists()


def test_of_a_file_that_is_not_there_it_is_said_and_the_rest_is_recorded(house: House, tmp_path: Path) -> None:
    for number, option in enumerate(("--headers", "--body", "--jsonl")):
        ended = house.cdpoll("record", "--json", option, str(tmp_path / "none"), f"id-{number}", check=65)
        assert "No such file" in ended.err
        assert ended.json["recorded"] == [f"id-{number}"]


def test_no_configuration_is_78_with_one_clear_line(house: House) -> None:
    house.config.unlink()
    ended = house.cdpoll("record", A, check=78)
    assert len(ended.err.splitlines()) <= 2
    assert str(house.config) in ended.err
    environment = house.environment()
    bare = subprocess.run([house.line()[0], "record", A], capture_output=True, text=True, env=environment, timeout=60)
    assert bare.returncode == 78
    assert "no configuration" in bare.stderr
    assert ".config/cdpoll/cdpoll.ini" in bare.stderr
    assert bare.stdout == ""


def test_the_environment_alone_is_configuration_enough(house: House) -> None:
    env = house.environment(CDPOLL_STORE_PATH=str(house.database))
    ended = subprocess.run([house.line()[0], "record", A], capture_output=True, text=True, env=env, timeout=60)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, f"recorded {A}\n", "")


def test_a_wrong_configuration_is_78_and_nothing_is_made(house: House) -> None:
    house.write(store_journal="many")
    ended = house.cdpoll("record", A, check=78)
    assert f"{house.config}:" in ended.err
    assert not house.database.exists()


def test_a_store_that_cannot_be_written_is_74(house: House, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    house.write(store_path=str(tmp_path / "file" / "cdpoll.db"))
    ended = house.cdpoll("record", "--json", A, check=74)
    assert ended.out == b""
    assert "may write there" in ended.err


def test_a_database_that_is_none_is_74(house: House) -> None:
    house.database.parent.mkdir()
    house.database.write_text("this is no database at all, but long enough to be read as one" * 20)
    assert "restore" in house.cdpoll("record", A, check=74).err


def test_a_newer_database_is_78(house: House) -> None:
    house.record(A)
    house.rows("PRAGMA user_version = 99")
    assert "newer" in house.cdpoll("record", B, check=78).err


def test_another_environments_database_is_78(house: House) -> None:
    house.record(A)
    house.write(api_base_url="https://other.example/rcm/eligibility/v1")
    ended = house.cdpoll("record", B, check=78)
    assert "http://127.0.0.1:9" in ended.err
    assert "https://other.example" in ended.err
    assert house.value("SELECT count(*) FROM tasks") == 1


def test_a_text_that_is_no_text_is_refused_and_says_so(house: House) -> None:
    """An argument in Latin-1, say: no id may be lost to it in silence, and no fault of ours be shown."""
    for option in ("--ref", "--correlation-id"):
        ended = subprocess.run(
            [*map(os.fsencode, house.line("record", A, option)), b"M\xfcller"],
            capture_output=True,
            env=house.environment(),
            timeout=60,
        )
        assert ended.returncode == 2, ended.stderr
        assert b"UTF-8" in ended.stderr
        assert b"ller" not in ended.stderr
        assert house.value("SELECT count(*) FROM tasks") == 0


@pytest.mark.parametrize("json_too", [[], ["--json"]])
def test_a_full_standard_output_is_an_error_without_a_traceback(house: House, json_too: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(
            house.line("record", A, *json_too), stdout=full, stderr=subprocess.PIPE, env=house.environment(), timeout=60
        )
    assert ended.returncode == 1, "74 would mean that the id is not stored"
    first, second = ended.stderr.decode().splitlines()
    assert first == "cdpoll: standard output cannot be written: No space left on device"
    assert "nothing of it is lost" in second
    assert house.value("SELECT count(*) FROM tasks") == 1


def test_a_full_standard_error_changes_no_exit_code(house: House) -> None:
    unreadable = ["--link", '</coverage-discovery/>; rel="related"']
    with Path("/dev/full").open("wb") as full:
        for line, code in ((["record", *unreadable], 65), (["record", "--no-such-option"], 2), (["show", "x"], 65)):
            ended = subprocess.run(
                house.line(*line), stdout=subprocess.DEVNULL, stderr=full, env=house.environment(), timeout=60
            )
            assert ended.returncode == code, line


def test_a_closed_standard_output_does_no_harm(house: House) -> None:
    line = ["sh", "-c", 'exec "$0" "$@" >&-', *house.line("record", A)]
    ended = subprocess.run(line, stderr=subprocess.PIPE, env=house.environment(), timeout=60)
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert house.value("SELECT count(*) FROM tasks") == 1
    assert house.value("PRAGMA integrity_check") == "ok"


def test_a_reader_that_went_away_is_no_traceback(house: House) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        ended = subprocess.run(
            house.line("record", A), stdout=writing, stderr=subprocess.PIPE, env=house.environment(), timeout=60
        )
    finally:
        os.close(writing)
    assert ended.stderr == b""
    assert ended.returncode == 1
    assert house.value("SELECT count(*) FROM tasks") == 1
