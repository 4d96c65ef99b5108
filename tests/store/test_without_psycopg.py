"""Without the extra `postgres`: all that needs no server works, and what needs one says what is missing."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.support.cdpoll_process import ROOT, House

pytestmark = pytest.mark.sqlite  # without psycopg there is no server

# Each module of ours, but for the six that speak with a server.
IMPORT_ALL = """
import sys
sys.modules["psycopg"] = None
import importlib, pkgutil, worker, cli, sandbox
for package in (worker, cli, sandbox):
    for one in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not one.name.endswith("__main__"):
            try:
                importlib.import_module(one.name)
            except ImportError:
                print(one.name)
"""
OF_SERVERS = [
    "worker.store.db.postgres",
    "worker.store.db.server_address",
    "worker.store.db.server_failures",
    "worker.store.db.server_values",
    "worker.store.moving.into_server",
    "worker.store.schema.server",
]

COMMAND = """
import sys
sys.modules["psycopg"] = None
from cli.main import main
sys.exit(main())
"""


def run(house: House, *args: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-c", COMMAND, "--config", str(house.config), *args]
    return subprocess.run(line, env=house.environment(), capture_output=True, text=True, timeout=60)


def test_only_what_speaks_with_a_server_needs_it() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORT_ALL], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == OF_SERVERS, done.stderr


def test_a_file_needs_nothing_of_it(tmp_path: Path) -> None:
    house = House(tmp_path)
    assert run(house, "record", "a").returncode == 0
    assert run(house, "db", "integrity").returncode == 0
    assert '"pending": 1' in run(house, "status", "--json").stdout


@pytest.mark.parametrize("command", [["record", "a"], ["status"], ["run", "--once"], ["db", "migrate"]], ids=" ".join)
def test_a_url_without_it_is_a_mistake_of_the_configuration(tmp_path: Path, command: list[str]) -> None:
    done = run(House(tmp_path, store_url="postgresql://db.example/cdpoll"), *command)
    assert done.returncode == 78
    assert "[store] url needs psycopg, which is not installed" in done.stderr
    assert "make install EXTRA=postgres" in done.stderr
    assert "Traceback" not in done.stderr


def pins(file: str) -> set[str]:
    """Each package of psycopg's with its version and hashes."""
    text = (ROOT / file).read_text().replace("\\\n", " ")
    return {line for line in text.splitlines() if line.startswith("psycopg")}


def test_what_is_installed_for_it_is_what_the_tests_run_with() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(extras["postgres"]) <= set(extras["dev"])
    assert f"printf '{extras['postgres'][0]}\\n'" in (ROOT / "Makefile").read_text()
    assert len(pins("requirements-postgres.txt")) == 2
    assert pins("requirements-postgres.txt") == pins("requirements-dev.txt")
    assert not pins("requirements.txt")
