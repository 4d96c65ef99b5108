"""Why a poll, or the request for a token, brought nothing usable: each code in words, and what cures it.

The codes stand in `last_error` of a task, in the reason of a pause, and in log lines. :func:`in_words` and
:func:`cure_of` read codes that are made of others, too: ``token_CODE`` is what the token endpoint answered, and
``http_STATUS`` may be followed by the sender's own word (``http_403_invalid_product``). ``{url}`` in a cure is the key
of the URL that was asked.
"""

from typing import NamedTuple


class PollError(NamedTuple):
    """``words``: what came in place of an answer; ``cure``: what to do about it."""

    words: str
    cure: str


_NETWORK = "check the network, the proxy and the vendor's status page"
_PROXY = "check host and port in [api] proxy, and whether the proxy runs"
_SHOW = "show the vendor; `cdpoll show ID` has the trace id of the answer"
_AT_THE_PROXY = "check the host name in [api] {url}, then ask the people who run the proxy"
_BETWEEN = "something between this machine and the vendor answers in its place: check [api] {url} and proxy"

POLL_ERRORS: dict[str, PollError] = {
    "dns": PollError("the host name is not known", "check the host name in [api] {url}"),
    "dns_no_resolver": PollError(
        "no name server answers this machine", "check /etc/resolv.conf and the network of this machine"
    ),
    "connect": PollError(
        "the connection is refused", "check host and port in [api] {url}, and the firewalls in between"
    ),
    "no_route": PollError("this machine has no route to the host", "check the network of this machine"),
    "not_permitted": PollError(
        "this machine forbids the connection",
        "check its firewall, and IPAddressAllow= and IPAddressDeny= of the service's unit",
    ),
    "timeout": PollError("no answer came in time ([api] timeout)", _NETWORK),
    "cut": PollError("the connection ended before the answer did", _NETWORK),
    "protocol": PollError("the answer was not HTTP", "check host and port in [api] {url} and proxy"),
    "proxy": PollError("the proxy makes no connection to the vendor", "ask the people who run the proxy"),
    "proxy_auth": PollError(
        "the proxy refuses the login (HTTP 407)", "check the user name and the password in [api] proxy"
    ),
    "proxy_dns": PollError("the host name of the proxy is not known", _PROXY),
    "proxy_dns_no_resolver": PollError(
        "no name server answers this machine", "check /etc/resolv.conf and the network of this machine"
    ),
    "proxy_connect": PollError("the connection to the proxy is refused", _PROXY),
    "proxy_no_route": PollError("this machine has no route to the proxy", "check the network of this machine"),
    "proxy_not_permitted": PollError(
        "this machine forbids the connection to the proxy",
        "check its firewall, and IPAddressAllow= and IPAddressDeny= of the service's unit",
    ),
    "proxy_timeout": PollError("the proxy does not answer", _PROXY),
    "tls_expired": PollError(
        "the vendor's certificate has expired", "check this machine's clock, then tell the vendor"
    ),
    "tls_not_yet_valid": PollError(
        "the vendor's certificate is not valid yet", "set this machine's clock, then tell the vendor"
    ),
    "tls_other_host": PollError("the certificate is for another host", "check the host name in [api] {url} and proxy"),
    "tls_self_signed": PollError(
        "the certificate is signed by itself alone", "if it is the right one, set [api] ca_file to it"
    ),
    "tls_unknown_issuer": PollError(
        "the issuer of the certificate is not trusted: the peer sent it, and this machine does not know it",
        "install ca-certificates; where a proxy reads the traffic, set [api] ca_file to the proxy's own authority",
    ),
    "tls_chain_cut": PollError(
        "the peer sent its certificate without that of its issuer, and this machine does not know the issuer",
        "have the peer send its intermediate certificates too, or set [api] ca_file to the issuer's certificate",
    ),
    "tls_old_protocol": PollError(
        "the peer speaks no TLS 1.2 or later", "ask the vendor, or the people who run the proxy, for it"
    ),
    "tls_not_spoken": PollError(
        "the peer does not speak TLS at this port", "check host and port in [api] {url} and proxy"
    ),
    "tls": PollError(
        "the TLS handshake fails", "try `openssl s_client -connect HOST:443`, and look at the machines in between"
    ),
    "not_found": PollError("the vendor does not know the id (404)", "check the ids against their source"),
    "redirect": PollError("a redirect came, which is not followed", _BETWEEN),
    "html": PollError("an HTML page came in place of JSON", f"{_BETWEEN}, and ask the people who run the proxy"),
    "http_511": PollError(
        "HTTP 511: the network wants a login before it lets anything through",
        "log in to the network, or have this machine let through without a login",
    ),
    "not_json": PollError("the answer was not JSON", _BETWEEN),
    "no_task": PollError("the answer was JSON, but of no task", _BETWEEN),
    "no_status": PollError("the answer had no status", _SHOW),
    "unknown_status": PollError(
        "the answer has a status that this cdpoll does not know", "show the vendor, and look for a newer cdpoll"
    ),
    "wrong_id": PollError("the vendor answered for another id; nothing was stored", _SHOW),
    "other_tenant": PollError(
        "the answer came from another tenant; nothing was stored", "check [api] tenant_id and the credentials"
    ),
    "other_request": PollError("the answer says that it is of another request; nothing of it was recorded", _BETWEEN),
    "two_tasks": PollError("the answer names two tasks in place of one; none of them was recorded", _SHOW),
    "too_large": PollError("the answer was larger than any answer of a task (4 MiB)", _SHOW),
    "encoding": PollError("the answer was packed in a way that cannot be read, or damaged", _BETWEEN),
    "internal": PollError("the answer breaks cdpoll itself", "report it with the line of the journal"),
    "damaged_id": PollError(
        "the id was damaged on the disk, and is not asked for", "`cdpoll tasks` lists it; record it again"
    ),
    "secret_unreadable": PollError(
        "the client secret cannot be read", "`cdpoll config check` says why; restart the service after mending it"
    ),
    "token_garbled": PollError("the token endpoint answered without a token", "check [api] token_url"),
    "no_list": PollError("the answer was JSON, but not a list of tasks", _BETWEEN),
    "page_cap": PollError(
        "the list has more pages than a sweep asks for", "shorten [backfill] overlap, or narrow it by correlation_ids"
    ),
    "outside_window": PollError("the list shows discoveries from outside the time that was asked for", _SHOW),
    "offset_ignored": PollError("the list ignores the offset, and a second of it is too full for one page", _SHOW),
    "filter_ignored": PollError("the list shows other requests than the one that was asked for", _SHOW),
}

