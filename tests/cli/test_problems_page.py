"""docs/problems.md says what the lists say, and every link and command in them leads somewhere."""

import re
from pathlib import Path

import pytest

from cli.main import COMMANDS
from cli.problems_page import TARGET, drop_failures, markdown
from worker.core.delivery_errors import DELIVERY_ERRORS
from worker.core.exit_code import MEANINGS, ExitCode
from worker.core.poll_errors import POLL_ERRORS, cure_of, in_words
from worker.core.problems import KINDS, Kind
from worker.core.x12.issues import HELD, MESSAGES

DOCS = TARGET.parent


def test_the_page_is_what_the_lists_say() -> None:
    assert TARGET.read_text(encoding="utf-8") == markdown(), "run `python -m cli.problems_page`"


def test_each_code_that_a_user_can_meet_has_its_meaning_there() -> None:
    page = markdown()
    raised = {
        code
        for source in (DOCS.parent / "worker" / "gateways" / "sftp").glob("*.py")
        for code in re.findall(r'SftpFailed\(\s*"([a-z_]+)"', source.read_text(encoding="utf-8"))
    }
    assert {"connect", "auth"} <= raised
    assert raised <= {code for code, _ in drop_failures()}
    assert [code for code, _ in drop_failures() if f"| `{code}` | " not in page] == []
    assert [code for code in MESSAGES if f"| `{code}` | {'held' if code in HELD else ''} | " not in page] == []
    assert "{" not in page.replace("{token", "")
    assert "the hint says" not in page


def test_each_code_of_a_failed_delivery_has_its_meaning_there() -> None:
    gateways = (DOCS.parent / "worker" / "gateways" / "deliver").glob("*.py")
    source = "".join(path.read_text(encoding="utf-8") for path in gateways)
    told = r'(?:ReceiverDown|ReceiverGone|LetterRefused|_Trouble)\(\s*"([a-z_0-9]+)"'
    given = {*re.findall(told, source), *re.findall(r'errno\.[A-Z]+: "([a-z_]+)"', source)}
    assert {"not_a_program", "full", "name_taken", "exit_75"} <= given
    assert given <= DELIVERY_ERRORS.keys()


def test_each_exit_code_has_its_meaning_there() -> None:
    assert list(MEANINGS) == list(ExitCode)
    for code, words in MEANINGS.items():
        assert f"| {code.value} | {words} |" in markdown()


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_each_problem_has_words_a_cure_and_a_heading_that_is_there(kind: Kind) -> None:
    assert kind.words
    assert kind.cure
    if kind.page:
        page, _, anchor = kind.page.partition("#")
        assert anchor in anchors(DOCS / page), kind.page


def test_a_command_in_a_cure_exists() -> None:
    cures = [one.cure for one in KINDS.values()] + [one.cure for one in POLL_ERRORS.values()]
    named = {match[1] for cure in cures for match in re.finditer(r"(?:`|^)cdpoll ([a-z-]+)", cure)} - {"tries"}
    assert "tasks" in named
    assert named <= COMMANDS.keys()


def test_every_failure_of_a_poll_has_words_and_a_cure() -> None:
    for code in ("http_503", "http_403_invalid_product", "token_http_500", "token_tls_expired", "internal_KeyError"):
        assert in_words(code) != code
        assert cure_of(code)
