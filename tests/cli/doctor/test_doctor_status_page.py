"""The vendor's public status page: theirs or ours?"""

import json
from pathlib import Path

import pytest

from cli.doctor.status_page import PageSaid, verdict
from sandbox.server import Sandbox
from tests.cli.doctor.looking import doctor
from tests.support.cdpoll_process import House
from tests.support.loopback import Asked, Peer, Script, Serve, answer, closed_port
from worker.clock import Clock

INCIDENT = {"name": "Slow answers \u202e\x1b[31m", "status": "investigating"}


def page(indicator: str = "none", *, summary: bool = True) -> Script:
    status = {"indicator": indicator, "description": f"all about {indicator}"}
    body = {"page": {}, "status": status, "incidents": [INCIDENT] if indicator != "none" else []}

    def script(asked: Asked, _peer: Peer) -> bytes:
        if asked.target == "/api/v2/summary.json" and summary:
            return answer(200, json.dumps(body).encode())
        if asked.target == "/api/v2/status.json":
            return answer(200, json.dumps({"status": status}).encode())
        return answer(404)

    return script


@pytest.fixture
def house(tmp_path: Path, sandbox: Sandbox) -> House:
    return House(tmp_path, sandbox, store_runs="once")


@pytest.mark.parametrize("path", ["", "/", "/api/v2/status.json", "/api/v2/summary.json", "/api/v2/"])
def test_a_page_that_tells_of_no_trouble(house: House, serve: Serve, path: str) -> None:
    there = serve(page())
    house.write(doctor_vendor_status=there.url + path)
    found = doctor(house)
    told = found.one("vendor_status")
    assert (told["level"], told["words"]) == ("OK", 'the vendor\'s page says "all about none"')
    assert [asked.target for asked in there.asked] == ["/api/v2/summary.json"]
    assert {asked.header("authorization") for asked in there.asked} == {None}


def test_a_page_without_a_summary(house: House, serve: Serve) -> None:
    there = serve(page("minor", summary=False))
    house.write(doctor_vendor_status=there.url)
    assert '"all about minor"' in doctor(house).one("vendor_status")["words"]
    assert len(there.asked) == 2


def test_trouble_that_is_theirs(tmp_path: Path, serve: Serve) -> None:
    there = serve(page("major"))
    with Sandbox(Clock(), faults="500@/healthcheck") as vendor:
        house = House(tmp_path, vendor, store_runs="once", doctor_vendor_status=there.url)
        found = doctor(house)
        told = found.one("vendor_status")
        assert found.failed == {"healthcheck"}
        assert told["words"].endswith(": what fails is theirs")
        assert "Slow answers" in told["words"]
        # Text from outside steers no terminal.
        printed = house.cdpoll("doctor", check=1).text
        assert "\x1b" not in printed
        assert "\u202e" not in printed


def test_trouble_that_is_ours_though_the_page_tells_of_some(house: House, serve: Serve) -> None:
    house.write(doctor_vendor_status=serve(page("major")).url)
    (house.folder / "secret").write_text("wrong")
    told = doctor(house).one("vendor_status")
    assert told["words"].endswith("but what fails here is ours")


def test_trouble_that_only_we_have(house: House, serve: Serve) -> None:
    with closed_port() as url:
        house.write(doctor_vendor_status=serve(page()).url, api_base_url=url + "/rcm/eligibility/v1")
        told = doctor(house).one("vendor_status")
    assert told["words"].endswith(": what fails is ours, or on the way to the vendor")


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"status": null}', b'{"status": {"indicator": 3}}', b"<html>", b'{"incidents": 3}']
)
def test_a_page_of_another_kind(house: House, serve: Serve, body: bytes) -> None:
    house.write(doctor_vendor_status=serve(lambda asked, peer: answer(200, body)).url)
    found = doctor(house)
    assert found.failed == set()
    assert found.one("vendor_status")["words"].endswith("what came is no summary of a status page")


def test_a_page_that_is_not_there(house: House) -> None:
    with closed_port() as url:
        house.write(doctor_vendor_status=url)
        told = doctor(house).one("vendor_status")
    assert (told["level"], told["cure"]) == ("WARN", "check [doctor] vendor_status")


@pytest.mark.parametrize(
    ("indicator", "failures", "level", "end"),
    [
        ("none", [], "OK", '"d"'),
        ("none", ["http_500"], "WARN", "on the way to the vendor"),
        ("minor", [], "WARN", "nothing of it is seen from here"),
        ("minor", ["token_http_503"], "WARN", "is theirs"),
        ("minor", ["http_500", "http_403"], "WARN", "is ours"),
        ("minor", ["token_no_route"], "WARN", "is ours"),
        ("maintenance", ["timeout"], "WARN", "is theirs"),
    ],
)
def test_whose_it_is(indicator: str, failures: list[str], level: str, end: str) -> None:
    found = verdict("https://status.example.com", PageSaid(indicator, "d"), failures)
    assert (found.level, found.words.endswith(end)) == (level, True), found


def test_the_address_is_checked_like_any_other(house: House) -> None:
    house.write(doctor_vendor_status="http://status.example.com")
    assert "http is only for loopback addresses" in house.cdpoll("config", "check", check=78).err
