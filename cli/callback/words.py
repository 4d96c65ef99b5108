"""What went wrong on the way to the endpoints of the callbacks, in words, with what to do about it."""

from typing import NamedTuple


class Trouble(NamedTuple):
    """``words``: what came, or did not come; ``cure``: what to do about it."""

    words: str
    cure: str


_OPEN = "check the port, the firewalls in between, and whether the web server or cdpoll-callback.socket listens"
_RENEW = "renew the certificate, put it where the server reads it, and reload the server"
_CHAIN = "name a file with the certificate of the server first and then those between it and the authority (fullchain)"

_CODES = {
    "dns": Trouble("the host name is not known", "have a record (A, AAAA) made for it in public DNS"),
    "dns_no_resolver": Trouble("no name server answers this machine", "check /etc/resolv.conf of this machine"),
    "connect": Trouble("the connection is refused", _OPEN),
    "no_route": Trouble("this machine has no route to the address", "run the check from another machine too"),
    "not_permitted": Trouble("this machine forbids the connection", "check its firewall, or run the check elsewhere"),
    "timeout": Trouble("no answer in time", _OPEN),
    "cut": Trouble(
        "the connection ended before the answer did",
        "see the logs of the web server, and journalctl -u cdpoll-callback",
    ),
    "protocol": Trouble("what answers does not speak HTTP/1.1", "check host and port: is this the web server?"),
    "tls_expired": Trouble("the certificate has expired", _RENEW),
    "tls_not_yet_valid": Trouble("the certificate is not valid yet", "check the clocks, then the certificate"),
    "tls_other_host": Trouble("the certificate is for another host", "get one for the host name of this URL"),
    "tls_self_signed": Trouble(
        "the certificate is signed by itself alone", "get one from a public authority: the vendor trusts no other"
    ),
    "tls_unknown_issuer": Trouble(
        "the authority of the certificate is not among the public ones",
        "get one from a public authority: the vendor trusts no other (to try with your own here: --ca-file)",
    ),
    "tls_chain_cut": Trouble("the server sends its own certificate without that of its issuer", _CHAIN),
    "tls_old_protocol": Trouble("the server speaks no TLS 1.2 or later", "allow TLS 1.2 and 1.3 in the web server"),
    "tls_not_spoken": Trouble(
        "the server does not speak TLS at this port", "set tls_certificate and tls_key, or put a web server before it"
    ),
    "tls": Trouble("the TLS handshake fails", "try `openssl s_client -connect HOST:443 -servername HOST`"),
    "too_large": Trouble("the answer is larger than any of cdpoll's", "check host and path: is this cdpoll?"),
    "encoding": Trouble("the answer is packed, and cannot be read", "check host and path: is this cdpoll?"),
}

_MOVED = "have the server answer at this very URL: the vendor follows no redirect (scheme, host, slash at the end?)"
_STATUSES = {
    400: Trouble("HTTP 400", "does the web server before cdpoll change or shorten the request?"),
    401: Trouble("HTTP 401", "does the web server before cdpoll pass the header Authorization on?"),
    403: Trouble(
        "HTTP 403", "let this machine's address in ([callback] allow, web server, firewall), or run the check elsewhere"
    ),
    404: Trouble(
        "HTTP 404: there is no such path",
        "compare the path with token_path and callback_path, and with what the web server before cdpoll takes off",
    ),
    405: Trouble("HTTP 405: POST is not taken there", "let POST through in the web server, and check the path"),
    411: Trouble("HTTP 411", "let the web server before cdpoll pass the request on as it is"),
    413: Trouble(
        "HTTP 413: the body is too large", "raise the limit of the web server (nginx: client_max_body_size 25m)"
    ),
    415: Trouble("HTTP 415", "does the web server before cdpoll pass the header Content-Type on?"),
    421: Trouble("HTTP 421", "have the web server take this host name"),
    429: Trouble("HTTP 429: too many attempts from here have failed lately", "wait a minute, and run the check again"),
    500: Trouble("HTTP 500", "journalctl -u cdpoll-callback says why; please report it"),
    502: Trouble(
        "HTTP 502: the web server reaches no cdpoll", "systemctl status cdpoll-callback.socket; check its port"
    ),
    503: Trouble("HTTP 503: the database cannot be written now", "`cdpoll status` on the server says why"),
    504: Trouble("HTTP 504: the web server hears nothing from cdpoll", "systemctl status cdpoll-callback.service"),
}


def of_code(code: str) -> Trouble:
    """For a code of worker/gateways/http/failure.py."""
    return _CODES.get(code) or Trouble(code, "see docs/callbacks.md")


def of_status(status: int) -> Trouble:
    """For an answer that is not the one that the vendor needs."""
    if 300 <= status < 400:
        return Trouble(f"HTTP {status}: a redirect", _MOVED)
    return _STATUSES.get(status) or Trouble(f"HTTP {status}", "is this the path of cdpoll? see docs/callbacks.md")
