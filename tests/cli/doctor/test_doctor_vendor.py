"""What `cdpoll doctor` finds on the way to the vendor and at its API; each failure is a real one."""

import contextlib
import json
import socket
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from pathlib import Path

import pytest

from cli.doctor import vendor as checks
from cli.doctor.vendor import Vendor
from sandbox.server import Sandbox
from tests.cli.doctor.looking import Doctor, doctor
from tests.support.authority import Authority
from tests.support.cdpoll_process import House, begin
from tests.support.loopback import Asked, Loopback, Peer, Script, Serve, answer, closed_port
from worker.clock import Clock
from worker.config import load

TOKEN = json.dumps({"access_token": "t", "expires_in": 3600, "token_type": "bearer"}).encode()
PREFIX = "/rcm/eligibility/v1"


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path, store_runs="once")


def well(*, date: str | None = None) -> Script:
    """A vendor that answers all that the doctor asks."""
    now = date or formatdate(Clock().now() / 1000, usegmt=True)

    def script(asked: Asked, _peer: Peer) -> bytes:
        health = asked.target.endswith("/healthcheck")
        body = TOKEN if asked.method == "POST" else b'{"status": "ok"}' if health else b"[]"
        return answer(200, body, f"date: {now}")

    return script


def at(house: House, vendor: Loopback, **keys: str) -> Doctor:
    house.write(api_base_url=vendor.url + PREFIX, **keys)
    return doctor(house)


def test_a_name_that_is_not_known(house: House) -> None:
    house.write(api_base_url="https://vendor.invalid" + PREFIX)
    found = doctor(house)
    assert found.failed == {"dns"}
    assert "vendor.invalid: " in found.one("dns")["words"]
    assert found.not_checked == {"tcp", "tls", "clock", "token", "healthcheck", "discovery"}
    assert found.picture["requests"] == 0


def test_a_port_on_which_no_server_listens(house: House) -> None:
    with closed_port() as url:
        house.write(api_base_url=url + PREFIX)
        found = doctor(house)
    assert found.failed == {"tcp"}
    assert "the connection is refused" in found.one("tcp")["words"]
    assert "[api] base_url" in found.one("tcp")["cure"]
    assert "token" in found.not_checked


def test_the_token_endpoint_on_a_host_of_its_own(house: House, serve: Serve) -> None:
    vendor = serve(well())
    with closed_port() as url:
        found = at(house, vendor, api_token_url=f"{url}/token")
    assert sorted(found.levels("tcp")) == ["FAIL", "OK"]
    assert "token_url" in next(one for one in found.findings if one["level"] == "FAIL")["cure"]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.mark.parametrize(
    ("days", "host", "level", "said"),
    [
        ((-1, 30), "127.0.0.1", "OK", "a trusted certificate of ours, which expires in 29 d"),
        ((-1, 3), "127.0.0.1", "WARN", "which expires in 2 d"),
        ((-9, -1), "127.0.0.1", "FAIL", "has expired"),
        ((1, 9), "127.0.0.1", "FAIL", "is not valid yet"),
        ((-1, 9), "other.example.com", "FAIL", "is for another host"),
    ],
)
def test_the_certificate(
    house: House, authority: Authority, days: tuple[int, int], host: str, level: str, said: str
) -> None:
    with Loopback(well(), tls=authority.certificate("v", host, days).server()) as vendor:
        found = at(house, vendor, api_ca_file=str(authority.file))
        told = found.one("tls")
        assert (told["level"], said in told["words"]) == (level, True), told
        if level == "FAIL":
            assert found.failed == {"tls"}
            assert found.not_checked == {"clock", "token", "healthcheck", "discovery"}
            assert vendor.asked == []
        else:
            assert "TLSv1." in told["words"]
            assert found.failed == set()


def test_a_certificate_of_an_issuer_that_is_not_trusted(house: House, serve: Serve, authority: Authority) -> None:
    found = at(house, serve(well(), tls=authority.certificate("v").server()))
    assert found.failed == {"tls"}
    assert "this machine does not know the issuer" in found.one("tls")["words"]
    assert "ca_file" in found.one("tls")["cure"]


