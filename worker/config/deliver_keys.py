"""The tables of the keys of ``[deliver.NAME]``: those of all ways out, and those of each kind."""

from worker.config.deliver_kinds import (
    COMMAND,
    MODE,
    OUTCOME_LIST,
    SCHEDULE,
    SIGNING_SECRET,
    SUBTENANTS,
    TEMPLATE,
    WEBHOOK_URL,
)
from worker.config.kinds import FOLDER, PATH, PROXY, YES_NO, Kind, Written, span, word
from worker.config.table import Key, Section

_KINDS = word("directory", "webhook", "command")

COMMON = (
    Key(
        "kind",
        _KINDS,
        None,
        "What this way out is: files in a folder, requests to a webhook, or a command that is started.",
        sample="directory",
        otherwise="required",
        required=True,
    ),
    Key(
        "schedule",
        SCHEDULE,
        "5s 5m 30m 2h 5h 10h 14h 20h 1d",
        "The waits between the attempts for one result that is refused. Behind the last one it is a dead letter.",
    ),
    Key(
        "start",
        word("all", "new"),
        "all",
        "What a way out delivers that is new in the configuration: every result that the database holds, or only "
        "those that come from then on.",
    ),
    Key(
        "subtenant",
        SUBTENANTS,
        None,
        "Only results of these subtenants go out.",
        sample="north south",
        otherwise="those of all, and those of none",
    ),
    Key(
        "outcomes",
        OUTCOME_LIST,
        "success failure batch",
        "Only these go out: concluded tasks by their outcome, and answers of batch files.",
    ),
)

_DIRECTORY = (
    Key(
        "path",
        FOLDER,
        None,
        "The folder in which the files appear, whole and one after the other. It must exist.",
        sample="/srv/coverage",
        otherwise="required",
        required=True,
    ),
    Key(
        "aside",
        FOLDER,
        None,
        "The folder in which they are written before. It must be on the same file system as path, and the reader must "
        "not read it. It is made if need be.",
        sample="/srv/.folder.aside",
        otherwise=".NAME.aside beside path",
    ),
    Key(
        "name",
        TEMPLATE,
        "{seq}-{id}-{outcome}",
        "The name of each file; .json is added. Characters that are not safe become _, and such a name gets the "
        "number of the result at its end, and so does one that the file of another result has.",
    ),
    Key("x12", YES_NO, "no", "Whether the 271s of a result are put beside it, as NAME.x12, NAME.2.x12 and so on."),
    Key("mode", MODE, "0640", "The mode of the files."),
)

_WEBHOOK = (
    Key(
        "url",
        WEBHOOK_URL,
        None,
        "Where each result is posted to. Redirects are not followed.",
        sample="https://hooks.example.com/coverage",
        otherwise="required",
        required=True,
    ),
    Key(
        "secret",
        SIGNING_SECRET,
        None,
        "What requests are signed with, as Standard Webhooks has it.",
        sample="{credential webhook-secret}",
        otherwise="required",
        required=True,
    ),
    Key(
        "previous_secret",
        SIGNING_SECRET,
        None,
        "While the secret is changed: the former one. Requests are signed with both.",
        sample="{credential webhook-secret-before}",
    ),
    Key(
        "payload",
        word("thin", "full"),
        "thin",
        "thin names the result and counts what was found, in 20 kB at most; full is the result as `cdpoll export` "
        "writes it.",
    ),
    Key("timeout", span("1s", "110s"), "20s", "How long one request may take in all."),
    Key(
        "ca_file",
        PATH,
        None,
        "Certificates (PEM) to trust in place of the machine's own.",
        sample="/etc/cdpoll/ca.pem",
        otherwise="the machine's own",
    ),
    Key(
        "proxy",
        PROXY,
        None,
        "The HTTP proxy for these requests. With it, url must begin with https.",
        sample="http://proxy.example.com:3128",
        otherwise="no proxy",
    ),
)

_COMMAND = (
    Key(
        "command",
        COMMAND,
        None,
        "What is started for each result, one at a time, without a shell. The result is its standard input; it exits "
        "0 when it has it.",
        sample="/usr/local/bin/coverage-in --quiet",
        otherwise="required",
        required=True,
    ),
    Key("timeout", span("1s", "15m"), "1m", "How long it may run. Then it is killed, with all that it started."),
)

KINDS: dict[str, tuple[Key, ...]] = {"directory": _DIRECTORY, "webhook": _WEBHOOK, "command": _COMMAND}
FAMILY_KEYS = frozenset(key.name for keys in (COMMON, *KINDS.values()) for key in keys)

DOCS = {
    "directory": "A way out: each result becomes a file in a folder.",
    "webhook": "A way out: each result is posted to an address, as Standard Webhooks (standardwebhooks.com) has it.",
    "command": "A way out: a command is started for each result.",
}


def _as_it_is(written: Written) -> str:
    return written.text


_UNREAD = Kind("", _as_it_is)


def way_section(name: str, kind: str | None) -> Section:
    """The table of one section; with ``None`` for the kind, keys of any kind may stand there, and are not read."""
    if kind is not None:
        return Section(name, DOCS[kind], COMMON + KINDS[kind], optional=True)
    unread = {key.name: Key(key.name, _UNREAD, None, "") for keys in KINDS.values() for key in keys}
    return Section(name, "", COMMON + tuple(unread.values()), optional=True)


#: One of each kind, as the example shows them, with those keys that it explains there.
EXAMPLES = (
    way_section("deliver.folder", "directory"),
    Section("deliver.hook", DOCS["webhook"], (COMMON[0]._replace(sample="webhook"), *_WEBHOOK), optional=True),
    Section("deliver.program", DOCS["command"], (COMMON[0]._replace(sample="command"), *_COMMAND), optional=True),
)
