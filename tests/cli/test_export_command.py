"""``cdpoll export``: results for programs, once by each cursor, and nothing lost where the output breaks."""

import csv
import io
import json
import os
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.support.batch_files import batch, read
from tests.support.cdpoll_process import House
from tests.support.database import NOW, conclude, record
from tests.support.polled_bodies import ANOTHER_PAYER, a_body, a_path, says
from tests.support.x12_samples import ACTIVE
from worker.core.vendor.result_schema import schema_text
from worker.files import FileLock
from worker.store import cursors
from worker.store.opening import open_store

# `make test-long` writes ten thousand.
RESULTS = int(os.environ.get("RESULTS", "160"))


@pytest.fixture
def filled(tmp_path: Path) -> House:
    """A task with two refs that found two coverages, one that found nothing, and a batch of an unknown patient."""
    house = House(tmp_path)
    with open_store(house.database, create=True) as store:
        record(store, "a", ref="ACCT-1")
        record(store, "a", ref="=ACCT-2")
        record(store, "b", ref="ACCT-3")
        conclude(store, a_body("a", successful=[a_path(says(ACTIVE, *ANOTHER_PAYER[1:]))]))
        conclude(store, a_body("b", status="failure"), 2)
        read(store, says(member="M0002"), now=NOW + 120_000)
    return house


def exported(house: House, *args: str) -> list[tuple[Any, ...]]:
    lines = house.cdpoll("export", *args, check=0).text.splitlines()
    return [(told["seq"], told["id"], told["ref"]) for told in map(json.loads, lines)]


EVERYTHING = [(1, "a", "=ACCT-2"), (2, "a", "ACCT-1"), (3, "b", "ACCT-3"), (4, None, None)]


def test_everything_or_what_is_behind_a_number(filled: House) -> None:
    assert exported(filled) == EVERYTHING
    assert exported(filled, "--since", "2") == EVERYTHING[2:]
    assert exported(filled, "--since", "99") == []


def test_a_cursor_goes_on_where_it_ended(filled: House) -> None:
    assert exported(filled, "--cursor", "mirth") == EVERYTHING
    assert exported(filled, "--cursor", "mirth") == []
    with open_store(filled.database) as store:
        record(store, "b", ref="late")
    assert exported(filled, "--cursor", "mirth") == [(5, "b", "late")]
    assert exported(filled, "--cursor", "other") == [*EVERYTHING, (5, "b", "late")]


def test_the_results_of_one_subtenant(filled: House) -> None:
    filled.cdpoll("record", "b", "--subtenant", "north", check=0)
    assert exported(filled, "--subtenant", "north", "--cursor", "north") == [(3, "b", "ACCT-3")]
    assert exported(filled, "--cursor", "north") == []


def test_csv_has_a_line_for_each_coverage_in_the_order_of_in1(filled: House) -> None:
    printed = filled.cdpoll("export", "--format", "csv", check=0).text
    header = printed.splitlines()[0].split(",")
    assert header[:3] == ["seq", "ref", "id"]
    in1 = ["plan", "payer_id", "payer", "group_number", "group_name", "begins", "ends", "kind"]
    assert header[3:16] == [*in1, "last_name", "first_name", "level", "birth_date", "member_id"]
    rows = list(csv.DictReader(io.StringIO(printed)))
    assert [(row["ref"], row["payer"], row["member_id"], row["outcome"]) for row in rows] == [
        ("'=ACCT-2", "PLAN OF PLENTY", "M0001", "success"),
        ("'=ACCT-2", "OVERDALE MUTUAL", "", "success"),
        ("ACCT-1", "PLAN OF PLENTY", "M0001", "success"),
        ("ACCT-1", "OVERDALE MUTUAL", "", "success"),
        ("", "PLAN OF PLENTY", "M0002", ""),
    ]


def test_the_schema_needs_no_database(tmp_path: Path) -> None:
    house = House(tmp_path)
    assert house.cdpoll("export", "--schema", check=0).json == json.loads(schema_text())
    assert not house.database.exists()


