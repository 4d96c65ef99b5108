"""Commands that stand on a page for people, taken from it and run: so page and program cannot drift apart."""

import os
import re
import shlex
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from tests.support import forks
from tests.support.cdpoll_process import CDPOLL, DEADLINE, ROOT, House, until


def section(page: str, heading: str) -> str:
    """What stands under a heading of a page of ours, up to the next one that is not below it."""
    text = (ROOT / page).read_text()
    depth = len(heading) - len(heading.lstrip("#"))
    found = re.search(rf"^{re.escape(heading)}\n(.*?)(?=^#{{1,{depth}}} |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"{page} has no {heading!r}"
    return found[1]


def commands(text: str) -> list[str]:
    """The indented blocks of a text, each as it would be copied and pasted."""
    blocks = re.findall(r"(?:^    .*\n)+", text, re.MULTILINE)
    return [re.sub(r"^    ", "", block, flags=re.MULTILINE).strip() for block in blocks]


@contextmanager
def started(house: House, command: str, *more: str) -> Iterator[None]:
    """The sandbox as a page says to start it, in the house's folder, with ``more`` arguments."""
    out, err = house.folder / "sandbox.out", house.folder / "sandbox.err"
    line = [*shlex.split(command, comments=True)[1:], *more]
    with out.open("wb") as said, err.open("wb") as noise, Path(os.devnull).open("rb") as null, chdir(house.folder):
        streams = (null.fileno(), said.fileno(), noise.fileno())
        vendor = forks.start(line, environment(house), streams)
    try:
        until(lambda: " run\n" in err.read_text(), err.read_text(), vendor)
        house.config = house.folder / "cdpoll-sandbox" / "cdpoll.ini"
        house.database = Path(house.cdpoll("db", "path", check=0).text.strip())
        yield
    finally:
        vendor.send_signal(signal.SIGTERM)
        assert vendor.wait(60) == 0, err.read_text()


@contextmanager
def serving(house: House, url: str) -> Iterator[None]:
    """`cdpoll serve callback` by the house's configuration, which says that it listens at ``url``."""
    with (house.folder / "served.log").open("wb") as log:
        process = subprocess.Popen(
            house.line("serve", "callback"), stderr=log, env=house.environment(), start_new_session=True
        )
        try:
            until(lambda: answers(url + "/healthz"), "cdpoll serve callback listens", process)
            yield
            process.terminate()
            assert process.wait(DEADLINE) == 0
        finally:
            if process.poll() is None:
                os.killpg(process.pid, 9)


def answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=DEADLINE) as answer:
            return bool(answer.status == 200)
    except URLError:
        return False


def environment(house: House) -> dict[str, str]:
    """In which `cdpoll` is ours."""
    env = house.environment()
    return env | {"PATH": f"{CDPOLL.parent}:{env['PATH']}"}


def paste(house: House, block: str) -> str:
    """Run a block of commands in a shell in the house's folder, as a person would; what they print."""
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", block],
        capture_output=True,
        text=True,
        cwd=house.folder,
        env=environment(house),
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])
