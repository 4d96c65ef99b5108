"""SIGHUP: a configuration that can be used is taken, one that cannot changes nothing and is said."""

import signal
from pathlib import Path

import pytest

from sandbox.server import Sandbox
from tests.daemon.test_manners import codes
from tests.support.bent_sftp import Bend, BentDrop
from tests.support.cdpoll_process import House, begin, until


def test_reload_takes_the_new_configuration(house: House, sandbox: Sandbox) -> None:
    house.write(api_client_id="somebody-else")
    house.record(*begin(sandbox, 1))
    with house.start() as daemon:
        daemon.ready()
        until(lambda: house.status()["api"]["paused"], "the pause")
        house.write(api_client_id="sandbox")
        daemon.process.send_signal(signal.SIGHUP)
        daemon.hear("RELOADING=1")
        assert int(daemon.hear("MONOTONIC_USEC=").partition("=")[2]) > 0
        daemon.hear("READY=1")
        house.rows("UPDATE api SET resumes_at = 1")
        until(lambda: house.value("SELECT state FROM tasks") == "concluded", "the result")
        assert daemon.stopped() == 0


def test_without_callbacks_any_more_what_waited_for_them_is_polled(house: House, sandbox: Sandbox) -> None:
    house.write(callback_listen="127.0.0.1:9272")
    house.record(*begin(sandbox, 1))
    with house.start() as daemon:
        daemon.ready()
        until(lambda: house.status()["callbacks"]["on_since"], "the look at callbacks")
        assert house.value("SELECT reason FROM tasks") == "callback"
        house.write(callback_listen="")
        daemon.process.send_signal(signal.SIGHUP)
        until(lambda: house.value("SELECT state FROM tasks") == "concluded", "the result")
        assert house.value("SELECT on_since FROM callback_lane") is None
        assert daemon.stopped() == 0


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"polling_burst": "many"}, "[polling] burst"),
        ({"store_path": "/nowhere/else.db"}, "[store] cannot change"),
        ({"api_base_url": "http://127.0.0.1:1/rcm/eligibility/v1"}, "belongs to"),
        ({"api_client_secret": "{env NOT_THERE_AT_ALL}"}, "NOT_THERE_AT_ALL"),
        ({"api_ca_file": "/nowhere/ca.pem"}, "/nowhere/ca.pem"),
        ({"api_ca_file": "/etc/hostname"}, "holds no PEM certificate"),
    ],
)
def test_a_bad_configuration_changes_nothing_and_is_said(
    house: House, sandbox: Sandbox, keys: dict[str, str], said: str
) -> None:
    good = dict(house.values)
    with house.start() as daemon:
        daemon.ready()
        house.write(**keys)
        daemon.process.send_signal(signal.SIGHUP)
        daemon.hear("READY=1")
        house.values = good
        house.write()
        (problem,) = [p for p in house.status()["problems"] if p["code"] == "reload_refused"]
        assert said in problem["hint"]
        house.record(*begin(sandbox, 1))
        until(lambda: house.value("SELECT state FROM tasks") == "concluded", "the result, by the old configuration")
        daemon.process.send_signal(signal.SIGHUP)
        daemon.hear("READY=1")
        assert "reload_refused" not in codes(house)
        assert daemon.stopped() == 0


def test_reload_tries_a_refused_sftp_login_at_once(tmp_path: Path, bend: Bend) -> None:
    drop = BentDrop()
    drop.password_good = False
    house = House(tmp_path, **bend(drop).keys())
    with house.start() as daemon:
        daemon.ready()
        until(lambda: "sftp_auth" in codes(house), "the refusal")
        house.rows(
            "UPDATE meta SET value = json_set(value, '$.at', value ->> '$.at' + 3000000) WHERE key = 'sftp_login'"
        )
        drop.password_good = True
        daemon.process.send_signal(signal.SIGHUP)
        daemon.hear("READY=1")
        until(lambda: "sftp_auth" not in codes(house), "the login")
        assert daemon.stopped() == 0
    assert drop.logins == 2


def test_reload_takes_another_log_level(house: House) -> None:
    with house.start() as daemon:
        daemon.ready()
        house.write(log_level="error")
        daemon.process.send_signal(signal.SIGHUP)
        daemon.hear("READY=1")
        before = len(daemon.logged())
        assert daemon.stopped() == 0
        assert len(daemon.logged()) == before, "`stopped` is no error"
