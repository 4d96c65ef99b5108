"""What each key accepts, what it refuses, and what the keys mean together."""

from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.config.test_files import BASE, ini, mistakes
from worker.config import (
    AlertSection,
    ApiSection,
    BackfillSection,
    CallbackSection,
    Config,
    DoctorSection,
    LocalSection,
    LogSection,
    PollingSection,
    RetentionSection,
    SftpSection,
    SpoolSection,
    StoreSection,
    SupportSection,
    load,
)
from worker.config.keys import KEYS, SECTIONS
from worker.config.kinds import decimal, plain
from worker.config.urls import loopback, read_url
from worker.core.schedule.cadence import Cadence
from worker.core.weekly import Weekly

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


def with_value(section: str, key: str, text: str) -> Config:
    environ = {f"CDPOLL_{section}_{key}".upper(): text}
    return load(None, {"CDPOLL_API_BASE_URL": "https://h.example/rcm/eligibility/v1"} | environ)


def refused(section: str, key: str, text: str) -> str:
    environ = {f"CDPOLL_{section}_{key}".upper(): text}
    (line,) = mistakes(None, {"CDPOLL_API_BASE_URL": "https://h.example/rcm/eligibility/v1"} | environ)
    assert f": [{section}] {key}: " in line
    return line


def test_the_defaults_are_the_documented_ones() -> None:
    config = with_value("log", "level", "info")
    assert config.store == StoreSection(Path("/var/lib/cdpoll/cdpoll.db"), "auto")
    assert config.polling == PollingSection(
        requests_per_second=1.0,
        burst=5,
        max_in_flight=4,
        daily_budget=None,
        schedule="learned",
        delay_per_request_ms=20_000,
        cadence=Cadence(10_000, 1.4, 15 * MINUTE, 0.1),
        min_interval_ms=5_000,
        max_interval_ms=6 * HOUR,
        alert_after_ms=DAY,
        give_up_after_ms=45 * DAY,
        not_found_grace_ms=15 * MINUTE,
        callback_grace_ms=45 * MINUTE,
        lookup_for_ms=3 * DAY,
        pace_recovery_ms=20 * MINUTE,
    )
    assert config.log == LogSection("auto", "info")
    assert config.retention == RetentionSection(None, Weekly(6, 180))
    assert config.support == SupportSection(None, None, None, None)
    assert config.doctor == DoctorSection(None)
    api = config.api
    assert api is not None
    assert (api.token_body, api.timeout_ms) == ("json", 30_000)
    assert api.token_url == "https://h.example/apip/auth/v2/token"
    assert (api.scope, api.tenant_id, api.subtenant_id, api.ca_file, api.proxy) == (None,) * 5
    assert not api.client_id
    assert not api.client_secret
    assert not config.warnings


def test_every_key_has_its_field_and_every_field_its_key() -> None:
    classes: dict[str, Any] = {
        "api": ApiSection,
        "store": StoreSection,
        "polling": PollingSection,
        "sftp": SftpSection,
        "spool": SpoolSection,
        "backfill": BackfillSection,
        "alert": AlertSection,
        "retention": RetentionSection,
        "local": LocalSection,
        "callback": CallbackSection,
        "support": SupportSection,
        "doctor": DoctorSection,
        "log": LogSection,
    }
    assert {s.name: [k.field for k in s.keys] for s in SECTIONS} == {
        name: list(cls._fields) for name, cls in classes.items()
    }
    assert len(KEYS) == sum(len(s.keys) for s in SECTIONS)
    assert with_value("log", "level", "info").places.keys() == KEYS.keys()


