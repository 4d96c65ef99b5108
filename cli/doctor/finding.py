"""One line of what the doctor found."""

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from cli.lines import Line

CHECKS = (
    *("configuration", "files", "disk"),
    *("dns", "tcp", "proxy", "tls", "clock", "token", "healthcheck", "discovery", "backfill", "vendor"),
    *("sftp_dns", "sftp_connect", "sftp_algorithms", "sftp_host_key", "sftp_login"),
    *("sftp_list", "sftp_read", "sftp_move", "sftp_delete", "sftp_archive", "sftp"),
    *("database", "journal", "integrity", "server", "server_clock", "limits", "daemon", "watchdog", "deliveries"),
    *("page", "intake", "problem", "vendor_status"),
    *("alert_ping", "alert_command", "alert", "spool"),
    *("callback_service", "callback_secret", "callback_certificate", "callback_public", "callback_dns"),
    *("callback_tcp", "callback_tls", "callback_token", "callback_delivery", "callback"),
)

Level = Literal["OK", "WARN", "FAIL"]


class Finding(NamedTuple):
    """``check``, one of CHECKS, names what was looked at, ``words`` say what was found, ``cure`` what to do; it is
    empty where nothing is to be done, or where the words end with it."""

    check: str
    level: Level
    words: str
    cure: str = ""

    def as_json(self) -> dict[str, Any]:
        return {"check": self.check, "level": self.level, "words": self.words, "cure": self.cure or None}


_COLOURS = {"OK": "good", "WARN": "warning", "FAIL": "critical"}
_LEVEL_CHARS, _CHECK_CHARS = 5, 20


def lines_of(one: Finding) -> Iterator[Line]:
    """As it is printed for people."""
    head = f"{one.level:<{_LEVEL_CHARS}} {one.check:<{_CHECK_CHARS}} "
    yield Line(head + one.words, one.level, _COLOURS[one.level], len(head))
    if one.cure:
        yield Line(f"{'':{len(head)}}cure: {one.cure}", indent=len(head) + 6)


def good(check: str, words: str) -> Finding:
    return Finding(check, "OK", words)


def warn(check: str, words: str, cure: str) -> Finding:
    return Finding(check, "WARN", words, cure)


def fail(check: str, words: str, cure: str) -> Finding:
    return Finding(check, "FAIL", words, cure)


def not_checked(check: str, why: str, cure: str = "") -> Finding:
    """What is not known to be well is a warning."""
    return Finding(check, "WARN", f"not checked: {why}", cure)


def unchecked(checks: tuple[str, ...], failed: str) -> list[Finding]:
    """Those that need what has failed."""
    return [not_checked(check, f"it needs what {failed} did not find") for check in checks]
