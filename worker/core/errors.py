"""The errors a person or a script meets, each with its documented exit code.

::

    CdpollError
    ├── BadData             65  what was handed in cannot be used, or names nothing we know
    ├── VendorUnreachable   69  the vendor (or its SFTP server) did not answer usefully
    ├── StorageFailed       74  the database could not be read or written
    │   ├── DamagedRow          a row of it was damaged on the disk
    │   ├── NoDatabaseYet       none was ever made there; the first `cdpoll record` or `cdpoll run` makes one
    │   └── NotAllowed          the database server does not let this user in, or at what was asked
    ├── TryLater            75  busy, or work remains: the same call may succeed later
    │   └── ServerLost          the database server cannot be reached, or has ended the connection
    ├── CredentialsRefused  77  the vendor, or the proxy on the way to it, does not let us
    └── BadConfiguration    78  the configuration is missing or wrong
        ├── NewerSchema         a newer cdpoll wrote the database
        └── MovedAway           the database was moved, and the configuration names the old one

The message is one line that says what is wrong; ``hint`` is one line that says what to do next. Neither ever holds a
secret or patient data.
"""

from worker.core.exit_code import ExitCode


def place_of(error: BaseException) -> str:
    """``file.py:line`` where ``error`` was raised. Its text is left out: it may quote a value."""
    # Not with the traceback module: it takes longer to import than all else that `record` needs of this file.
    tb = error.__traceback__
    while tb is not None and tb.tb_next is not None:
        tb = tb.tb_next
    return f"{tb.tb_frame.f_code.co_filename.rpartition('/')[2]}:{tb.tb_lineno}" if tb is not None else "?"


class CdpollError(Exception):
    """Base of all errors that end a command; ``exit_code`` is the process's exit status."""

    exit_code = ExitCode.IN_PART

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class BadData(CdpollError):
    exit_code = ExitCode.BAD_DATA


class VendorUnreachable(CdpollError):
    exit_code = ExitCode.UNREACHABLE


class StorageFailed(CdpollError):
    exit_code = ExitCode.STORAGE


class DamagedRow(StorageFailed):
    """A column of a row does not hold what it was given: a bit has changed on the disk."""


class NoDatabaseYet(StorageFailed):
    """Nothing is wrong: this installation has not begun."""


class NotAllowed(StorageFailed):
    """The database may be well; a user with other rights can use it."""


class TryLater(CdpollError):
    exit_code = ExitCode.TRY_LATER


class ServerLost(TryLater):
    """What was to be written is not lost: it is kept, and written when the server is back."""


class CredentialsRefused(CdpollError):
    exit_code = ExitCode.CREDENTIALS


class BadConfiguration(CdpollError):
    exit_code = ExitCode.CONFIGURATION


class NewerSchema(BadConfiguration):
    """The release that wrote the database can use it."""


class MovedAway(BadConfiguration):
    """The old database can be read, and refuses every write."""

    def __init__(self, name: str, said: str) -> None:
        """``said``: that it was moved, and to where."""
        super().__init__(
            f"{name} {said}: nothing is written here", "let [store] of the configuration name the new place"
        )