def answer_in_plain_http(listening: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the end of the test
        while True:
            peer, _ = listening.accept()
            with peer:
                if peer.recv(4096):  # the first connection only tries whether one can be had
                    peer.sendall(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")


def test_a_peer_that_speaks_no_tls(house: House, authority: Authority) -> None:
    with ThreadPoolExecutor(1) as pool, socket.create_server(("127.0.0.1", 0)) as listening:
        pool.submit(answer_in_plain_http, listening)
        address = f"https://127.0.0.1:{listening.getsockname()[1]}{PREFIX}"
        house.write(api_base_url=address, api_ca_file=str(authority.file))
        found = doctor(house)
        listening.shutdown(socket.SHUT_RDWR)
    assert "does not speak TLS at this port" in found.one("tls")["words"]


def test_tls_is_seen_without_credentials_too(house: House, serve: Serve, authority: Authority) -> None:
    """A systemd credential can be had by the service alone."""
    vendor = serve(well(), tls=authority.certificate("v").server())
    found = at(house, vendor, api_ca_file=str(authority.file), api_client_secret="{credential client_secret}")
    assert found.failed == set()
    assert found.one("tls")["level"] == "OK"
    assert found.not_checked == {"configuration", "token", "healthcheck", "discovery"}
    told = next(one for one in found.findings if one["words"].startswith("not checked: "))
    assert "systemd-run, with the User= and LoadCredential= of the unit" in told["cure"]
    assert [asked.header("authorization") for asked in vendor.asked] == [None]


@pytest.mark.parametrize(
    ("apart_s", "level"), [(0, "OK"), (-20, "OK"), (40, "WARN"), (-100, "WARN"), (900, "FAIL"), (-31_536_000, "FAIL")]
)
def test_the_clock_against_that_of_the_vendor(house: House, serve: Serve, apart_s: int, level: str) -> None:
    vendor = serve(well(date=formatdate(Clock().now() / 1000 + apart_s, usegmt=True)))
    found = at(house, vendor)
    told = found.one("clock")
    assert told["level"] == level
    if level != "OK":
        assert ("behind" if apart_s > 0 else "ahead of") in told["words"]
        assert "timedatectl" in told["cure"]


def test_an_answer_without_a_date(house: House, serve: Serve) -> None:
    assert at(house, serve(well(date="soon"))).not_checked == {"clock"}


def test_a_refused_secret_is_one_attempt(house: House, sandbox: Sandbox) -> None:
    house.write(api_base_url=sandbox.base_url)
    (house.folder / "secret").write_text("wrong")
    found = doctor(house)
    assert found.failed == {"token"}
    assert "HTTP 401 (invalid_client), when a token was asked for" in found.one("token")["words"]
    assert "client_secret" in found.one("token")["cure"]
    assert found.not_checked == {"healthcheck", "discovery"}
    assert sandbox.requests == {("token", 401): 1}


def test_whose_tasks_the_backfill_would_take(house: House, sandbox: Sandbox) -> None:
    house.write(api_base_url=sandbox.base_url, backfill_tenant_names="Sandbox customer")
    assert doctor(house).levels("backfill") == [], "nothing is listed yet"
    begin(sandbox, 2)
    told = doctor(house).one("backfill")
    assert (told["level"], "the list says Sandbox Customer" in told["words"]) == ("WARN", True)
    house.write(backfill_tenant_names="Other; Sandbox Customer")
    assert doctor(house).one("backfill")["level"] == "OK"


@pytest.mark.parametrize(
    ("faults", "check", "level", "said"),
    [
        ("500@token", "token", "FAIL", "HTTP 500"),
        ("429:30@token", "token", "WARN", "HTTP 429"),
        ("500@/healthcheck", "healthcheck", "FAIL", "HTTP 500"),
        ("forbidden@/healthcheck", "healthcheck", "WARN", "HTTP 403"),
        ("429:30@/healthcheck", "healthcheck", "WARN", "HTTP 429"),
        ("forbidden@list", "discovery", "FAIL", "HTTP 403"),
        ("500@list", "discovery", "WARN", "HTTP 500"),
    ],
)
def test_what_the_vendor_answers(tmp_path: Path, faults: str, check: str, level: str, said: str) -> None:
    with Sandbox(Clock(), faults=faults) as vendor:
        found = doctor(House(tmp_path, vendor, store_runs="once"))
    told = found.one(check)
    assert (told["level"], said in told["words"]) == (level, True), told
    assert found.failed == ({check} if level == "FAIL" else set())


def test_a_product_that_the_credential_has_not(house: House, serve: Serve) -> None:
    body = json.dumps({"error": "invalid_product"}).encode()

    def script(asked: Asked, peer: Peer) -> bytes | None:
        return answer(401, body) if asked.target.startswith(f"{PREFIX}/coverage-discovery") else well()(asked, peer)

    found = at(house, serve(script))
    assert found.failed == {"discovery"}
    assert "HTTP 401 (invalid_product)" in found.one("discovery")["words"]


def test_a_page_in_place_of_an_answer(house: House, serve: Serve) -> None:
    found = at(house, serve(lambda asked, peer: answer(200, b"<html>Welcome</html>")))
    assert found.failed == {"token"}
    assert "HTML" in found.one("token")["words"]


def test_a_proxy_that_refuses_our_login(house: House, serve: Serve) -> None:
    proxy = serve(lambda asked, peer: answer(407))
    house.write(api_base_url="https://vendor.example.com" + PREFIX, api_proxy=proxy.url)
    found = doctor(house)
    assert found.failed == {"proxy"}
    assert "HTTP 407" in found.one("proxy")["words"]
    assert found.not_checked == {"tls", "clock", "token", "healthcheck", "discovery"}
    assert len(proxy.asked) == 1


def test_a_proxy_that_is_not_there(house: House) -> None:
    with closed_port() as url:
        house.write(api_base_url="https://vendor.example.com" + PREFIX, api_proxy=url)
        found = doctor(house)
    assert found.failed == {"tcp"}
    assert "the connection to the proxy is refused" in found.one("tcp")["words"]


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "REQUEST_S", 0.3)


@pytest.mark.usefixtures("hasty")
def test_a_vendor_that_says_nothing_or_drips(house: House, serve: Serve) -> None:
    for script in (lambda asked, peer: peer.hold(), lambda asked, peer: peer.drip(answer(200, TOKEN), 0.2)):
        vendor = serve(script)
        house.write(api_base_url=vendor.url + PREFIX)
        api = load(str(house.config), {}).api
        assert api is not None
        found = {one.check: one for one in Vendor(api, Clock()).checks()}
        assert (found["token"].level, "no answer came in time" in found["token"].words) == ("FAIL", True)
        assert found["healthcheck"].words.startswith("not checked: ")


def test_a_token_without_the_scope_for_health(house: House, sandbox: Sandbox) -> None:
    house.write(api_base_url=sandbox.base_url, api_scope="read_coveragediscovery")
    found = doctor(house)
    assert found.failed == set()
    assert (found.one("healthcheck")["level"], found.one("discovery")["level"]) == ("WARN", "OK")
    assert "read_healthcheck" in found.one("healthcheck")["cure"]