def test_what_is_asked_wrongly(filled: House) -> None:
    assert "a cursor knows where it ended" in filled.cdpoll("export", "--cursor", "x", "--since", "1", check=2).err
    for name in ("", "../x", "a b", "x" * 65, "-x"):
        assert "a cursor's name has" in filled.cdpoll("export", f"--cursor={name}", check=2).err
    filled.cdpoll("export", "--since", "-1", check=2)


def test_two_exports_by_one_cursor_at_once(filled: House) -> None:
    lock = FileLock(filled.database.with_name("cdpoll.db.cursor-mirth"), wait=False)
    ended = filled.cdpoll("export", "--cursor", "mirth", check=75)
    assert "another export by the cursor mirth is at work" in ended.err
    assert ended.out == b""
    assert exported(filled, "--cursor", "other") == EVERYTHING
    lock.release()
    assert exported(filled, "--cursor", "mirth") == EVERYTHING


def many(house: House, results: int = 2000) -> None:
    """More results than a pipe holds."""
    with open_store(house.database, create=True) as store:
        read(store, batch(*range(1, results + 1)))


def test_a_reader_that_goes_away_costs_nothing(tmp_path: Path) -> None:
    house = House(tmp_path)
    many(house)
    process = subprocess.Popen(
        house.line("export", "--cursor", "mirth"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=house.environment(),
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert json.loads(process.stdout.readline())["seq"] == 1
    process.stdout.close()
    assert process.wait(60) == 1
    assert process.stderr.read() == b""
    process.stderr.close()
    with open_store(house.database) as store:
        assert cursors.position(store, "mirth") == 0
    assert len(exported(house, "--cursor", "mirth")) == 2000


def test_an_output_that_takes_nothing_moves_no_cursor(filled: House) -> None:
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        process = subprocess.run(
            filled.line("export", "--cursor", "mirth"), stdout=full, stderr=subprocess.PIPE, env=filled.environment()
        )
    assert (process.returncode, b"standard output cannot be written" in process.stderr) == (1, True)
    assert exported(filled, "--cursor", "mirth") == EVERYTHING


def test_an_output_that_was_closed_moves_no_cursor(filled: House) -> None:
    process = subprocess.run(
        ["/bin/sh", "-c", '"$@" >&-', "sh", *filled.line("export", "--cursor", "mirth")],
        stderr=subprocess.PIPE,
        env=filled.environment(),
    )
    assert (process.returncode, b"standard output cannot be written" in process.stderr) == (1, True)
    assert exported(filled, "--cursor", "mirth") == EVERYTHING


def test_a_cursor_misses_nothing_beside_eight_writers(tmp_path: Path) -> None:
    house = House(tmp_path)
    open_store(house.database, create=True).close()
    each, files = RESULTS // 8, 2
    failed: list[BaseException] = []

    def write(writer: int) -> None:
        try:
            with open_store(house.database, timeout=60) as store:
                for n in range(each):
                    task = f"w{writer}-{n}"
                    record(store, task, ref=f"ref of {task}")
                    (row,) = store.read("SELECT seq FROM tasks WHERE id = :id", {"id": task})
                    conclude(store, a_body(task, successful=[a_path(says(member=task.upper()))]), row["seq"])
        except BaseException as error:
            failed.append(error)

    def ingest() -> None:
        try:
            for file in range(files):
                path = tmp_path / f"batch{file}.x12"
                path.write_text(batch(*range(file * 50 + 1, file * 50 + 51), control=f"{file + 1:09d}"))
                house.cdpoll("ingest", str(path), check=0)
        except BaseException as error:
            failed.append(error)

    threads = [*(threading.Thread(target=write, args=[n]) for n in range(8)), threading.Thread(target=ingest)]
    for thread in threads:
        thread.start()
    seen: list[tuple[Any, ...]] = []
    while any(thread.is_alive() for thread in threads):
        seen += exported(house, "--cursor", "mirth")
    seen += exported(house, "--cursor", "mirth")
    assert failed == []
    numbers = [seq for seq, _, _ in seen]
    assert numbers == sorted(set(numbers))
    assert {task for _, task, _ in seen if task} == {f"w{writer}-{n}" for writer in range(8) for n in range(each)}
    assert sum(task is None for _, task, _ in seen) == files * 50
