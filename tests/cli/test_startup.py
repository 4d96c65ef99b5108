"""`cdpoll record` and `cdpoll status` run once per check and once per glance: they must not pay for the daemon."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.cdpoll_process import ROOT, House
from tests.support.spool_folder import make_spool

HEAVY = {
    "asyncio",
    "decimal",
    "email",
    "http.client",
    "httpx",
    "importlib.metadata",
    "inspect",
    "logging",
    "random",
    "rich",
    "sqlite_utils",
    "ssl",
    "structlog",
    "tenacity",
    "urllib.request",
    "uuid",
    "xml",
}

# They read what the vendor answers, which `record` never does.
OF_ANSWERS = {"hashlib", "worker.core.lifecycle", "worker.core.vendor.document", "worker.core.vendor.reply"}

# What click itself imports is not ours to save.
RUN = """
import sys, click
before = set(sys.modules)
from cli.main import call
code = call(sys.argv[1:])
print(*sorted(set(sys.modules) - before), file=sys.stderr)
sys.exit(code)
"""


@pytest.mark.parametrize(
    "command",
    [
        ["record", "a", "--ref", "r", "--json"],
        ["record", "--link", '</coverage-discovery/x>; rel="related"'],
        ["record", "--headers", "-"],
        ["record", "--jsonl", "-"],
        ["status"],
        ["status", "--json"],
        ["status", "--check"],
        ["show", "first"],
    ],
    ids=" ".join,
)
def test_the_small_commands_import_nothing_heavy(tmp_path: Path, command: list[str]) -> None:
    house = House(tmp_path)
    house.record("first")
    link = b'link: </coverage-discovery/y>; rel="related"'
    dump = b"HTTP/1.1 200 OK\r\ndate: Sat, 02 May 2026 12:00:00 GMT\r\n" + link + b"\r\n\r\n"
    ended = subprocess.run(
        [sys.executable, "-c", RUN, "--config", str(house.config), *command],
        input=b'{"id": "z"}\n' if "--jsonl" in command else dump,
        capture_output=True,
        cwd=ROOT,
        env=house.environment(),
        timeout=60,
    )
    assert ended.returncode == (2 if "--check" in command else 0), ended.stderr
    assert ended.stdout
    imported = set(ended.stderr.decode().split())
    assert "worker.store.db.store" in imported  # the list is one of modules
    heavy = HEAVY | OF_ANSWERS if command[0] == "record" and "--jsonl" not in command else HEAVY
    wrong = {name for name in imported if any(name == h or name.startswith(h + ".") for h in heavy)}
    assert wrong == set()


def test_a_record_that_uses_the_spool_imports_nothing_heavy_either(tmp_path: Path) -> None:
    house = House(tmp_path, spool_path=str(tmp_path / "spool"))
    house.record("first")
    make_spool(tmp_path / "spool")
    house.rows("PRAGMA user_version = 99999")
    command = ["--config", str(house.config), "record", "a"]
    ended = subprocess.run(
        [sys.executable, "-c", RUN, *command], capture_output=True, cwd=ROOT, env=house.environment(), timeout=60
    )
    assert ended.stdout == b"spooled a\n", ended.stderr
    imported = set(ended.stderr.decode().splitlines()[-1].split())
    assert "worker.gateways.spool.leaving" in imported
    assert {name for name in imported if any(name == h or name.startswith(h + ".") for h in HEAVY)} == set()
