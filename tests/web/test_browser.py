"""The pages in a real browser: on a phone and a desk, dark and light. Some 15 s."""

import shutil
from pathlib import Path

import pytest

from sandbox.server import Sandbox
from tests.support.browser import BROWSER, browser
from tests.support.cdpoll_process import House, begin, until
from tests.support.served import served

LONG = "a_long_word_without_a_place_to_break_" * 3
SCREENS = {"phone": (390, 844), "desk": (1280, 900)}
SHINE = "getComputedStyle(document.body).{}.match(/\\d+/g).slice(0, 3).reduce((sum, one) => sum + Number(one), 0)"


@pytest.mark.system
@pytest.mark.skipif(shutil.which(BROWSER) is None, reason="the Debian package chromium is missing")
def test_the_pages_are_readable_on_each_screen_and_load_nothing(house: House, sandbox: Sandbox, tmp_path: Path) -> None:
    house.record(*begin(sandbox, 3))
    house.record(LONG)
    house.rows("UPDATE tasks SET state = 'abandoned', due_at = NULL, abandoned_at = 1 WHERE id = ?", LONG)
    house.ways = {LONG[:32]: {"kind": "directory", "path": str(tmp_path)}}
    house.write()
    with house.start() as daemon, served(house) as web, browser(tmp_path / "profile") as tab:
        daemon.ready()
        until(lambda: web.metrics().get('cdpoll_polls_total{reply="concluded"}') == 3, "3 results", daemon.process)
        for path in ("/", f"/tasks/{LONG}"):
            for width, height in SCREENS.values():
                shine = {}
                for scheme in ("light", "dark"):
                    tab.open(web.url + path, width, height, scheme)
                    tab.value("document.querySelectorAll('details').forEach(one => one.open = true)")
                    assert tab.value("document.documentElement.scrollWidth") <= width, (path, width)
                    assert LONG in tab.value("document.body.innerText")
                    shine[scheme] = [tab.value(SHINE.format(which)) for which in ("backgroundColor", "color")]
                assert shine["light"][0] > 600 > 200 > shine["light"][1]
                assert shine["dark"][0] < 200 < 600 < shine["dark"][1]
        tab.open(web.url, 1280, 900, "light")
        assert tab.value("document.querySelectorAll('svg').length") >= 3
        assert tab.value("getComputedStyle(document.querySelector('svg text')).fill") != "none"
        assert tab.errors == []
        assert {address.removeprefix(web.url) for address in tab.requests} == {"/", f"/tasks/{LONG}"}
