"""What `cdpoll doctor` finds of the two ways of ``[alert]``. It sends no ping."""

from pathlib import Path

import pytest

from cli.doctor import alert as checks
from tests.cli.doctor.looking import Doctor, doctor
from tests.support.authority import Authority
from tests.support.cdpoll_process import House
from tests.support.loopback import Asked, Loopback, Peer, answer, closed_port
from worker.gateways.units import Unit
from worker.store.opening import open_store
from worker.store.state import alerting


@pytest.fixture
def house(tmp_path: Path) -> House:
    """Nothing but a database that a timer works on."""
    made = House(tmp_path, api_base_url="", api_client_id="", api_client_secret="", api_timeout="", store_runs="once")
    made.record("a")
    return made


def pinged(_asked: Asked, _peer: Peer) -> bytes:
    return answer(200, b"OK")


def at(house: House, address: str, **keys: str) -> Doctor:
    house.write(alert_ping=address, **keys)
    return doctor(house)


def test_tls_is_agreed_on_and_no_ping_is_sent(house: House, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with Loopback(pinged, tls=authority.certificate("m").server()) as monitor:
        address = f"https://127.0.0.1:{monitor.port}/uuid"
        told = at(house, address, alert_ca_file=str(authority.file)).one("alert_ping")
        assert told["level"] == "OK"
        assert "a trusted certificate of ours; no ping was sent" in told["words"]
        told = at(house, address, alert_ca_file="").one("alert_ping")
        assert (told["level"], "ca_file" in told["cure"]) == ("WARN", True)
        assert monitor.asked == []


def test_plain_http_on_this_machine(house: House) -> None:
    with Loopback(pinged) as monitor:
        told = at(house, f"http://127.0.0.1:{monitor.port}/uuid").one("alert_ping")
        assert (told["level"], monitor.asked) == ("OK", [])
    assert "uuid" not in told["words"]


@pytest.mark.parametrize("host", ["127.0.0.1", "nowhere.invalid"])
def test_a_way_that_leads_nowhere_is_a_warning(house: House, host: str) -> None:
    with closed_port() as address:
        found = at(house, f"https://{host}:{address.rpartition(':')[2]}/uuid")
    assert (found.one("alert_ping")["level"], found.code) == ("WARN", 0)
    assert "[alert] ping" in found.one("alert_ping")["cure"]


def test_pings_and_programs_that_fail_are_told(house: House) -> None:
    with open_store(house.database) as store, store.write():
        alerting.put_attempts(store, "ping", alerting.Attempts(None, 1, "hc-ping.com answered 404"))
    with Loopback(pinged) as monitor:
        found = at(house, f"http://127.0.0.1:{monitor.port}/uuid")
    assert found.levels("alert_ping") == ["OK", "WARN"]
    assert "hc-ping.com answered 404" in str(found.findings)


def test_the_program_of_alerts(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    program = house.folder / "page-me"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    house.write(alert_command=str(program))
    found = doctor(house)
    assert found.one("alert_command")["level"] == "OK"
    assert found.failed == {"deliveries"}, "nothing starts it"
    program.chmod(0o644)
    assert doctor(house).failed == {"configuration", "deliveries"}
    monkeypatch.setattr(checks, "unit_of", lambda _: Unit(True, "active", 1, watched=True, restarts=True))
    told = checks._command("/home/ann/page-me")
    assert (told.level, told.cure) == ("WARN", "put the program into /usr/local/bin")
    assert checks._command("/usr/local/bin/page-me").level == "OK"
