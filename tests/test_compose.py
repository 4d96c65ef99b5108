"""The containers of packaging/compose: each file, command, option, key and secret that is named there exists."""

import itertools
import json
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from cli.main import COMMANDS
from sandbox.server import Sandbox
from sandbox.settings import config_text
from tests.support.cdpoll_process import CDPOLL
from worker import config
from worker.clock import Clock
from worker.config.settings import Config

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "packaging" / "compose"
DAEMONS = ("east", "west")
DAEMON = pytest.mark.parametrize("name", DAEMONS)


def read(lines: list[str]) -> dict[str, Any]:
    """Of YAML what compose.yaml is written in: indented mappings, whose values are JSON lists, strings or words."""
    made: dict[str, Any] = {}
    depth = len(lines[0]) - len(lines[0].lstrip()) if lines else 0
    while lines and len(lines[0]) - len(lines[0].lstrip()) == depth:
        key, colon, text = lines.pop(0).strip().partition(":")
        assert colon, key
        assert key not in made, f"{key} is written twice"
        inner = list(itertools.takewhile(lambda line: len(line) - len(line.lstrip()) > depth, lines))
        del lines[: len(inner)]
        text = text.strip()
        made[key] = read(inner) if inner else json.loads(text) if text[:1] in ("[", '"') else text
    assert not lines, lines[0]
    return made


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    text = (FOLDER / "compose.yaml").read_text()
    return read([line for line in text.splitlines() if line.strip() and not line.strip().startswith("#")])


def configured(name: str) -> Config:
    return config.load(str(FOLDER / f"{name}.ini"), {})


def commands(compose: dict[str, Any]) -> Iterator[list[str]]:
    """What is given to cdpoll, as a container's command or in a health check."""
    for service in compose["services"].values():
        if service["image"] == "cdpoll":
            yield service["command"]
        test = service["healthcheck"]["test"]
        if test[0] == "CMD-SHELL":
            program, *rest = shlex.split(test[1].partition(";")[0])
            assert program == "cdpoll"
            yield rest


def test_each_command_and_option_exists(compose: dict[str, Any]) -> None:
    given = list(commands(compose))
    assert {name for name, *_ in given} == {"sandbox", "run", "status"}
    for name, *rest in given:
        assert name in COMMANDS
        done = subprocess.run([CDPOLL, name, "--help"], capture_output=True, text=True, check=True)
        known = click.unstyle(done.stdout).split()
        assert [option for option in rest if option.startswith("--") and option not in known] == []


def test_each_service_has_a_check_of_its_health_and_is_started_again(compose: dict[str, Any]) -> None:
    assert [*compose["services"]] == ["database", "sandbox", *DAEMONS]
    for service in compose["services"].values():
        assert service["restart"] == "unless-stopped"
        assert service["healthcheck"]["test"]


@DAEMON
def test_a_daemon_waits_for_services_that_exist_and_has_files_of_its_own(compose: dict[str, Any], name: str) -> None:
    service = compose["services"][name]
    assert {*service["depends_on"]} == {"database", "sandbox"}
    shown, own = (volume.split(":") for volume in service["volumes"])
    assert shown == [f"./{name}.ini", "/etc/cdpoll/cdpoll.ini", "ro"]
    assert own[0] == name
    assert name in compose["volumes"]
    assert Path(own[1]) == configured(name).store.path.parent


@DAEMON
def test_a_configuration_is_right_and_names_its_daemon(name: str) -> None:
    read_in = configured(name)
    assert (read_in.store.place.server.daemon if read_in.store.place.server else None) == name
    assert read_in.warnings == ()


def test_the_configurations_differ_in_the_name_of_the_daemon_alone() -> None:
    east, west = ((FOLDER / f"{name}.ini").read_text().splitlines()[1:] for name in DAEMONS)
    assert [pair for pair in zip(east, west, strict=True) if pair[0] != pair[1]] == [("daemon = east", "daemon = west")]


@DAEMON
def test_a_daemon_asks_the_sandbox_by_the_network_that_they_share(compose: dict[str, Any], name: str) -> None:
    """The sandbox listens on loopback, and plain http is taken of loopback alone."""
    command = compose["services"]["sandbox"]["command"]
    port = command[command.index("--port") + 1]
    api = configured(name).api
    assert api is not None
    assert api.base_url.startswith(f"http://127.0.0.1:{port}/")
    assert compose["services"][name]["network_mode"] == "service:sandbox"
    assert f"('127.0.0.1', {port})" in compose["services"]["sandbox"]["healthcheck"]["test"][-1]


@DAEMON
def test_a_daemon_is_given_the_secrets_that_its_configuration_names(compose: dict[str, Any], name: str) -> None:
    given = compose["services"][name]["secrets"]
    text = (FOLDER / f"{name}.ini").read_text()
    assert {f"{{file /run/secrets/{secret}}}" for secret in given} == {
        line.partition(" = ")[2] for line in text.splitlines() if "{" in line
    }


def test_the_secrets_are_files_that_git_leaves_alone_and_stand_in_no_environment(compose: dict[str, Any]) -> None:
    used = {secret for service in compose["services"].values() for secret in service.get("secrets", [])}
    assert {*compose["secrets"]} == used
    for name, secret in compose["secrets"].items():
        assert secret == {"file": f"./secrets/{name}"}
        assert f"secrets/{name}" in (ROOT / "docs" / "postgresql.md").read_text()
    assert "packaging/compose/secrets/" in (ROOT / ".gitignore").read_text().splitlines()
    variables = {key for service in compose["services"].values() for key in service.get("environment", {})}
    assert {key for key in variables if "PASSWORD" in key} == {"POSTGRES_PASSWORD_FILE"}


def test_the_image_is_made_of_files_that_exist(compose: dict[str, Any]) -> None:
    build = compose["services"]["sandbox"]["build"]
    context = (FOLDER / build["context"]).resolve()
    assert context == ROOT
    lines = (context / build["dockerfile"]).read_text().splitlines()
    copied = [source for line in lines if line.startswith("COPY ") for source in line.split()[1:-1]]
    assert "requirements-postgres.txt" in copied
    assert [source for source in copied if not (context / source).exists()] == []
    assert 'ENTRYPOINT ["cdpoll"]' in lines


@DAEMON
def test_the_daemons_poll_as_the_sandbox_proposes_at_its_speed(compose: dict[str, Any], name: str) -> None:
    command = compose["services"]["sandbox"]["command"]
    sandbox = Sandbox(Clock(), speed=float(command[command.index("--speed") + 1]))
    proposed = config_text(sandbox, "cdpoll.db", "secret").partition("[polling]")[2]
    assert (FOLDER / f"{name}.ini").read_text().partition("[polling]")[2] == proposed
