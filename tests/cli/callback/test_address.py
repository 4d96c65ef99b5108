"""The addresses that the vendor is told: what it can reach, and which domain is to be whitelisted."""

import socket

import pytest

from cli.callback import address
from cli.callback.address import Target, addressed, common_domain, target_of, way
from cli.doctor.finding import Finding
from tests.support.loopback import closed_port, full_listener
from worker.config import CallbackSection, load
from worker.config.urls import read_url


def section(**keys: str) -> CallbackSection:
    found = load(None, {f"CDPOLL_CALLBACK_{key.upper()}": text for key, text in keys.items()}).callback
    assert found is not None
    return found


def levels(found: list[Finding], check: str) -> list[str]:
    return [one.level for one in found if one.check == check]


@pytest.mark.parametrize(
    ("url", "token", "callback"),
    [
        ("https://h.example", "https://h.example/oauth2/token", "https://h.example/coverage-discovery/callback"),
        ("https://h.example:443/", "https://h.example/oauth2/token", "https://h.example/coverage-discovery/callback"),
        ("https://H.example:8443/a/", "https://h.example:8443/a/oauth2/token", None),
        ("https://h.example/a/coverage-discovery/callback", "https://h.example/a/oauth2/token", None),
        ("https://h.example/oauth2/token", "https://h.example/oauth2/token", None),
    ],
)
def test_both_addresses_are_made_of_one(url: str, token: str, callback: str | None) -> None:
    found = target_of(url, None, None)
    assert found.token_url == token
    assert found.callback_url == (callback or token.replace("oauth2/token", "coverage-discovery/callback"))


def test_the_paths_and_the_scope_are_those_of_the_configuration() -> None:
    found = target_of("https://h.example/x/in", None, section(token_path="/key", callback_path="/in", scope="s"))
    assert (found.token_url, found.callback_url, found.scope) == (
        "https://h.example/x/key",
        "https://h.example/x/in",
        "s",
    )
    other = target_of("https://h.example", "https://id.example/t", None)
    assert (other.token_url, len(other.hosts)) == ("https://id.example/t", 2)


def domain(callback: str, token: str | None = None) -> str:
    (found,) = [one for one in addressed(target_of(callback, token, None)) if one.check == "domain"]
    return found.level


@pytest.mark.parametrize(
    ("callback", "token", "level"),
    [
        ("https://cb.example.com", None, "OK"),
        ("https://cb.example.com", "https://id.example.com/t", "WARN"),
        ("https://cb.example.com", "https://id.example.org/t", "FAIL"),
        ("https://203.0.113.7", None, "FAIL"),
        ("https://[2001:db8::1]", None, "FAIL"),
        ("https://server", None, "FAIL"),
        ("https://server.hospital.local", None, "FAIL"),
        ("https://127.0.0.1", None, "WARN"),
        ("https://localhost", None, "WARN"),
    ],
)
def test_one_domain_has_to_be_whitelisted(callback: str, token: str | None, level: str) -> None:
    assert domain(callback, token) == level


def test_what_two_hosts_have_in_common() -> None:
    assert common_domain("a.b.example.com", "c.b.example.com") == "b.example.com"
    assert common_domain("a.example.com", "a.example.org") is None
    assert common_domain("a.com", "b.com") is None


def test_in_clear_is_a_failure_and_another_port_a_warning() -> None:
    for url, level in (("http://h.example", "FAIL"), ("https://h.example:8443", "WARN"), ("https://h.example", "OK")):
        assert levels(list(addressed(target_of(url, None, None))), "url") == [level]


def resolving(monkeypatch: pytest.MonkeyPatch, answers: dict[str, str]) -> list[Finding]:
    """The way to a name with these addresses; each ends as its code says."""
    monkeypatch.setattr(address, "addresses_of", lambda host, port: list(answers))
    monkeypatch.setattr(address, "_code", lambda one, port: answers[one])
    return list(way(read_url("https://cb.example.com")))


def test_all_addresses_of_a_name_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    public, other, six = "8.8.8.8", "9.9.9.9", "2606:4700:4700::1111"
    found = resolving(monkeypatch, {public: "", other: "connect", six: "no_route"})
    assert levels(found, "dns") == ["OK"]
    assert [(one.level, one.words) for one in found[1:]] == [
        ("FAIL", "9.9.9.9:443: the connection is refused"),
        ("WARN", "[2606:4700:4700::1111]:443: this machine has no route to the address"),
        ("OK", "takes connections: 8.8.8.8:443"),
    ]
    assert levels(resolving(monkeypatch, {six: "no_route"}), "tcp") == ["FAIL"]


@pytest.mark.parametrize("private", ["10.1.2.3", "192.168.0.9", "172.16.4.4", "100.64.0.1", "169.254.1.1", "fd00::1"])
def test_a_private_address_is_a_failure_for_the_vendor(private: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = resolving(monkeypatch, {"8.8.8.8": "", private: ""})
    assert levels(found, "dns") == ["FAIL"]
    assert private in found[0].words
    assert "outside" in found[0].cure


def test_a_name_that_is_not_known_and_ports_that_are_shut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address, "TCP_S", 0.3)
    unknown = list(way(read_url("https://no-such-name.invalid")))
    assert [(one.check, one.level) for one in unknown] == [("dns", "FAIL")]
    with closed_port() as url:
        assert levels(list(way(read_url(url))), "tcp") == ["FAIL"]
    with full_listener() as port:
        (shut,) = [one for one in way(read_url(f"http://127.0.0.1:{port}")) if one.check == "tcp"]
    assert (shut.level, "no answer in time" in shut.words) == ("FAIL", True)


def test_each_host_is_looked_at_once() -> None:
    url = read_url("https://h.example/a")
    assert Target(url, url._replace(path="/b"), None).hosts == [url._replace(path="/b")]
    assert socket.getaddrinfo("127.0.0.1", 1)
