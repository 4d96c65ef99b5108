"""The exit codes of every command, from sysexits.h where that has one. docs/problems.md and cdpoll(1) have this table.

`status --check` alone has the codes of Nagios.
"""

from enum import IntEnum


class ExitCode(IntEnum):
    """What a process ends with."""

    DONE = 0
    IN_PART = 1
    USAGE = 2
    BAD_DATA = 65
    UNREACHABLE = 69
    FAULT = 70
    STORAGE = 74
    TRY_LATER = 75
    CREDENTIALS = 77
    CONFIGURATION = 78
    INTERRUPTED = 130
    SECOND_SIGTERM = 143


MEANINGS = {
    ExitCode.DONE: "done",
    ExitCode.IN_PART: "done in part, and the rest is named (quarantined or incomplete files among it); `doctor` or"
    " `callback-check` found a FAIL; or done, and standard output could not be written",
    ExitCode.USAGE: "the command line is wrong",
    ExitCode.BAD_DATA: "bad data, or an unknown id; something handed in was unreadable",
    ExitCode.UNREACHABLE: "the vendor or the SFTP server cannot be reached; with `deliver --once`, a receiver",
    ExitCode.FAULT: "a fault in cdpoll itself: please report the line that was written",
    ExitCode.STORAGE: "the storage failed",
    ExitCode.TRY_LATER: "try again later: busy, or work remains",
    ExitCode.CREDENTIALS: "the credentials are refused (one-shot commands and `run --once`; the daemon pauses instead)",
    ExitCode.CONFIGURATION: "the configuration is missing or wrong",
    ExitCode.INTERRUPTED: "ended by Ctrl-C",
    ExitCode.SECOND_SIGTERM: "ended by a second SIGTERM",
}

NAGIOS = "0 OK, 1 warning, 2 critical, 3 unknown"
