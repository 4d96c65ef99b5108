"""docs/problems.md, made from the lists of problems and of failures of polls: ``python -m cli.problems_page``."""

import re
from pathlib import Path

from worker.core.poll_errors import POLL_ERRORS
from worker.core.problems import KINDS, Kind

TARGET = Path(__file__).parents[1] / "docs" / "problems.md"

HEAD = """\
# Every code, what it means, and what to do

`cdpoll status` and `cdpoll problems list` name what a person must see, each with a stable code. The log has a line when
a problem begins (`problem begins`, of the level error or warning) and one when it is over. `systemctl status` names the
worst. `cdpoll status --check` makes a Nagios answer of the same list: critical is 2, warning is 1.

A problem is found within 15 s. Its end is logged when it has been gone for a minute. One that comes back before that is
the same problem, and is not logged again: what comes and goes many times a minute is two lines.

`cdpoll problems ack CODE` hides a problem, for states that somebody wants as they are (tasks that were abandoned). It
is shown again when it concerns more than when it was acknowledged, or returns after its end. `cdpoll problems acts`
lists who did what by hand.

This page is made from `worker/core/problems.py` and `worker/core/poll_errors.py`.

## Problems

| code | severity | means | what to do | more |
| --- | --- | --- | --- | --- |
"""

ERRORS = """
A code `failing_…` is made with a failure of the table below, and `sftp_…` with one of the table in
[`worker/gateways/sftp/failure.py`](../worker/gateways/sftp/failure.py); its hint says which it was, and what to do.

## Failures of polls

These stand in `last_error` of a task, in `failing_CODE`, and in the reason of a pause. `token_CODE`: it happened when a
token was asked for. `http_STATUS` is any other status of HTTP; the sender's own word may follow it
(`http_403_invalid_product`).

| code | means | what to do |
| --- | --- | --- |
"""

TAIL = """
## What is odd in a batch

The codes of a file, a transaction set or an answer (`issues`, `warnings`) stand in a table at the head of
[`worker/core/x12/issues.py`](../worker/core/x12/issues.py); `cdpoll quarantine show` and `cdpoll show` say each
in words.
"""

# What stands for the fields of the words and cures.
_FIELDS = {
    "tasks": "tasks",
    "texts": "texts",
    "responses": "ten or more responses in a row",
    "begin": "the first of them",
    "files": "files",
    "things": "what waits",
    "n": "several",
    "pid": "PID",
    "lasting": "some time",
    "every": "`every`",
    "folder": "the database's folder",
    "daily": "configured",
    "cause": "the failure that the hint names",
    "cure": "what the hint says",
    "error": "CODE",
    "named": "single files of the drop cannot be fetched, moved or deleted; the hint names them",
    "way": "forward or back",
    "by": "more than some seconds",
}


def markdown() -> str:
    """The whole page."""
    problems = "".join(map(_row, KINDS.values()))
    failures = "".join(f"| `{code}` | {one.words} | {one.cure} |\n" for code, one in POLL_ERRORS.items())
    return HEAD + problems + ERRORS + failures + TAIL


def _row(kind: Kind) -> str:
    code = f"{kind.code}_…" if kind.code in ("failing", "sftp") else kind.code
    heading = kind.page.partition("#")[2].replace("-", " ")
    more = f"[{heading}]({kind.page})" if kind.page else ""
    words = kind.words.replace("failing{cause}", "failing: {cause}")  # the sign before a cause comes with it
    return f"| `{code}` | {kind.severity} | {_filled(words)} | {_filled(kind.cure)} | {more} |\n"


def _filled(text: str) -> str:
    return re.sub(r"\{(\w+)\}", lambda match: _FIELDS[match[1]], text).replace("|", "&#124;")


if __name__ == "__main__":
    TARGET.write_text(markdown(), encoding="utf-8")
