"""The table of the keys of ``[alert]``."""

from worker.config.deliver_kinds import COMMAND
from worker.config.kinds import PATH, PROXY, Kind, Written, literal, show_secret, span, word
from worker.config.secret import Secret, read_reference
from worker.config.table import Key, Section
from worker.config.urls import read_service_url


def _ping_address(text: str) -> str:
    """Check the address of a check; return its origin, because its path is all that another needs to ping it."""
    if "?" in text or "#" in text:
        raise ValueError("has a query or a fragment, and /fail is appended to it; write the address without")
    return f"{read_service_url(text).origin}/(not shown)"


def _ping_url(written: Written) -> Secret:
    secret = read_reference(written.where, written.text, written.folder, written.environ, check=_ping_address)
    return secret or literal(written, _ping_address(written.text))


PING_URL = Kind(
    "https address, or a reference as for a secret; http to loopback addresses only",
    _ping_url,
    show_secret,
    comments=False,
)

ALERT = Section(
    "alert",
    "How cdpoll tells of problems by itself; see docs/operations.md, Alerts.",
    (
        Key(
            "ping",
            PING_URL,
            None,
            "The address of a check at healthchecks.io, or at a server that understands the same requests. The daemon "
            "pings it while all is well, so it alerts when the daemon is gone.",
            sample="https://hc-ping.com/your-uuid",
            otherwise="no pings",
        ),
        Key(
            "proxy",
            PROXY,
            None,
            "The HTTP proxy for the pings. With it, ping must begin with https.",
            sample="http://proxy.example.com:3128",
            otherwise="no proxy",
        ),
        Key(
            "ca_file",
            PATH,
            None,
            "Certificates (PEM) to trust for the pings, in place of the machine's own.",
            sample="/etc/cdpoll/ca.pem",
            otherwise="the machine's own",
        ),
        Key(
            "command",
            COMMAND,
            None,
            "What `cdpoll deliver` starts when a problem begins and when it is over, one at a time, without a shell. "
            "Its standard input says which problem it is, in JSON.",
            sample="/usr/local/bin/page-me",
            otherwise="none is started",
        ),
        Key("timeout", span("1s", "15m"), "1m", "How long it may run. Then it is killed, with all that it started."),
        Key(
            "min_severity",
            word("warning", "critical"),
            "critical",
            "The least severe problems that are alerts: for which the command is started, and /fail is pinged.",
        ),
    ),
)
