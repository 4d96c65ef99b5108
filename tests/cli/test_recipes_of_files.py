"""What the pages say to do with the headers of a response: no two checks share a file.

A shared file, or one that a failed `curl` has left as it was, would hand in one patient's ids under another's ref.
"""

import re
from pathlib import Path

import pytest

from tests.support.cdpoll_process import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# A pipe, or a file that mktemp(1) has just made: other members of the spool's group cannot have guessed its name.
OWN = {"-", '"$part"'}


def shown(page: Path) -> str:
    return "\n".join(line for line in page.read_text().splitlines() if line.startswith("    "))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_check_has_headers_of_its_own(page: Path) -> None:
    text = shown(page)
    assert {*re.findall(r"curl[^|\n]* -D (\S+)", text)} <= OWN
    assert ('"$part"' in text) == ("part=$(mktemp " in text)
    assert not re.findall(r"(?:cp|mv|>) \S*/spool/cdpoll/in/", text)
