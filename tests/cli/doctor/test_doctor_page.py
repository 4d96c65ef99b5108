"""What the doctor says of the status page, where its socket is started."""

import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.doctor.looking import Doctor, doctor
from tests.support.cdpoll_process import House
from tests.support.loopback import Serve, always, answer, closed_port
from worker.web.unix import unix_listener

Listening = Callable[..., Doctor]


@pytest.fixture
def listening(house: House, tmp_path: Path) -> Listening:
    """A command of the name stands for systemd, which tests have none of."""
    house.record("a")
    tool = tmp_path / "bin" / "systemctl"
    tool.parent.mkdir()

    def look(address: str, state: str = "active", wanted: str = "enabled", more: str = "") -> Doctor:
        said = f"echo ActiveState={state}\necho UnitFileState={wanted}\necho 'Listen={address} (Stream)'\n"
        said += f"echo 'Listen={more} (Stream)'\n" if more else ""
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


def test_what_takes_ids(listening: Listening, serve: Serve, house: House) -> None:
    well = serve(always(answer(200, b"ok\n")))
    address = f"127.0.0.1:{well.port}"
    found = listening(address).one("intake")
    assert (found["level"], found["words"]) == ("OK", f"ids are taken at {address} without a token")
    with closing(unix_listener(house.folder / "s", "", 8)):
        pass
    silent = listening(address, more=str(house.folder / "s"))
    assert silent.levels("page") == ["OK"]
    assert (silent.one("intake")["level"], "systemctl restart" in silent.one("intake")["cure"]) == ("FAIL", True)
    secret = house.folder / "token"
    house.write(local_token=f"{{file {secret}}}")
    assert listening(address).one("intake")["level"] == "FAIL"
    secret.write_text("a token")
    assert listening(address).one("intake")["words"].endswith("with the token")
    house.write(local_token="{credential intake-token}")
    assert listening(address).one("intake")["level"] == "WARN"
