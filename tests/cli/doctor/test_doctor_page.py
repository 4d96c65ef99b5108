"""What the doctor says of the status page, where its socket is started."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.doctor.looking import Doctor, doctor
from tests.support.cdpoll_process import House
from tests.support.loopback import Serve, always, answer, closed_port

Listening = Callable[..., Doctor]


@pytest.fixture
def listening(house: House, tmp_path: Path) -> Listening:
    """A command of the name stands for systemd, which tests have none of."""
    house.record("a")
    tool = tmp_path / "bin" / "systemctl"
    tool.parent.mkdir()

    def look(address: str, state: str = "active", wanted: str = "enabled") -> Doctor:
        said = f"echo ActiveState={state}\necho UnitFileState={wanted}\necho 'Listen={address} (Stream)'\n"
        tool.write_text(f"#!/bin/sh\n{said}")
        tool.chmod(0o755)
        return doctor(house, PATH=f"{tool.parent}:{os.environ['PATH']}")

    return look


def test_the_page_is_asked_where_its_socket_is_started(listening: Listening, serve: Serve) -> None:
    well = serve(always(answer(200, b"ok\n")))
    found = listening(f"127.0.0.1:{well.port}").one("page")
    assert (found["level"], [asked.target for asked in well.asked]) == ("OK", ["/healthz"])
    with closed_port() as url:
        found = listening(url.partition("//")[2]).one("page")
    assert found["level"] == "FAIL"
    assert "systemctl restart cdpoll-local.socket" in found["cure"]


def test_nothing_is_told_of_a_page_that_is_not_wanted(listening: Listening) -> None:
    assert listening("127.0.0.1:1", "inactive", "disabled").levels("page") == []


def test_a_socket_that_is_enabled_and_stopped_is_told(listening: Listening) -> None:
    found = listening("127.0.0.1:1", "inactive").one("page")
    assert (found["level"], found["cure"]) == ("WARN", "systemctl start cdpoll-local.socket")
