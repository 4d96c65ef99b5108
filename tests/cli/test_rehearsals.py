"""The rehearsals of the pages, as they stand there: each does what its page says."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.cdpoll_process import House, until
from tests.support.rehearsing import commands, free_port, paste, section, serving, started

PAGE = "docs/sandbox.md"
BATCHES = "Batch files come by SFTP"
FORGED = "Callbacks are forged"
UNUSABLE = "Callbacks that cannot be used"
REHEARSALS = [
    heading for heading in re.findall(r"^### (.*)$", section(PAGE, "## Rehearsals"), re.MULTILINE) if heading != BATCHES
]

# An hour of the vendor's takes 2 s. On the page a person looks on.
FAST = ("--speed", "1800", "--port", "0")
# What takes days there.
FASTER = ("--speed", "28800", "--port", "0")


@pytest.mark.skipif(shutil.which("curl") is None, reason="the Debian package curl is missing")
def test_the_readme_ends_with_coverage_on_the_screen(tmp_path: Path) -> None:
    house = House(tmp_path)
    start, rehearse = commands(section("README.md", "## A rehearsal without credentials"))
    with started(house, start, "--speed", "600", "--port", "0"):
        printed = paste(house, rehearse)
        picture = house.status()
        assert (picture["problems"], picture["verdicts"]["work"]["state"]) == ([], "by hand")
        found = house.cdpoll("found", "--json", check=0).json["found"]
    assert rehearse.splitlines()[-1].startswith("cdpoll found")
    assert len({row["id"] for row in found}) == 2  # each of the two discoveries found some
    assert printed.count("ACCT-4711") >= 1, printed


@pytest.mark.parametrize("heading", REHEARSALS)
def test_a_rehearsal_of_the_sandbox_shows_what_the_page_says(tmp_path: Path, heading: str) -> None:
    house, text = House(tmp_path), section(PAGE, f"### {heading}")
    (start,) = commands(text)
    said, _, afterwards = " ".join(text.split()).partition("**Afterwards**")
    # The first code must be seen, what follows it may be.
    meanwhile = re.findall(r"`([a-z_0-9]+)`", said.partition("**Meanwhile**")[2])
    assert meanwhile or afterwards
    with started(house, start, *(FASTER if "--speed" in start else FAST)), house.start() as daemon:
        daemon.ready()

        def problems() -> set[str]:
            daemon.heard_by_now()  # what nothing reads would block it in the end
            found = set(house.problems())
            assert found <= set(meanwhile)
            return found

        def seen() -> bool:
            # On a busy machine a short pause may be over before `status` runs. Its beginning is in the log.
            begun = {line.get("code") for line in logged(house) if line["event"] == "problem begins"}
            return meanwhile[0] in problems() | begun

        if meanwhile:
            until(seen, f"{meanwhile[0]} in `cdpoll status`", daemon.process)
        if afterwards:
            assert "no problem is left" in afterwards
            until(lambda: not problems(), "the end of the problems", daemon.process)
            results = "SELECT count(*) FROM results"
            until(lambda: house.value(results) > 0, "a result", daemon.process)
        if also := ALSO.get(heading):
            until(lambda: also(house), "what else the page says", daemon.process)
        assert house.status()["tasks"]["abandoned"] == 0
        assert daemon.stopped() == 0


# What a rehearsal shows beside its problem.
ALSO: dict[str, Callable[[House], bool]] = {
    "The ids belong to another environment": lambda house: house.status()["verdicts"]["work"]["state"] == "IN VAIN",
    "New ids are not known at once": lambda house: (
        house.value("SELECT min(polls) FROM tasks WHERE state = 'concluded'") == 4
    ),
    "A storm of 429": lambda house: house.value("SELECT count(*) FROM results") > 2,
    "Discoveries that take weeks": lambda house: (
        house.value("SELECT max(polls) FROM tasks WHERE state = 'pending'") > 3
    ),
    "A proxy spoils the Link headers": lambda house: bool(
        house.cdpoll("unreadable", "list", "--json", check=0).json["unreadable"]
    ),
}


def test_what_is_looked_at_beside_the_problem_is_of_the_page() -> None:
    assert ALSO.keys() <= set(REHEARSALS)


def logged(house: House) -> list[dict[str, Any]]:
    """The whole lines of the daemon's log so far."""
    return [json.loads(line) for line in house.log.read_text().splitlines(keepends=True) if line.endswith("\n")]


def test_a_batch_file_is_fetched_from_the_sandboxes_drop_and_its_coverage_found(tmp_path: Path) -> None:
    house = House(tmp_path)
    start, look = commands(section(PAGE, f"### {BATCHES}"))
    files, found = (tuple(line.split()[1:]) for line in look.splitlines())
    with started(house, start, *FAST), house.start() as daemon:
        daemon.ready()
        until(lambda: house.cdpoll(*files, "--json", check=0).json["files"], "the file", daemon.process)
        (file, *_) = house.cdpoll(*files, "--json", check=0).json["files"]
        assert (file["name"], file["state"]) == ("271-0001.x12", "ingested")
        rows = house.cdpoll(*found, "--json", check=0).json["found"]
        assert "batch" in {row["source"] for row in rows}
        assert house.problems() == {}
        assert daemon.stopped() == 0


@contextmanager
def taking_callbacks(house: House, heading: str) -> Iterator[list[str]]:
    """The sandbox as a rehearsal of callbacks says, and `cdpoll serve callback`; what else is to be pasted."""
    address = f"127.0.0.1:{free_port()}"
    start, *look = (block.replace("127.0.0.1:9272", address) for block in commands(section(PAGE, f"### {heading}")))
    with started(house, start.replace("\\\n", " "), *FAST), serving(house, f"http://{address}"):
        yield [f"export CDPOLL_CONFIG={house.config}\n{block}" for block in look]


def test_callbacks_that_are_forged_are_not_confirmed(tmp_path: Path) -> None:
    house = House(tmp_path)
    with taking_callbacks(house, FORGED) as (look,), house.start() as daemon:
        daemon.ready()

        def named() -> bool:
            daemon.heard_by_now()
            return house.problems().keys() == {"callback_mismatch"}

        until(named, "callback_mismatch in `cdpoll status`", daemon.process)
        until(lambda: paste(house, look).count("concluded") == 2, "both of them", daemon.process)
        assert daemon.stopped() == 0


def test_callbacks_that_cannot_be_used_are_in_quarantine(tmp_path: Path) -> None:
    house = House(tmp_path)
    with taking_callbacks(house, UNUSABLE) as (look,):
        until(lambda: house.value("SELECT count(*) FROM bodies WHERE source = 'callback'") >= 5, "all that is odd")
        assert house.problems().keys() == {"callback_quarantined"}
        shown = paste(house, look)
        assert "another tenant" in shown, shown
        assert '"startDateTime"' in shown, shown