# Of CONNECT.
_PROXY_STATUS: dict[str, PollError] = {
    "403": PollError(
        "the proxy forbids connections to the vendor (HTTP 403)",
        "ask the people who run the proxy to allow the hosts of [api] base_url and token_url",
    ),
    "405": PollError(
        "the proxy knows no CONNECT (HTTP 405)", "check host and port in [api] proxy: is it an HTTP proxy?"
    ),
    "502": PollError("the proxy cannot reach the vendor (HTTP 502, bad gateway)", _AT_THE_PROXY),
    "503": PollError("the proxy is not available (HTTP 503)", _AT_THE_PROXY),
    "504": PollError("the proxy heard nothing from the vendor in time (HTTP 504)", _AT_THE_PROXY),
}

_OURS = "check client_id and client_secret (a new secret needs systemctl restart cdpoll)"
_HTTP_CURES = {
    "401": f"{_OURS}, and the product with the vendor",
    "403": f"{_OURS}, and the product with the vendor",
    "422": _SHOW,
    "429": "lower requests_per_second if this comes often",
}
_HTTP_CURE = "look at the vendor's status page; if it lasts, ask the vendor"


def in_words(code: str) -> str:
    """What the code means: ``http_503`` is "HTTP 503", ``http_403_invalid_product`` "HTTP 403 (invalid_product)"."""
    known = POLL_ERRORS.get(code)
    if known is not None:
        return known.words
    if code.startswith("token_"):
        return f"{in_words(code.removeprefix('token_'))}, when a token was asked for"
    if code.startswith("proxy_http_"):
        return _of_proxy(code).words
    if code.startswith("http_"):
        status, _, word = code.removeprefix("http_").partition("_")
        if word == "html":
            return f"HTTP {status} with an HTML page in place of JSON"
        return f"HTTP {status} ({word})" if word else f"HTTP {status}"
    return "a fault in cdpoll itself" if code.startswith("internal") else code


# That of the API, and that of a token, which is made of the former where it is not set.
_API_URL, _TOKEN_URL = "base_url", "token_url (where it is not set: base_url)"


def cure_of(code: str) -> str | None:
    """What to do about it; ``None`` for a code that is not known."""
    url = _TOKEN_URL if code.startswith("token_") else _API_URL
    cure = _cure(code)
    return None if cure is None else cure.replace("{url}", url)


def _cure(code: str) -> str | None:
    known = POLL_ERRORS.get(code)
    if known is not None:
        return known.cure
    if code.startswith("token_"):
        return _cure(code.removeprefix("token_"))
    if code.startswith("proxy_http_"):
        return _of_proxy(code).cure
    if code.startswith("http_") and code.endswith("_html"):
        return POLL_ERRORS["html"].cure
    if code.startswith("http_"):
        return _HTTP_CURES.get(code.removeprefix("http_")[:3], _HTTP_CURE)
    return POLL_ERRORS["internal"].cure if code.startswith("internal") else None


def _of_proxy(code: str) -> PollError:
    status = code.removeprefix("proxy_http_")
    plain = PollError(f"the proxy makes no connection to the vendor (HTTP {status})", _AT_THE_PROXY)
    return _PROXY_STATUS.get(status, plain)


# Of these, one alone speaks of its task; where the API is paused, they speak of the way to the vendor, or of us.
_ABOUT_US = (
    "dns",
    "connect",
    "timeout",
    "cut",
    "protocol",
    "proxy",
    "tls",
    "token_",
    "html",
    "redirect",
    "http_5",
    "no_route",
)
_REFUSALS = ("http_401", "http_403", "http_407", "http_408", "http_429", "secret_unreadable")
_THIS_MACHINE = ("no_route", "not_permitted")


def is_about_us(code: str) -> bool:
    """Whether it says, while the API is paused, no more of its task than the pause says of all."""
    return code.startswith((*_ABOUT_US, *_REFUSALS, *_THIS_MACHINE))


def is_from_between(code: str) -> bool:
    """Whether a page for people came: what refuses so is not the API, and credentials cure nothing."""
    return code.endswith("html")
