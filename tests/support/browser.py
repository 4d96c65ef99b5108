"""Chromium without a window, steered over a pair of pipes by the messages of its developer tools."""

import json
import os
import select
import signal
import subprocess
import sys
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.cdpoll_process import DEADLINE

Json = dict[str, Any]

BROWSER = "chromium"

# The browser reads from 3 and writes to 4.
_HAND_OVER = """
import os, sys
reads, writes = map(int, sys.argv[1:3])
high = [os.dup(fd) for fd in (reads, writes)]
while min(high) < 5:
    high = [os.dup(fd) for fd in high]
os.dup2(high[0], 3)
os.dup2(high[1], 4)
os.execvp(sys.argv[3], sys.argv[3:])
"""

_OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *(
        "--disable-component-update",
        "--disable-sync",
        "--hide-scrollbars",
        "--disable-dev-shm-usage",
        "--remote-debugging-pipe",
    ),
)


@dataclass(slots=True)
class Tab:
    """One page. ``requests``: the addresses that were asked for; ``errors``: what the console was told of."""

    _out: int
    _in: int
    _session: str = ""
    _number: int = 0
    _rest: bytes = b""
    _events: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def ask(self, method: str, **params: Any) -> Json:
        """Call, and wait for the answer."""
        self._number += 1
        message: Json = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            heard = self._heard()
            if heard.get("id") == self._number:
                assert "error" not in heard, heard
                return dict(heard["result"])

    def open(self, url: str, width: int, height: int, scheme: str) -> None:
        """Load a page as on a screen of this size, with a preference for ``dark`` or ``light``."""
        self.ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        self.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self._events.clear()
        self.ask("Page.navigate", url=url)
        while "Page.loadEventFired" not in self._events:
            self._heard()

    def value(self, expression: str) -> Any:
        """What it is, in the page."""
        return self.ask("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def picture(self) -> bytes:
        """All of the page, as PNG."""
        shot = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        return b64decode(shot["data"])

    def _heard(self) -> Json:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._in], [], [], DEADLINE)
            assert ready, "the browser says nothing"
            piece = os.read(self._in, 1 << 20)
            assert piece, "the browser has ended"
            self._rest += piece
        first, _, self._rest = self._rest.partition(b"\0")
        heard: Json = json.loads(first)
        method, params = heard.get("method", ""), heard.get("params", {})
        self._events.append(method)
        if method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        if method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.errors.append(params["entry"]["text"])
        if method in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled"):
            self.errors.append(json.dumps(params))
        return heard

    def begin(self) -> None:
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")


@contextmanager
def browser(folder: Path) -> Iterator[Tab]:
    """A browser with a profile of its own in ``folder``. It ends with the test, also with one that fails."""
    (theirs_in, ours_out), (ours_in, theirs_out) = os.pipe(), os.pipe()
    line = [sys.executable, "-c", _HAND_OVER, str(theirs_in), str(theirs_out)]
    process = subprocess.Popen(
        [*line, BROWSER, *_OPTIONS, f"--user-data-dir={folder}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=(theirs_in, theirs_out),
        env={**os.environ, "HOME": str(folder)},
        start_new_session=True,
    )
    os.close(theirs_in)
    os.close(theirs_out)
    try:
        tab = Tab(ours_out, ours_in)
        tab.begin()
        yield tab
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(DEADLINE)
        os.close(ours_out)
        os.close(ours_in)
