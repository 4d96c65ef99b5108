"""What codes of failed polls mean in words: one cause, one line, one cure."""

import re

import pytest

from worker.core.poll_errors import POLL_ERRORS, cure_of, in_words
from worker.gateways.http import failure

HEARD = re.findall(r"^([a-z_]+)  +", failure.__doc__ or "", re.MULTILINE)
PROXY = [f"proxy_{code}" for code in ("dns", "dns_no_resolver", "connect", "no_route", "not_permitted", "timeout")]
STATUS = [f"proxy_http_{status}" for status in (403, 405, 418, 502, 503, 504)]
OTHERS = ["html", "redirect", "http_511", "http_403_html", "token_html", "token_garbled", "token_redirect"]


def test_each_failure_of_the_connection_has_words_and_a_cure() -> None:
    assert {"dns", "tls_chain_cut", "tls_unknown_issuer", "proxy_auth"} <= set(HEARD)
    codes = [*HEARD, *PROXY, *STATUS, *OTHERS]
    assert [code for code in codes if in_words(code) == code or not cure_of(code)] == []
    same = {"proxy_dns_no_resolver"}  # it is the same name server
    words = [in_words(code) for code in codes if code not in same]
    assert len(words) == len(set(words))


@pytest.mark.parametrize(
    ("code", "words", "cure"),
    [
        ("proxy_http_502", "the proxy cannot reach the vendor (HTTP 502, bad gateway)", "people who run the proxy"),
        ("proxy_http_418", "the proxy makes no connection to the vendor (HTTP 418)", "people who run the proxy"),
        ("token_proxy_http_403", "the proxy forbids connections to the vendor (HTTP 403), when", "to allow the hosts"),
        (
            "http_403_html",
            "HTTP 403 with an HTML page in place of JSON",
            "something between this machine and the vendor",
        ),
        (
            "token_html",
            "an HTML page came in place of JSON, when a token",
            "something between this machine and the vendor",
        ),
        ("http_403_invalid_product", "HTTP 403 (invalid_product)", "the product"),
        ("http_511", "the network wants a login", "log in to the network"),
    ],
)
def test_what_is_said(code: str, words: str, cure: str) -> None:
    assert words in in_words(code)
    assert cure in (cure_of(code) or "")


def test_a_cure_names_the_key_of_the_url_that_was_asked() -> None:
    assert cure_of("connect") == "check host and port in [api] base_url, and the firewalls in between"
    for code in (
        "connect",
        "dns",
        "protocol",
        "html",
        "tls_other_host",
        "tls_not_spoken",
        "proxy_http_502",
        "http_html",
    ):
        assert "[api] token_url (where it is not set: base_url)" in (cure_of(f"token_{code}") or ""), code
        assert "[api] base_url" in (cure_of(code) or ""), code
    assert not [code for code in HEARD if "{" in (cure_of(code) or "")]


def test_no_line_names_a_tool_or_a_place_that_a_stranger_would_not_know() -> None:
    said = [text for error in POLL_ERRORS.values() for text in error]
    assert [text for text in said if text != text.strip() or text.endswith(".")] == []
