"""Files made to do harm: memory stays flat, and it is said what is wrong. bench/hostile.py reads a gigabyte of each."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.hostile import FORMS, HEADER
from tests.support.cdpoll_process import DEADLINE, ROOT
from worker.rounds.ingest.batch_file import BatchFile, ingest
from worker.store.opening import open_store

MOST_KIB = 16 * 1024

CASES = [
    ("one endless segment", 256, "incomplete", "longer than any real one", ["hold"]),
    ("an endless segment that ends", 256, "complete", "", ["hold"]),
    ("no terminator", 256, "incomplete", "longer than any real one", []),
    ("a million sets", 2, "complete", "", ["accept"]),
    ("a million sets without anything", 1, "complete", "", ["hold"]),
    ("a million sets without an end", 1, "complete", "", ["hold"]),
    ("a million groups", 2, "incomplete", "GE01 announces 1 sets, and there are 0", []),
    ("a set without an end", 256, "complete", "", ["hold"]),
    ("a set of hierarchies", 256, "complete", "", ["hold"]),
    ("sets of blanks", 16, "complete", "", ["hold"]),
    ("no interchange", 256, "unreadable", "No ISA that can be read was found.", []),
    ("false interchanges", 256, "unreadable", "Thousands of segments are called ISA", []),
    ("padding", 32, "complete", "", ["hold"]),
]


def measured(form: str, mib: int) -> dict[str, Any]:
    line = [sys.executable, "bench/hostile.py", "--mib", str(mib), "--form", form]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, timeout=DEADLINE)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(("form", "mib", "state", "reason", "verdicts"), CASES, ids=[case[0] for case in CASES])
def test_memory_stays_flat_and_it_is_said_what_is_wrong(
    form: str, mib: int, state: str, reason: str, verdicts: list[str]
) -> None:
    found = measured(form, mib)
    assert found["state"] == state
    assert reason in found["reason"]
    assert bool(found["reason"]) == (state != "complete")
    assert list(found["verdicts"]) == verdicts
    assert found["peak_kib"] < MOST_KIB
    if state != "unreadable":
        assert found["bytes"] >= mib * 1024 * 1024
    if form.startswith("a million sets"):
        assert sum(found["verdicts"].values()) > 10_000


def test_every_form_is_tested() -> None:
    assert [case[0] for case in CASES] == list(FORMS)


def test_a_large_file_of_nothing_is_told_of_and_none_of_it_kept(tmp_path: Path) -> None:
    path = tmp_path / "sparse.x12"
    path.write_bytes(HEADER + b"ST*271*0001~MSG*")
    os.truncate(path, 256 * 1024 * 1024)
    with open_store(tmp_path / "cdpoll.db", create=True) as store, path.open("rb") as file:
        report = ingest(store, BatchFile(file, path.name, "path"), 1_800_000_000_000)
        assert (report.state, report.size) == ("incomplete", 256 * 1024 * 1024)
        assert "Zeros stand in the file" in (report.reason or "")
        assert store.read("SELECT 1 FROM sets") == []
    assert [found.name for found in tmp_path.iterdir() if found.is_dir()] == []
