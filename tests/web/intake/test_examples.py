"""The examples of docs/integration.md, as a shell runs them."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.cdpoll_process import DEADLINE, ROOT, House, until
from tests.support.served import served

PAGE = (ROOT / "docs" / "integration.md").read_text()
SECTION = PAGE.partition("\n## By HTTP\n")[2].partition("\n## ")[0]


@pytest.mark.skipif(shutil.which("curl") is None, reason="the Debian package curl is missing")
def test_each_example_hands_in_what_it_says(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.record("known")
    place = tmp_path / "s"
    examples = re.findall(r"^```sh\n(.*?)^```", SECTION, re.MULTILINE | re.DOTALL)
    with served(house, CDPOLL_LOCAL_SOCKET=str(place)) as web:
        until(place.exists, "the socket", web.process)
        for example in examples:
            here = example.replace("127.0.0.1:9271", f"127.0.0.1:{web.port}")
            here = here.replace("/run/cdpoll-local/intake.sock", str(place))
            done = subprocess.run(["sh", "-euc", here], capture_output=True, text=True, timeout=DEADLINE)
            assert done.returncode == 0, (done.stdout, done.stderr)
            assert '"unreadable":[]' in done.stdout
    rows = house.rows("SELECT substr(id, 1, 8), ref FROM tasks JOIN refs ON task = seq ORDER BY seq")
    assert rows == [
        ("0716e3e8", "account 7"),
        ("0e56aa10", "account 8"),
        ("1a2b3c4d", "account 9"),
        ("5e6f7a8b", "account 10"),
    ]
    assert house.rows("SELECT correlation_id FROM lookups") == [("4f1c2a6e",)]
