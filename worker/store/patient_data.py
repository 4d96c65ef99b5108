"""The one list of everything in the database that holds patient data, or may hold it, and what a purge makes of it.

A purge works from :data:`HOLDS` alone. A test holds that every column of text or bytes stands there or in
:data:`HOLDS_NONE`, so a new column cannot be forgotten. The files are listed in ``worker/rounds/retention/files.py``.

What stays is what tells that there was something: ids, times, outcomes and counts; and hashes, by which what comes
again is known.
"""

from typing import Any, Literal, NamedTuple

Of = Literal["task", "file", "body", "text", "lookup", "expected", "notice", "drop"]
"""Whose age counts. ``task``: a concluded or abandoned task, with its bodies. ``file``: a batch file, with its sets and
answers. ``body``: a body that names no task. ``text``: what could not be read. ``lookup``: a discovery that was looked
for, found or not. ``expected``: an answer that was expected. ``notice``: of files that were lost. ``drop``: what the
drop last held, once no round reads it any more."""


class Held(NamedTuple):
    """``removed``: the row goes. Else ``becomes`` is what the column holds afterwards."""

    table: str
    column: str
    of: Of
    what: str
    becomes: Any = None
    removed: bool = False


def _rows(of: Of, table: str, what: str, *columns: str) -> tuple[Held, ...]:
    return tuple([Held(table, column, of, what, removed=True) for column in columns])


_ANSWER = (
    *("payer", "payer_id", "member_id", "last_name", "first_name", "birth_date", "plan", "group_number", "group_name"),
    *("other_payers", "rejections", "reference", "trace_number", "originator_id", "said", "begins", "ends"),
    *("managed_care", "to_ask", "warnings", "account", "list", "level", "coverage", "match"),
)

_OF_HEADERS = ("tenant", "correlation_id", "trace_id")

_OF_LOOKUP = ("ref", "correlation_id", "trace_number", "originator_id", "member_id", "birth_date", "subtenant")

HOLDS: tuple[Held, ...] = (
    Held("tasks", "trace_number", "task", "trace number of the 270"),
    Held("tasks", "originator_id", "task", "originator of the 270"),
    Held("tasks", "member_id", "task", "member id that was recorded"),
    Held("tasks", "birth_date", "task", "birth date that was recorded"),
    *_rows("task", "refs", "the caller's keys", "ref", "correlation_id"),
    Held("results", "body", "task", "body of a result", becomes=b""),
    Held("results", "body_sha256", "task", "hash of the body"),
    Held("results", "real_time_sha256", "task", "hash of what its realTime says"),
    *_rows(
        *("task", "paths", "paths of a body"),
        *("list", "path_id", "name", "status", "payer_id", "transaction_id", "reason", "timestamp"),
    ),
    *_rows("task", "answers", "what its 271s say", *_ANSWER),
    *_rows("task", "bodies", "bodies that are no results", "source", "reason", "identity", "body", *_OF_HEADERS),
    *_rows("task", "outbox", "numbers of the result, with the ref", "ref", "reason"),
    *_rows("task", "deliveries", "dead letters of the result", "way", "state", "error", "detail"),
    *_rows("body", "bodies", "bodies that name no task", "source", "reason", "identity", "body", *_OF_HEADERS),
    *_rows("text", "unreadable", "what could not be read", "raw", "reason", "ref"),
    *_rows(
        "lookup",
        "lookups",
        "discoveries that were looked for",
        "correlation_id",
        "ref",
        *_OF_LOOKUP,
        "state",
        "last_error",
    ),
    *_rows("expected", "expected", "answers that were expected", *_OF_LOOKUP),
    # The row of an answer goes with that of its result, and so do its numbers and candidates.
    *_rows("file", "results", "answers of a batch", "source", "outcome", "body", "canonical_sha256"),
    Held("sets", "raw", "file", "text of a set", becomes=b""),
    Held("sets", "code", "file", "ST01 of a set, which may be damaged", becomes=""),
    Held("sets", "control", "file", "ST02 of a set, which may be damaged", becomes=""),
    Held("sets", "version", "file", "ST03 of a set, which may be damaged", becomes=""),
    Held("sets", "issues", "file", "what is odd in a set", becomes="[]"),
    Held("envelopes", "interchange", "file", "values of the ISA", becomes="{}"),
    Held("envelopes", "grouped", "file", "values of the GS"),
    Held("files", "name", "file", "name of a batch file", becomes="(purged)"),
    Held("files", "reason", "file", "why it is in its state; may name what is in it"),
    Held("files", "warnings", "file", "what is odd in a file", becomes="[]"),
    *_rows("notice", "notices", "names of files that were lost", "code", "detail"),
    *_rows("drop", "remote_files", "names in the drop", "name", "shown", "local", "state", "error", "daemon"),
)

_WORDS = "words of cdpoll's own"
_DAEMON = "the name of a daemon, from the configuration"
_IDS = "an id, which stays"
_HASH = "a hash, by which what comes again is known"
_VENDOR = "the vendor's word for the task, which stays"