@pytest.mark.parametrize(
    ("section", "key", "text", "field", "value"),
    [
        ("api", "timeout", "1m50s", "timeout_ms", 110_000),
        ("api", "timeout", "1s", "timeout_ms", 1_000),
        ("api", "token_body", "FORM", "token_body", "form"),
        ("api", "scope", "a b:c", "scope", "a b:c"),
        ("api", "tenant_id", "0f-ab", "tenant_id", "0f-ab"),
        ("api", "ca_file", "/x/ca.pem", "ca_file", Path("/x/ca.pem")),
        ("store", "path", "/x/y z.db", "path", Path("/x/y z.db")),
        ("store", "journal", "truncate", "journal", "truncate"),
        ("polling", "requests_per_second", "0.25", "requests_per_second", 0.25),
        ("polling", "max_in_flight", "256", "max_in_flight", 256),
        ("polling", "not_found_grace", "0s", "not_found_grace_ms", 0),
        ("polling", "cadence", "5s  x1  5s  0%", "cadence", Cadence(5_000, 1.0, 5_000, 0.0)),
        ("polling", "cadence", "1m x2.5 1h 12.5%", "cadence", Cadence(MINUTE, 2.5, HOUR, 0.125)),
        ("log", "format", "console", "format", "console"),
        ("log", "level", "Warning", "level", "warning"),
        (
            "callback",
            "allow",
            "::ffff:192.0.2.0/120 10.0.0.1",
            "allow",
            (ip_network("192.0.2.0/24"), ip_network("10.0.0.1")),
        ),
        ("callback", "trusted_proxies", "::ffff:127.0.0.1", "trusted_proxies", (ip_network("127.0.0.1"),)),
    ],
)
def test_accepted(section: str, key: str, text: str, field: str, value: object) -> None:
    assert getattr(getattr(with_value(section, key, text), section), field) == value


@pytest.mark.parametrize(
    ("section", "key", "text", "what"),
    [
        ("api", "timeout", "30", "is not a duration"),
        ("api", "timeout", "999ms", "write 1s to 110s"),
        ("api", "timeout", "111s", "write 1s to 110s"),
        ("api", "timeout", "9" * 400 + "d", "is not a duration"),
        ("api", "token_body", "jsonn", "did you mean json?"),
        ("api", "scope", "a  b", "one blank between"),
        ("callback", "client_id", "a:b", "has a colon"),
        ("callback", "scope", 'a "b"', "no quotes"),
        ("callback", "scope", "a\\b", "no quotes"),
        ("callback", "token_path", "/healthz", "says that it is well"),
        ("api", "tenant_id", "a b", "holds a blank"),
        ("api", "tenant_id", "ä", "not plain ASCII"),
        ("api", "ca_file", "ca.pem", "write it in full"),
        ("api", "ca_file", "~/ca.pem", "~ is not expanded"),
        ("store", "path", "cdpoll.db", "write it in full"),
        ("store", "path", "/var/lib/", "names a folder"),
        ("store", "path", ":memory:", "not a plain path"),
        ("store", "path", "file:/x?mode=ro", "not a plain path"),
        ("store", "path", "/x.db ; the database", "a comment after the value"),
        ("store", "path", "/x\x1b[2J.db", "invisible character U+001B"),
        ("store", "path", "/x\n/y", "more than one line"),
        ("store", "journal", "delete", "write one of auto, truncate, wal"),
        ("polling", "requests_per_second", "0", "not a number above 0"),
        ("polling", "requests_per_second", "-1", "not a number above 0"),
        ("polling", "requests_per_second", "nan", "not a number above 0"),
        ("polling", "requests_per_second", "inf", "not a number above 0"),
        ("polling", "requests_per_second", "1e3", "not a number above 0"),
        ("polling", "burst", "0", "not a whole number from 1"),
        ("polling", "burst", "1.5", "not a whole number from 1"),
        ("polling", "burst", "1_0", "not a whole number from 1"),
        ("polling", "max_in_flight", "257", "from 1 to 256"),
        ("polling", "schedule", "guessed", "is not known here"),
        ("polling", "cadence", "10s", "is not a cadence"),
        ("polling", "cadence", "10s 1.4 15m 10%", "is not a cadence"),
        ("polling", "cadence", "10s x1.4 15m 10", "is not a cadence"),
        ("polling", "cadence", "10 x1.4 15m 10%", '"10" is not a duration'),
        ("polling", "cadence", "10s x0.9 15m 10%", "growth of x1"),
        ("polling", "cadence", "10s x1.4 9s 10%", "the first poll (10s) is longer than the ceiling (9s); write a"),
        ("polling", "cadence", "0s x1.4 9s 10%", 'the first poll, "0s", is out of range; write 1ms to 30d'),
        ("polling", "cadence", "10s x1.4 31d 10%", 'the ceiling, "31d", is out of range; write at most 30d'),
        ("polling", "cadence", "10s x1.4 15m 101%", "0% to 100%"),
        ("polling", "give_up_after", "0s", "write 1ms to 3650d"),
        ("polling", "min_interval", "11s", "longer than the first poll of the cadence (10s)"),
        ("polling", "max_interval", "9s", "shorter than the first poll of the cadence (10s)"),
        ("polling", "cadence", "7h x1 7h 0%", "max_interval (6h) is shorter than the first poll"),
        ("log", "format", "xml", "write one of auto, console, json"),
        ("log", "level", "warn", "did you mean warning?"),
    ],
)
def test_refused(section: str, key: str, text: str, what: str) -> None:
    assert what in refused(section, key, text)


