"""``cdpoll callback-check`` against the real ``cdpoll serve callback``, over TLS, and what it prints."""

import json
import ssl
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from cli.callback.rehearsing import CHECKS
from tests.support.authority import Authority
from tests.support.cdpoll_process import House, until
from tests.support.loopback import Certificate, Loopback, Peer, answer, closed_port
from tests.support.served import served

SECRET = "a-secret-of-the-callbacks"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def house(tmp_path: Path, authority: Authority) -> House:
    made = House(tmp_path)
    secret = tmp_path / "callback-secret"
    secret.write_text(SECRET)
    secret.chmod(0o600)
    certificate = authority.certificate(tmp_path.name, days=(-1, 80))
    made.write(
        callback_client_id="cdpoll-hospital",
        callback_client_secret=f"{{file {secret}}}",
        callback_scope="coverage",
        callback_tls_certificate=str(certificate.cert),
        callback_tls_key=str(certificate.key),
        support_customer="St. Mary's",
        support_environment="production",
    )
    made.record("a")
    return made


@pytest.fixture
def port(house: House) -> Iterator[int]:
    with served(house, what="callback") as process:
        until(lambda: b"Booting worker" in process.log.read_bytes(), "a worker process", process.process)
        yield process.port


def test_the_vendor_is_played_against_the_real_endpoints(house: House, port: int, authority: Authority) -> None:
    url = f"https://127.0.0.1:{port}"
    before = house.rows("SELECT (SELECT count(*) FROM tasks), (SELECT count(*) FROM outbox)")
    line = ["callback-check", url, "--ca-file", str(authority.file), "--patience"]
    told = house.cdpoll(*line, "5s", "--json", check=0).json
    assert told["ok"]
    levels: dict[str, set[str]] = {}
    for one in told["findings"]:
        levels.setdefault(one["check"], set()).add(one["level"])
    assert levels.keys() == {*CHECKS} - {"plain_http"}
    # It is this machine, and a client that stalls is cut after ten seconds.
    assert {name for name, seen in levels.items() if seen != {"OK"}} == {"domain", "dns", "slow"}
    assert told["token_url"] == f"{url}/oauth2/token"
    assert house.rows("SELECT (SELECT count(*) FROM tasks), (SELECT count(*) FROM outbox)") == before
    assert house.rows("SELECT * FROM bodies") == []

    ended = house.cdpoll(*line, "1s", check=0)
    assert "OK    content_type" in ended.text
    assert "TLSv1.3, a trusted certificate of ours, which expires in 7" in ended.text
    assert "  customer            St. Mary's\n" in ended.text
    assert f"    production        {url}/oauth2/token  and  {url}/coverage-discovery/callback\n" in ended.text
    assert "client secret       handed over separately" in ended.text
    assert "before the vendor has confirmed it" in ended.text
    assert SECRET not in ended.text + ended.err
    log = (house.folder / "served.log").read_text()
    assert SECRET not in log
    assert "rehearsal" in log


def test_it_works_from_another_machine(house: House, port: int, authority: Authority, tmp_path: Path) -> None:
    secret = tmp_path / "handed-over"
    secret.write_text(f"{SECRET}\n")
    house.config.unlink()
    line = ["callback-check", f"https://127.0.0.1:{port}", "--ca-file", str(authority.file), "--patience", "1s"]
    line += ["--client-id", "cdpoll-hospital", "--scope", "coverage", "--json"]
    assert house.cdpoll(*line, "--secret-file", str(secret), check=0).json["ok"]
    wrong = house.cdpoll(*line, "--secret-env", "OF_THE_CALLBACKS", OF_THE_CALLBACKS="another", check=1).json
    assert {one["check"] for one in wrong["findings"] if one["level"] == "FAIL"} == {"token_basic", "token_json"}
    assert "request" in wrong


def found_tls(house: House, certificate: Certificate, trusted: Path | None, host: str = "127.0.0.1") -> tuple[str, str]:
    """Level and words of the line of TLS, where a server shows this certificate."""
    with Loopback(lambda asked, peer: answer(404), tls=certificate.server()) as server:
        line = ["callback-check", f"https://{host}:{server.port}", "--patience", "1s", "--json"]
        told = house.cdpoll(*line, *([] if trusted is None else ["--ca-file", str(trusted)])).json
    (found,) = [one for one in told["findings"] if one["check"] == "tls"]
    assert found["cure"]
    return found["level"], found["words"]


