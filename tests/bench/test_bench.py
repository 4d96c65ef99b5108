"""The bench runs, and its page says in short at the top what its sections found."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.cdpoll_process import ROOT

pytestmark = pytest.mark.filterwarnings("error")


def test_every_part_runs_and_is_written(tmp_path: Path) -> None:
    parts = "throughput,claim,lateness,memory,limit,servers,moving,page,callbacks,batches"
    command = [sys.executable, "-m", "bench", "--quick", "--to", str(tmp_path), "--only", parts]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "RESULTS.md").read_text()
    for name in parts.split(","):
        assert f"<!-- {name} -->\n## " in text
        assert f"`python -m bench --only {name}`" in text
    assert text.count("\n> ") >= 8
    assert text.count("| met |") + text.count("| **missed** |") >= 8


def test_the_page_begins_with_what_was_found() -> None:
    results = (ROOT / "bench/RESULTS.md").read_text()
    headlines = [line[2:] for line in results.splitlines() if line.startswith("> ")]
    assert len(headlines) >= 8
    assert "\n".join(f"- {line}" for line in headlines) in results.partition("\n## ")[0]
