"""The journal of the system."""

import syslog

from cli.output import plain


def tell_journal(line: str) -> None:
    """Hand a line to syslog, which is journald's on most machines. Where there is neither, it is lost."""
    syslog.openlog("cdpoll", syslog.LOG_PID, syslog.LOG_AUTH)
    syslog.syslog(syslog.LOG_NOTICE, plain(line))
