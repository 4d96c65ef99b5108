"""docs/problems.md, made from the lists of codes: ``python -m cli.problems_page``."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from worker.core.delivery_errors import DELIVERY_ERRORS
from worker.core.exit_code import MEANINGS, NAGIOS
from worker.core.poll_errors import POLL_ERRORS, cure_of, in_words
from worker.core.problems import FAMILIES, KINDS, Kind
from worker.core.x12.issues import HELD, MESSAGES
from worker.gateways.sftp.failure import SftpFailed
from worker.store.db.damage import LOST_ISSUE
from worker.store.views.found import NO_ANSWER, NOT_READ, OTHER_ANSWER

TARGET = Path(__file__).parents[1] / "docs" / "problems.md"

HEAD = """\
# Every code, what it means, and what to do

`cdpoll status` and `cdpoll problems list` name what a person must see, each with a stable code. The log has a line when
a problem begins (`problem begins`, of the level error or warning) and one when it is over. `systemctl status` names the
worst. `cdpoll status --check` makes a Nagios answer of the same list: critical is 2, warning is 1.

A problem is found within 15 s. Its end is logged when it has been gone for a minute. One that comes back before that is
the same problem, and is not logged again: what comes and goes many times a minute is two lines. Where the cause of a
problem changes while it stands, one more line tells the new one.

One outage is one problem. While the API is paused, `api_…` tells of it, and the tasks that fail because of it are not
told as `failing_…`; nor are they after the pause, until they have failed again. The log tells of `failing_…` when it
has stood for 15 s.

`cdpoll problems ack CODE` hides a problem, for states that somebody wants as they are (tasks that were abandoned). It
is shown again when it concerns more than when it was acknowledged, or returns after its end. (The end is noticed by the
daemon, and by `cdpoll run --once`.) What is critical cannot be hidden; tasks
of `callback_mismatch` are accepted by it for good. `cdpoll problems acts` lists what people did by
hand: what they acknowledged, abandoned, gave a fresh start, read again or dropped.

This page is made from the lists in `worker/core`. The [keys](configuration.md) and the
[metrics](metrics.md) have tables of their own.

## Exit codes

| exit | means |
| --- | --- |
{exits}
`status --check` alone ends as a Nagios plug-in: {nagios}.

## Problems

| code | severity | means | what to do | more |
| --- | --- | --- | --- | --- |
"""

ERRORS = """
## Failures of the drop

Each is a problem `sftp_CODE` where it hinders a whole round; its hint says what to do. Where it concerns a single file,
the problem is `sftp_files`, which names the file and what happened. `cdpoll status` shows the code in the line `drop`.

| code | what happened |
| --- | --- |
{drop}
## Failures of polls

These stand in `last_error` of a task, in `failing_CODE`, and in the reason of a pause. `token_CODE`: it happened when a
token was asked for, and then `base_url` below is `token_url`. `http_STATUS` is any other status of HTTP; the sender's
own word may follow it (`http_403_invalid_product`).

| code | means | what to do |
| --- | --- | --- |
"""

DELIVERIES = """
## Failures of deliveries

