"""Why a result did not go out: each code of the ways into folders, to webhooks and to programs, in words.

The codes stand in `status`, in `deliveries list` and in log lines, with a line that names the folder, host or program.
A webhook has the codes of failed polls, too: `timeout`, `tls_…`, `http_STATUS` (``poll_errors.py``).
"""

from typing import NamedTuple


class DeliveryError(NamedTuple):
    """``of``: the kinds of ways that have it; ``words``: what happened. The line beside the code says what to do."""

    of: str
    words: str


DELIVERY_ERRORS = {
    "missing": DeliveryError("directory, command", "the folder, or the program, is not there"),
    "denied": DeliveryError("directory, command", "the service's user may not write there, or not start the program"),
    "full": DeliveryError("directory", "the disk of the folder is full, or the user's quota is used up"),
    "read_only": DeliveryError("directory", "the file system of the folder is read-only"),
    "other_file_system": DeliveryError("directory", "`aside` is not on the file system of `path`"),
    "bad_name": DeliveryError("directory", "the file system does not take the file's name; the next result is tried"),
    "name_taken": DeliveryError("directory", "other files have the name of this one; the next result is tried"),
    "not_a_program": DeliveryError("command", "the file is no program that this machine can start"),
    "failed": DeliveryError("directory, command", "the system gave another error"),
    "timeout": DeliveryError("webhook, command", "no end came within `timeout`"),
    "configuration": DeliveryError("webhook", "the address or a secret of the way cannot be used"),
    "http_410": DeliveryError("webhook", "the receiver wants no more results: the way is stopped until a `retry`"),
    "exit_75": DeliveryError("command", "the program exited 75, try again later: the way rests"),
    "exit_N": DeliveryError("command", "the program exited N; the next result is tried"),
    "signal_N": DeliveryError("command", "the program was ended by signal N; the next result is tried"),
    "internal": DeliveryError("all", "a fault in cdpoll itself: please report the line beside it"),
}
