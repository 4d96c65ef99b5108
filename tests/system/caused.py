"""Problems as they are caused on an installed machine, and the cure of each, typed as the manual page has it.

All of :data:`CAUSED` stand at one time, and are cured at one time, the last first.
"""

from collections.abc import Callable
from typing import NamedTuple

from tests.support.host import Host
from tests.support.x12_samples import a_file
from tests.system.service import check

Act = Callable[[Host], object]

WRONG_ID = "0716e3e8-87ee-11ee-b9d1-0242ac120002"
DROP = "/home/drop/out"
MORE = "/etc/cdpoll/conf.d/zz-more.ini"


class Caused(NamedTuple):
    code: str
    cause: Act
    cure: Act


def typed(*command: str) -> Act:
    return lambda host: host.run(*command)


def handed_in(header: str, times: int = 1) -> Act:
    """Headers of answers to checks."""
    text = f"HTTP/1.1 200 OK\n{header}\n\n" * times
    return lambda host: host.run("cdpoll", "record", "--headers", "-", stdin=text, check=False)


def given(name: str, text: str) -> Act:
    """A batch file that came by hand."""

    def act(host: Host) -> None:
        host.put(f"/srv/{name}", text)
        host.run("cdpoll", "ingest", f"/srv/{name}", check=False)

    return act


def cut_long_ago(host: Host) -> None:
    given("cut.x12", a_file()[:-40])(host)
    sql = "UPDATE files SET first_at = first_at - 90000000 WHERE state = 'incomplete'"
    script = f"import sqlite3; c = sqlite3.connect('/var/lib/cdpoll/cdpoll.db'); c.execute(\"{sql}\"); c.commit()"
    host.run("python3", "-c", script)


def never_to_come(host: Host) -> None:
    listed = host.run("cdpoll", "files").stdout.splitlines()
    (number,) = [line.split()[0] for line in listed if "incomplete." in line]
    host.run("cdpoll", "quarantine", "drop", number)


def abandoned(host: Host) -> None:
    host.run("cdpoll", "abandon", check(host, "A-ABANDONED", "SBX-NEVER-NOTHING-7"))


def stopped(host: Host) -> None:
    """A receiver that wants nothing more, and a result for it."""
    host.put("/srv/receiver/status-gone", "410")
    given("whole.x12", a_file())(host)


def started(host: Host) -> None:
    host.put("/srv/receiver/status-gone", "200")
    host.run("cdpoll", "deliveries", "retry", "--all", "--way", "gone")


def signalled(host: Host) -> None:
    """By hand: `systemctl reload` would look at the configuration first."""
    host.put(MORE, "[polling]\nburst = many\n")
    for unit in ("cdpoll", "cdpoll-deliver"):
        host.run("kill", "-HUP", host.shown(unit, "MainPID"))


def reloaded(host: Host) -> None:
    host.run("rm", MORE)
    host.run("cdpoll", "config", "check")
    host.run("systemctl", "reload", "cdpoll", "cdpoll-deliver")


CAUSED = (
    Caused(
        "unreadable",
        handed_in('Link: coverage-discovery/nonsense; rel="related"'),
        typed("cdpoll", "unreadable", "drop", "1"),
    ),
    Caused("abandoned", abandoned, typed("cdpoll", "problems", "ack", "abandoned")),
    Caused("no_links", handed_in("Date: x", 11), lambda host: check(host, "A-LINKS", "SBX-SECONDS-FOUND-1")),
    Caused("not_found", typed("cdpoll", "record", WRONG_ID), typed("cdpoll", "abandon", WRONG_ID)),
    Caused("quarantined", given("junk.x12", "no X12 at all\n"), typed("cdpoll", "quarantine", "drop", "f1")),
    Caused("incomplete_files", cut_long_ago, never_to_come),
    Caused(
        "sftp_files",
        lambda host: host.put(f"{DROP}/MUELLER.x12", a_file(), mode=0),
        lambda host: host.put(f"{DROP}/MUELLER.x12", a_file()),  # the server's side gives the right to read it
    ),
    Caused("delivery_stopped", stopped, started),
    Caused("reload_refused", signalled, reloaded),
    Caused("deliver_reload_refused", lambda _host: None, lambda _host: None),  # with the one before
)
