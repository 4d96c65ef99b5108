"""The manual pages: every command, every problem with its cure, every exit code; and roff finds nothing wrong."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from cli.main import COMMANDS, EPILOG
from cli.man_pages import write
from cli.problems_page import problem_rows
from worker.core.exit_code import ExitCode


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    write(tmp_path)
    return tmp_path


def plain(page: Path) -> str:
    """Its words, without the signs of roff."""
    text = re.sub(r"(?m)^\.[A-Za-z]+ ?", "", page.read_text())
    return " ".join(re.sub(r"\\f[BR]", "", text).replace(r"\-", "-").split())


def test_each_command_has_a_page_and_stands_in_the_first(pages: Path) -> None:
    assert {page.name for page in pages.iterdir()} == {"cdpoll.1", *(f"cdpoll-{name}.1" for name in COMMANDS)}
    for name, (_, _, line) in COMMANDS.items():
        assert f"cdpoll-{name}(1) {line}".replace("`", "") in plain(pages / "cdpoll.1")


def test_each_problem_stands_there_with_what_to_do(pages: Path) -> None:
    text = plain(pages / "cdpoll.1")
    for code, severity, _, cure in problem_rows():
        assert f"{code} ({severity})" in text
        assert " ".join(cure.replace("`", "").split()) in text


def test_the_exit_codes_are_those_of_the_help() -> None:
    told = [int(code) for code in re.findall(r"\d+", EPILOG.partition("`")[0])]
    assert list(ExitCode) == told


def test_options_stand_in_the_page_of_their_command(pages: Path) -> None:
    text = plain(pages / "cdpoll-deliveries.1")
    assert "DELIVERIES REPLAY" in text
    assert "--from SEQ The first number." in text


@pytest.mark.skipif(shutil.which("groff") is None, reason="the Debian package groff-base is not installed")
def test_roff_finds_nothing_wrong(pages: Path) -> None:
    command = ["groff", "-man", "-Tutf8", "-Kutf8", "-ww", "-z", *map(str, pages.iterdir())]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