HOLDS_NONE: dict[tuple[str, str], str] = {
    ("tasks", "id"): _IDS,
    ("tasks", "origin"): "the address of the API",
    ("tasks", "state"): _WORDS,
    ("tasks", "outcome"): _VENDOR,
    ("tasks", "name"): "the customer's name for this sort of discovery",
    ("tasks", "source"): _WORDS,
    ("tasks", "correlation_id"): _IDS,
    ("tasks", "trace_id"): _IDS,
    ("tasks", "subtenant"): "of the vendor's tenant",
    ("tasks", "reason"): _WORDS,
    ("tasks", "last_error"): _WORDS,
    ("tasks", "last_trace_id"): _IDS,
    ("tasks", "task_class"): "names of paths, as the vendor has them for all",
    ("tasks", "concluded_by"): _WORDS,
    ("tasks", "verified"): _WORDS,
    ("callback_tokens", "token_sha256"): "a hash; it goes when the token expires",
    ("callback_tokens", "bound"): "a hash; it goes when the token expires",
    ("callback_tokens", "scope"): "a word of the configuration",
    ("history", "event"): _WORDS,
    ("history", "detail"): _WORDS,
    ("failed_polls", "error"): _WORDS,
    ("failed_polls", "trace_id"): _IDS,
    ("tallies", "name"): _WORDS,
    ("tallies", "key"): _WORDS,
    ("results", "source"): _WORDS,
    ("results", "outcome"): _VENDOR,
    ("results", "canonical_sha256"): _HASH,
    ("candidates", "reason"): _WORDS,
    ("texts", "sha256"): _HASH,
    ("outbox", "reason"): _WORDS,
    ("ways", "name"): "the name of a section of the configuration",
    ("ways", "reason"): _WORDS,
    ("deliveries", "way"): "the name of a section of the configuration",
    ("deliveries", "state"): _WORDS,
    ("deliveries", "error"): _WORDS,
    ("deliveries", "detail"): _WORDS,
    ("cursors", "name"): "the name that a reader gave itself",
    ("counters", "name"): _WORDS,
    ("files", "source"): _WORDS,
    ("files", "sha256"): _HASH,
    ("files", "state"): _WORDS,
    ("discarded", "sha256"): _HASH,
    ("sets", "state"): _WORDS,
    ("sets", "sha256"): _HASH,
    ("api", "reason"): _WORDS,
    ("api", "code"): _WORDS,
    ("backfill", "offset_by"): _WORDS,
    ("backfill", "last_error"): _WORDS,
    ("spool", "daemon"): _DAEMON,
    ("spool", "last_error"): _WORDS,
    ("curves", "task_class"): "names of paths, as the vendor has them for all",
    ("curves", "curve"): "numbers",
    ("leases", "name"): _WORDS,
    ("leases", "holder"): _DAEMON,
    ("daemons", "name"): _DAEMON,
    ("daemons", "host"): "the name of a machine",
    ("daemons", "version"): "of cdpoll",
    ("notices", "daemon"): _DAEMON,
    ("files", "daemon"): _DAEMON,
    ("problems", "code"): _WORDS,
    ("problems", "daemon"): _DAEMON,
    ("problems", "acked_by"): "a user of this machine",
    ("acts", "who"): "a user of this machine",
    ("acts", "act"): _WORDS,
    ("acts", "object"): "ids, codes, numbers, ages, names of ways and cursors; never a ref nor the name of a file",
    ("meta", "key"): _WORDS,
    ("meta", "value"): "single values; the names of links in the drop go with the drop",
}

# The rows of a table that belong to the tasks, or to the sets or files, that are put in for the braces.
_POLLED = "(SELECT seq FROM results WHERE task IN ({0}) AND source <> 'batch')"
WHERE: dict[tuple[str, Of], str] = {
    ("tasks", "task"): "seq IN ({0})",
    ("refs", "task"): "task IN ({0})",
    ("bodies", "task"): "task IN ({0})",
    ("results", "task"): "task IN ({0}) AND source <> 'batch'",
    ("paths", "task"): f"result IN {_POLLED}",
    ("answers", "task"): f"result IN {_POLLED}",
    ("outbox", "task"): f"result IN {_POLLED}",
    ("deliveries", "task"): f"result IN {_POLLED}",
    ("results", "file"): "seq IN ({0}) AND source = 'batch'",
    ("sets", "file"): "seq IN ({0})",
    ("envelopes", "file"): "seq IN ({0})",
    ("files", "file"): "seq IN ({0})",
    ("bodies", "body"): "seq IN ({0})",
    ("unreadable", "text"): "seq IN ({0})",
    ("lookups", "lookup"): "seq IN ({0})",
    ("expected", "expected"): "seq IN ({0})",
    ("notices", "notice"): "code = 'files_lost'",
    ("remote_files", "drop"): "1 = 1",
}


class Erasing(NamedTuple):
    """A statement for a table, with ``{0}`` for the rows, and its parameters."""

    table: str
    sql: str
    params: dict[str, Any]


def erasing(of: Of) -> list[Erasing]:
    """What removes everything in :data:`HOLDS` that goes by the age of ``of``, table by table."""
    found = []
    for table in dict.fromkeys([one.table for one in HOLDS if one.of == of]):
        where = WHERE[table, of]
        columns = [one for one in HOLDS if one.of == of and one.table == table]
        if all(one.removed for one in columns):
            found.append(Erasing(table, f"DELETE FROM {table} WHERE {where}", {}))  # noqa: S608 - constants
            continue
        values = ", ".join(f"{one.column} = :{one.column}" for one in columns)
        params = {one.column: one.becomes for one in columns}
        found.append(Erasing(table, f"UPDATE {table} SET {values} WHERE {where}", params))  # noqa: S608 - constants
    return found