def test_the_default_shortest_interval_follows_a_shorter_first_look() -> None:
    assert with_value("polling", "cadence", "2s x1.4 15m 10%").polling.min_interval_ms == 2_000
    assert with_value("polling", "cadence", "8s x1.4 15m 10%").polling.min_interval_ms == 5_000


def test_contradictions_are_found_beside_other_mistakes_but_not_beside_their_own() -> None:
    lines = mistakes(None, {"CDPOLL_POLLING_MIN_INTERVAL": "1h", "CDPOLL_LOG_LEVEL": "x"})
    assert len(lines) == 2
    (line,) = mistakes(None, {"CDPOLL_POLLING_MIN_INTERVAL": "1h", "CDPOLL_POLLING_CADENCE": "x"})
    assert "is not a cadence" in line


def test_relative_paths_are_relative_to_the_file_that_says_them(tmp_path: Path) -> None:
    main = ini(tmp_path / "a/main.ini", BASE + "[store]\npath = data/x.db\n")
    assert load(main, {}).store.path == tmp_path / "a/data/x.db"
    ini(tmp_path / "a/conf.d/x.ini", "[store]\npath = y.db\n[api]\nca_file = ../ca.pem\n")
    config = load(main, {})
    assert config.store.path == tmp_path / "a/conf.d/y.db"
    assert config.api is not None
    assert config.api.ca_file == tmp_path / "a/conf.d/../ca.pem"


@pytest.mark.parametrize(
    ("written", "base", "origin"),
    [
        ("https://API.Example.com/rcm/V1/", "https://api.example.com/rcm/V1", "https://api.example.com"),
        ("HTTPS://api.example.com:443", "https://api.example.com", "https://api.example.com"),
        ("https://api.example.com:8443//", "https://api.example.com:8443", "https://api.example.com:8443"),
        ("http://localhost:8080/x", "http://localhost:8080/x", "http://localhost:8080"),
        ("http://LOCALHOST:80", "http://localhost", "http://localhost"),
        ("http://127.8.9.1/x", "http://127.8.9.1/x", "http://127.8.9.1"),
        ("http://[0:0::1]:81/x", "http://[::1]:81/x", "http://[::1]:81"),
        ("https://10.0.0.1/a%20b", "https://10.0.0.1/a%20b", "https://10.0.0.1"),
        ("https://my_host.internal/x@y", "https://my_host.internal/x@y", "https://my_host.internal"),
    ],
)
def test_addresses_and_their_origin(written: str, base: str, origin: str) -> None:
    api = with_value("api", "base_url", written).api
    assert api is not None
    assert (api.base_url, api.origin) == (base, origin)
    assert api.token_url == origin + "/apip/auth/v2/token"


