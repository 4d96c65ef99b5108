"""The rehearsals of the pages, as they stand there: each does what its page says."""

import shutil
from pathlib import Path

import pytest

from tests.support.cdpoll_process import House
from tests.support.rehearsing import commands, free_port, paste, section, started

# Fast enough that no test waits for long. On the pages a person looks on.
FAST = "600"


@pytest.mark.skipif(shutil.which("curl") is None, reason="the Debian package curl is missing")
def test_the_readme_ends_with_coverage_on_the_screen(tmp_path: Path) -> None:
    house, port = House(tmp_path), free_port()
    start, rehearse = commands(section("README.md", "## A rehearsal without credentials"))
    with started(house, start, "--speed", FAST, "--port", str(port)):
        printed = paste(house, rehearse.replace("8765", str(port)))
    assert rehearse.splitlines()[-1].startswith("cdpoll found")
    assert printed.count("ACCT-4711") >= 2, printed  # each of the two discoveries found some
