"""The recipes of docs/integration.md as they stand there, but for addresses and paths: each brings every id of its
check to cdpoll, with the ref that the page says."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from sandbox import examples
from sandbox.server import Sandbox
from tests.support.cdpoll_process import CDPOLL, DEADLINE, House, token, until
from tests.support.rehearsing import free_port, section
from tests.support.served import served
from worker.clock import Clock

PAGE = "docs/integration.md"
NEEDED = ("curl", "java", "javac", "node", "mcs", "mono", "nginx")
MISSING = [name for name in NEEDED if shutil.which(name) is None]

pytestmark = [pytest.mark.system, pytest.mark.skipif(bool(MISSING), reason=f"missing: {', '.join(MISSING)}")]

Run = Callable[["RecipeSite", str], None]


def changed(text: str, here: dict[str, str]) -> str:
    return re.sub("|".join(map(re.escape, here)), lambda match: here[match[0]], text)


@dataclass(frozen=True, slots=True)
class RecipeSite:
    """A vendor that names its tasks on a Link line each, an intake, and a folder with a request."""

    vendor: Sandbox
    house: House
    intake: str

    @property
    def folder(self) -> Path:
        return self.house.folder

    def blocks(self, heading: str) -> list[str]:
        """The programs below a heading of the page, with the addresses and paths of this site."""
        found = re.findall(r"(?:^    .*\n(?:\n(?=    ))?)+", section(PAGE, heading), re.MULTILINE)
        here = {
            "http://127.0.0.1:9271": self.intake,
            "/var/spool/cdpoll": str(self.folder / "spool"),
            "/var/log/nginx": str(self.folder),
            "/run/nginx.pid": str(self.folder / "pid"),
        }
        texts = [re.sub(r"^    ", "", block, flags=re.MULTILINE) for block in found]
        return [changed(text, here) for text in texts]

    def call(self, *line: str, **env: str) -> None:
        """Run a command in the folder; it ends well."""
        around = {"API": self.vendor.base_url, "TOKEN": token(self.vendor), "PYTHONPATH": str(self.folder), **env}
        path = f"{CDPOLL.parent}:{os.environ['PATH']}"
        named = {"PATH": path, "CDPOLL_CONFIG": str(self.house.config), **around}
        done = subprocess.run(
            line,
            cwd=self.folder,
            env=self.house.environment(**named),
            capture_output=True,
            text=True,
            timeout=DEADLINE,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def recorded(self, ref: str) -> set[str]:
        rows = self.house.rows("SELECT t.id FROM tasks t JOIN refs r ON r.task = t.seq WHERE r.ref = ?", ref)
        return {one for (one,) in rows}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RecipeSite]:
    folder = tmp_path_factory.mktemp("site")
    request = examples.real_time_request(1, 1, "TWO-MINUTES-FOUND")
    (folder / "check.json").write_text(json.dumps(request))
    with ExitStack() as stack:
        vendor = stack.enter_context(Sandbox(Clock(), faults="link_lines"))
        house = House(folder, vendor, local_socket=str(folder / "intake.sock"))
        house.record("first")
        server = stack.enter_context(served(house))
        until(lambda: server.get("/healthz").status == 200, "the intake listens", server.process)
        # It waits for longer here: a busy machine may answer late.
        waits = {"_WAIT_S = 0.95": "_WAIT_S = 50", "_INTAKE_S = 0.5": "_INTAKE_S = 20"}
        hook = house.cdpoll("hook", check=0).text
        (folder / "cdpoll_hook.py").write_text(changed(hook, {"http://127.0.0.1:9271": server.url, **waits}))
        yield RecipeSite(vendor, house, server.url)


def bash(site: RecipeSite, text: str) -> None:
    site.call("bash", "-euo", "pipefail", "-c", text)


def python(site: RecipeSite, text: str) -> None:
    site.call(sys.executable, "-c", text)


def java(site: RecipeSite, text: str) -> None:
    (site.folder / "Check.java").write_text(text)
    site.call("java", "-XX:TieredStopAtLevel=1", "Check.java")


def node(site: RecipeSite, text: str) -> None:
    site.call("node", "-e", text)


def mono(site: RecipeSite, text: str) -> None:
    (site.folder / "Check.cs").write_text(text)
    site.call("mcs", "-langversion:7.2", "-r:System.Net.Http.dll", "Check.cs")
    site.call("mono", "Check.exe")


def left(site: RecipeSite, text: str) -> None:
    """The daemon takes it. Headers say no ref, so the id is recorded once more with one."""
    site.house.write(spool_path=str(site.folder / "spool"))
    site.house.cdpoll("run", "--once", check=0)  # which makes the folder
    before = {one for (one,) in site.house.rows("SELECT id FROM tasks")}
    bash(site, text)
    site.house.cdpoll("run", "--once", check=0)
    for (one,) in site.house.rows("SELECT id FROM tasks"):
        if one not in before:
            site.house.cdpoll("record", one, "--ref", "ACCT-10", check=0)


RECIPES: dict[str, tuple[Run, list[str]]] = {
    "### curl": (bash, ["ACCT-1", "ACCT-2"]),
    "### Python, with the hook": (python, ["ACCT-3", "ACCT-4"]),
    "### Python by hand": (python, ["ACCT-5", "ACCT-6"]),
    "### Java 17": (java, ["ACCT-7"]),
    "### Node": (node, ["ACCT-8"]),
    "### .NET": (mono, ["ACCT-9"]),
    "### An engine that can only write files": (left, ["ACCT-10"]),
}


@pytest.mark.parametrize("heading", RECIPES, ids=lambda heading: heading.strip("# "))
def test_a_recipe_brings_every_id_of_its_check(site: RecipeSite, heading: str) -> None:
    run, refs = RECIPES[heading]
    blocks = site.blocks(heading)
    assert len(blocks) == len(refs)
    for block, ref in zip(blocks, refs, strict=True):
        before = {task.id for task in site.vendor.tasks}
        run(site, block)
        begun = {task.id for task in site.vendor.tasks} - before
        assert len(begun) > 1
        assert site.recorded(ref) == begun
    assert site.house.cdpoll("unreadable", "list", "--json").json["unreadable"] == []


def test_the_log_of_nginx_names_every_id_and_is_handed_over(site: RecipeSite) -> None:
    http, turn = site.blocks("### nginx")
    maps, log = http[: http.index("access_log ")], http[http.index("access_log ") :]
    port = free_port()
    temp = "".join(
        f"{kind}_temp_path {site.folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config = site.folder / "nginx.conf"
    config.write_text(
        f"daemon off; user root; pid {site.folder}/pid; error_log {site.folder}/error.log;\nevents {{}}\n"
        f"http {{\n{temp}{maps}server {{ listen 127.0.0.1:{port};\n"
        f"location / {{ proxy_pass {site.vendor.origin};\n{log} }} }} }}\n"
    )
    nginx = subprocess.Popen(["nginx", "-e", str(site.folder / "error.log"), "-c", str(config)])
    try:
        until((site.folder / "pid").exists, "nginx runs", nginx)
        before = {task.id for task in site.vendor.tasks}
        ours = 'curl -sS -f -o none "$API/" -H "Authorization: Bearer $TOKEN" -H "X-Optum-Correlation-Id: by-nginx"'
        by_nginx = site.vendor.base_url.replace(site.vendor.origin, f"http://127.0.0.1:{port}")
        site.call("bash", "-ec", f"{ours} -H 'Content-Type: application/json' -d @check.json", API=by_nginx)
        begun = {task.id for task in site.vendor.tasks} - before
        bash(site, turn)
    finally:
        nginx.terminate()
        nginx.wait(DEADLINE)
    rows = site.house.rows("SELECT id FROM tasks WHERE correlation_id = 'by-nginx'")
    assert {one for (one,) in rows} == begun
    assert len(begun) > 1
    assert not (site.folder / "cdpoll.jsonl.1").exists()


def test_the_hook_reaches_the_socket_too(site: RecipeSite) -> None:
    ways = f"cdpoll_hook.Ways('unix:{site.folder}/intake.sock', spool='')"
    call = (
        f"cdpoll_hook.hand_over({{'location': '/coverage-discovery/by-socket'}}, status=202, ref='ACCT-0', ways={ways})"
    )
    python(site, f"import cdpoll_hook; assert {call}")
    assert site.recorded("ACCT-0") == {"by-socket"}


def test_each_recipe_of_the_page_is_run_or_says_that_it_was_not() -> None:
    headings = re.findall(r"^### .*$", section(PAGE, "## Recipes"), re.MULTILINE)
    assert {*headings} == {*RECIPES, "### nginx", "### Mirth Connect"}
    assert "not run" in section(PAGE, "### Mirth Connect")