@pytest.mark.parametrize("key", ["base_url", "token_url"])
@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("http://api.example.com/x", "http is only for loopback"),
        ("http://localhost.example.com/x", "http is only for loopback"),
        ("http://127.0.0.1.example.com/x", "http is only for loopback"),
        ("http://127.example/x", "http is only for loopback"),
        ("http://0.0.0.0/x", "http is only for loopback"),
        ("http://[::ffff:127.0.0.1]/x", "http is only for loopback"),
        ("http://[::]/x", "http is only for loopback"),
        ("http://127.1/x", "not an IPv4 address"),
        ("http://0x7f.0x1/x", "not an IPv4 address"),
        ("http://2130706433/x", "not an IPv4 address"),
        ("http://127.0.0.256/x", "not an IPv4 address"),
        ("http://[::1%25lo]/x", "not well-formed"),
        ("http://[1]/x", "not an IPv6 address"),
        ("ftp://api.example.com/x", "begin with https://"),
        ("api.example.com/x", "begin with https://"),
        ("https:/api.example.com", "begin with https://"),
        ("https://", "has no host"),
        ("https:///x", "has no host"),
        ("https://:443/x", "has no host"),
        ("https://api.example.com:/x", "not well-formed"),
        ("https://api.example.com:https/x", "not well-formed"),
        ("https://api.example.com:0/x", "outside 1 to 65535"),
        ("https://api.example.com:65536/x", "outside 1 to 65535"),
        ("https://me:hunter2@api.example.com/x", "user name or password"),
        ("https://me@api.example.com/x", "user name or password"),
        ("https://api.example.com\\@evil.example/x", "user name or password"),
        ("https://api.example.com\\evil.example/x", "not well-formed"),
        ("https://api.example.com/x?", "a query or a fragment"),
        ("https://api.example.com/x?hunter2", "a query or a fragment"),
        ("https://api.example.com?x", "a query or a fragment"),
        ("https://api.example.com/x#", "a query or a fragment"),
        ("https://api.example.com/a b", "holds a blank"),
        ("https://api.example.com/a\tb", "holds a blank"),
        ("https://api.exämple.com/", "not plain ASCII"),
        ("https://api..example.com/", "not well-formed"),
        ("https://-api.example.com/", "not well-formed"),
        ("https://api.example.com./", "not well-formed"),
        ("https://" + "a." * 130 + "com/", "not well-formed"),
        ("https://api.example.com/../x", "path that is not well-formed"),
        ("https://api.example.com/x/%2E%2e", "path that is not well-formed"),
        ("https://api.example.com/%zz", "path that is not well-formed"),
        ("https://api.example.com/<x>", "path that is not well-formed"),
    ],
)
def test_addresses_refused(key: str, text: str, what: str) -> None:
    line = refused("api", key, text)
    assert what in line
    assert "hunter2" not in line


def test_a_token_address_keeps_its_last_slash() -> None:
    api = with_value("api", "token_url", "https://login.example/token/").api
    assert api is not None
    assert api.token_url == "https://login.example/token/"


@given(st.text(st.sampled_from("htps:/@.[]%0127?#\\xa-"), max_size=30))
def test_whatever_is_accepted_as_an_address_has_a_stable_normal_form(tail: str) -> None:
    try:
        url = read_url("http://" + tail)
    except ValueError:
        return
    assert "@" not in url.origin
    assert "?" not in url.path
    assert read_url(url.origin + url.path).origin == url.origin
    assert not loopback(url.host) or url.host.startswith(("127.", "localhost", "::1"))


def test_doubts_are_warnings() -> None:
    warnings = with_value("api", "base_url", "https://h.example/").warnings
    assert [str(w) for w in warnings] == [
        "environment variable CDPOLL_API_BASE_URL: [api] base_url: has no path; "
        "the vendor's prefix is /rcm/eligibility/v1, write it with the host"
    ]
    (warning,) = with_value("polling", "give_up_after", "1h").warnings
    assert (warning.section, warning.key) == ("polling", "give_up_after")
    assert [one.key for one in with_value("polling", "alert_after", "46d").warnings] == ["alert_after"]


@given(st.decimals(0, 10_000, places=4, allow_nan=False))
def test_decimal_numbers_round_trip(number: object) -> None:
    assert decimal(plain(float(str(number)))) == float(str(number))