def test_certificates_that_the_vendor_would_not_take(house: House, authority: Authority, tmp_path: Path) -> None:
    ours, trusted = authority.certificate, authority.file
    between = Authority(tmp_path, "between", authority)
    cut = between.certificate("cut")
    chain = Certificate(tmp_path / "chain.pem", between.certificate("chain-of").key)
    chain.cert.write_bytes((tmp_path / "chain-of.pem").read_bytes() + between.file.read_bytes())
    for certificate, trust, level, words in [
        (ours("expired", days=(-9, -1)), trusted, "FAIL", "has expired"),
        (ours("early", days=(1, 9)), trusted, "FAIL", "not valid yet"),
        (ours("other", "other.example"), trusted, "FAIL", "for another host"),
        (ours("soon", days=(-1, 20)), trusted, "WARN", "expires in 1"),
        (ours("foreign"), None, "FAIL", ""),
        (cut, trusted, "FAIL", "without that of its issuer"),
    ]:
        found = found_tls(house, certificate, trust)
        assert found[0] == level, found
        assert words in found[1], found
    with Loopback(lambda asked, peer: answer(404), tls=chain.server()) as server:
        line = ["callback-check", f"https://127.0.0.1:{server.port}", "--patience", "1s", "--json"]
        told = house.cdpoll(*line, "--ca-file", str(trusted), check=1).json
    assert [one["level"] for one in told["findings"] if one["check"] == "tls"] == ["OK"]


def in_clear(peer: Peer) -> NoReturn:
    peer.send(answer(400))
    peer.hold()


def test_a_server_without_tls_and_one_with_an_old_one(house: House, authority: Authority) -> None:
    # As web servers do that hear TLS at a port without it.
    with Loopback(lambda asked, peer: None, greet=in_clear) as server:
        line = ["callback-check", f"https://127.0.0.1:{server.port}", "--patience", "1s", "--json"]
        told = house.cdpoll(*line, check=1).json
    (tls,) = [one for one in told["findings"] if one["check"] == "tls"]
    assert "does not speak TLS" in tls["words"]
    behind = [one for one in told["findings"] if one["words"].startswith("not checked")]
    assert {one["check"] for one in behind} >= {"token_basic", "delivery", "slow"}
    context = authority.certificate("old").server()
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with Loopback(lambda asked, peer: answer(200), tls=context) as server:
        line = ["callback-check", f"https://127.0.0.1:{server.port}", "--ca-file", str(authority.file), "--json"]
        told = house.cdpoll(*line, check=1).json
    (tls,) = [one for one in told["findings"] if one["check"] == "tls"]
    assert "no TLS 1.2 or later" in tls["words"]


def test_nothing_is_sent_in_clear(house: House) -> None:
    told = house.cdpoll("callback-check", "http://callbacks.example.com", "--json", check=1).json
    assert told["requests"] == 0
    assert [one["check"] for one in told["findings"] if one["level"] == "FAIL"] == ["url"]
    assert all(one["words"].startswith("not checked") for one in told["findings"][2:])


def test_the_url_of_the_configuration(house: House) -> None:
    assert "name a URL" in house.cdpoll("callback-check", check=2).err
    with closed_port() as url:
        house.write(callback_public_url=url)
        ended = house.cdpoll("callback-check", check=1)
    assert "FAIL  tcp" in ended.text
    assert "mend what has failed before you send it" in ended.err


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["https://user:pass@h.example"], 2, "holds a user name or password"),
        (["ftp://h.example"], 2, "not an http address"),
        (["https://h.example?x=1"], 2, "holds a query"),
        (["https://h.example", "--token-url", "x"], 2, "not an http address"),
        (["https://h.example", "--patience", "soon"], 2, "write a number with a unit"),
        (["https://h.example", "--ca-file", "/nowhere"], 78, "--ca-file: /nowhere"),
        (["https://h.example", "--secret-file", "/nowhere"], 78, "--secret-file: /nowhere"),
        (["https://h.example", "--secret-env", "NOT_SET_HERE"], 78, "NOT_SET_HERE is not set"),
    ],
)
def test_bad_input(house: House, args: list[str], code: int, said: str) -> None:
    ended = house.cdpoll("callback-check", *args, check=code)
    assert said in ended.err
    assert "pass@" not in ended.err


def test_the_pair_has_to_be_known(house: House) -> None:
    house.write(callback_client_secret="")
    assert "client secret is not known" in house.cdpoll("callback-check", "https://h.example", check=78).err
    house.write(callback_client_id="")
    line = ["callback-check", "https://h.example", "--secret-file", str(house.folder / "callback-secret")]
    assert "client id is not known" in house.cdpoll(*line, check=78).err


def test_a_credential_is_read_from_its_file_before_the_service_runs(house: House) -> None:
    (house.folder / "credentials").mkdir()
    (house.folder / "credentials/callback-secret").write_text(SECRET)
    house.write(callback_client_secret="{credential callback-secret}")
    with closed_port() as url:
        told = json.loads(house.cdpoll("callback-check", url, "--json", check=1).out)
    assert "tcp" in {one["check"] for one in told["findings"]}