These stand in `status`, in `deliveries list` and in the log, with a line that names the folder, the host or the
program. A webhook has the codes of [failed polls](#failures-of-polls), too.

| code | kind of way | what happened |
| --- | --- | --- |
"""

ISSUES = """
## What is odd in a batch or an answer

The codes of a file, of a transaction set, of an answer and of a task's coverage (`issues`, `warnings`). *held*: the set
goes to quarantine alone, and its neighbours are stored. Every other code is a warning beside what is stored.

| code | | means |
| --- | --- | --- |
"""

# Some of the codes that are made of others.
_OF_FAMILIES = (
    *("http_401", "http_403", "http_403_html", "http_429", "http_500", "http_503"),
    *(f"proxy_http_{status}" for status in (403, 405, 502, 503, 504)),
)

# What stands for the fields of the words and cures.
_FIELDS = {
    "tasks": "tasks",
    "texts": "texts",
    "responses": "ten or more responses in a row",
    "begin": "the first of them",
    "files": "files",
    "n": "several",
    "pid": "PID",
    "lasting": "some time",
    "every": "`every`",
    "folder": "the database's folder",
    "daily": "configured",
    "cause": "a [failure of polls](#failures-of-polls)",
    "cure": "what stands beside that failure",
    "error": "CODE",
    "named": "single files of the drop cannot be fetched, moved or deleted; the hint names them",
    "way": "forward or back",
    "by": "more than 5 seconds",
}


_FIELDS_OF = {
    "daemon_restarts": {"n": "three or more"},
    "daemon_silent": {"silent": "one of several daemons has not been seen for a minute and a half"},
    "daemon_name_taken": {"other": "the hint names its host"},
    "daemon_versions": {"versions": "the hint names them"},
    "deliver_not_running": {"waits": "results are to be delivered, or `[alert] command` is to be told of problems"},
    "delivery_stopped": {"named": "a way out"},
    "delivery_failing": {"named": "a way out", "cause": "the error, which the hint names"},
    "delivery_dead": {"letters": "letters", "named": "a way out", "cause": "an error, which the hint names"},
    "not_run": {"things": "tasks are due, or the drop was not read,"},
    "callback_quarantined": {"callbacks": "callbacks"},
    "lookup_expired": {"lookups": "requests"},
    "lookup_doubtful": {"lookups": "requests"},
    "quarantined": {"things": "files or transaction sets"},
    "database_unwritable": {"cause": "an error, which the hint names", "cure": "by the error"},
    "database_denied": {"cause": "owner or mode of a file, which the hint names", "cure": "by the cause"},
    "backlog": {
        "cure": "raise requests_per_second, if the vendor allows more; after refusals the pace recovers by itself"
    },
    "daemon_stuck": {"lasting": "a minute and a half"},
    "overdue": {
        "lasting": "`[polling] alert_after`",
        "cure": "ask the vendor (`cdpoll support ID` writes the ticket; without `[api]`, `cdpoll support --overdue` "
        "writes what asks for their callbacks)",
    },
    "spool_stuck": {"cause": "the reason, which the hint names", "cure": "by the reason"},
    "spool_bad": {"folder": "`bad` below `[spool] path`"},
    "snapshot_old": {
        "whose": "a user whom the hint names",
        "lasting": "more than an hour",
        "cure": "end that program, or `SELECT pg_terminate_backend(PID)`; one that is prepared: `ROLLBACK PREPARED`",
    },
    "sftp_stale": {"under_way": "", "lasting": "three times `every`"},
    "api_rate_limited": {"cure": "lower requests_per_second if it comes often"},
}


def markdown() -> str:
    """The whole page."""
    problems = "".join(_row(row, kind.page) for row, kind in zip(problem_rows(), KINDS.values(), strict=True))
    failures = "".join(f"| `{code}` | {one.words} | {cure_of(code)} |\n" for code, one in POLL_ERRORS.items())
    statuses = "".join(f"| `{code}` | {in_words(code)} | {cure_of(code)} |\n" for code in _OF_FAMILIES)
    drop = "".join(f"| `{code}` | {what} |\n" for code, what in drop_failures())
    sent = "".join(f"| `{code}` | {one.of} | {one.words} |\n" for code, one in DELIVERY_ERRORS.items())
    return "".join(
        (_head(), problems, ERRORS.format(drop=drop), failures, statuses, DELIVERIES, sent, ISSUES, _issues())
    )


def _head() -> str:
    exits = "".join(f"| {code.value} | {words} |\n" for code, words in MEANINGS.items())
    return HEAD.format(exits=exits, nagios=NAGIOS)


def _issues() -> str:
    beside = {one["code"]: one["message"] for one in (NOT_READ, NO_ANSWER, OTHER_ANSWER, LOST_ISSUE)}
    said = sorted((MESSAGES | beside).items())
    return "".join(f"| `{code}` | {'held' if code in HELD else ''} | {message} |\n" for code, message in said)


def drop_failures() -> list[tuple[str, str]]:
    """The codes of the drop, as their table says them."""
    table = (SftpFailed.__doc__ or "").replace("``", "`")
    return re.findall(r"^    ([a-z_]+) {2,}(?!what happened)(\S.*)$", table, re.MULTILINE)


def problem_rows() -> Iterator[tuple[str, str, str, str]]:
    """Of each problem its code, severity, meaning and cure."""
    for kind in KINDS.values():
        code = f"{kind.code}_…" if kind.code in FAMILIES else kind.code
        yield code, kind.severity, *words_of(kind)


def words_of(kind: Kind) -> tuple[str, str]:
    """What is wrong and what to do, for any problem of that kind."""
    words = kind.words.replace("failing{cause}", "failing: {cause}")  # the sign before a cause comes with it
    fields = _FIELDS | _FIELDS_OF.get(kind.code, {})
    return _filled(words, fields), _filled(kind.cure, fields)


def _row(row: tuple[str, str, str, str], page: str) -> str:
    code, severity, said, cure = (text.replace("|", "&#124;") for text in row)
    more = f"[{page.partition('#')[2].replace('-', ' ')}]({page})" if page else ""
    return f"| `{code}` | {severity} | {said} | {cure} | {more} |\n"


def _filled(text: str, fields: Mapping[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda match: fields[match[1]], text)


if __name__ == "__main__":
    TARGET.write_text(markdown(), encoding="utf-8")
