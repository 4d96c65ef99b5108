"""``POST /v1/tasks``: other programs hand in what the vendor answered them, and get an answer behind the commit.

===========  ================================================================================================
status
===========  ================================================================================================
201          an id, a lookup or an expected answer was new; all of them are on the disk
200          all were known, or the request rightly names no task
422          nothing could be read; what was sent is kept raw all the same
400          the request is not whole, or brings in its address what does not belong there
401 403 421  see ``access.py``
413          the body is too large, or names too many tasks
415          the body is neither JSON nor JSON lines by its own word, or is packed
429          more new ids than may come within a minute; nothing of this request is stored
503          the database cannot be written now, or larger bodies wait
===========  ================================================================================================
"""

from collections.abc import Callable
from typing import Any

from flask import Response, jsonify, request

from worker.core.errors import CdpollError
from worker.core.intake.lengths import length_trouble
from worker.core.intake.pieces import Notes, Piece
from worker.core.intake.posted import About, TooMuch, from_forwarded, from_json, from_lines, whole_of
from worker.rounds.log_lines import Log
from worker.store.tasks.recording import Recorded
from worker.web.intake.recording import Capped, Recorder
from worker.web.intake.telling import IntakeTelling
from worker.web.refusal import refused
from worker.web.room import Room

# Twenty thousand JSON lines with a Link each take half of it.
MAX_BODY_BYTES = 4 * 1024 * 1024
MOST_ITEMS = 20_000

# A larger body waits for its turn: what is made of 4 MiB takes some 100 MB.
SMALL_BODY_BYTES = 64 * 1024

RETRY_AFTER_S = 5

# Of an unreadable text so much is sent back. All of it is kept.
SHOWN_CHARS, SHOWN_ROWS = 200, 100

JSON_KINDS = ("application/json",)
LINES_KINDS = ("application/x-ndjson", "application/jsonl", "application/x-jsonlines")

_FORWARDED = ("link", "location", "date", "x-optum-trace-id")
_KINDS = "a body must be application/json, or application/x-ndjson for JSON lines"


class TasksEndpoint:
    """``now`` reads the clock (ms)."""

    def __init__(self, recorder: Recorder, rows_per_minute: int, now: Callable[[], int], log: Log) -> None:
        self._recorder, self._rows_per_minute, self._now = recorder, rows_per_minute, now
        self._room = Room(small_bytes=SMALL_BODY_BYTES)
        self._telling = IntakeTelling(log)

    def post(self) -> Response:
        """The answer to one request."""
        now = self._now()
        try:
            return _misdirected() or self._taken(now)
        except TooMuch:
            return refused(413, "too_many", f"at most {MOST_ITEMS} tasks may come at once; hand in fewer at a time")
        except Capped as capped:
            return self._capped(capped, now)
        except CdpollError as error:
            self._telling.unable(error, now)
            busy = {"Retry-After": str(RETRY_AFTER_S)}
            return refused(503, "try_later", "it cannot be recorded now; send it again", busy)

    def _capped(self, capped: Capped, now: int) -> Response:
        if capped.wait_ms is None:
            most = f"at most {self._rows_per_minute} ids that are new may come within a minute; hand in fewer at a time"
            return refused(413, "too_many", most)
        self._telling.capped(self._rows_per_minute, now)
        wait = {"Retry-After": str(max(1, -(-capped.wait_ms // 1000)))}
        return refused(429, "too_many_new_ids", "more new ids than may come within a minute; send it again", wait)

    def _taken(self, now: int) -> Response:
        # One more, because werkzeug cuts off what comes in chunks and is longer, without a word.
        request.max_content_length = MAX_BODY_BYTES + 1
        with self._room.body(request.stream, MAX_BODY_BYTES) as body:
            if body.strip() and (wrong := _wrong_kind()) is not None:
                return wrong
            pieces = _pieces(body)
            whole = whole_of(pieces, MOST_ITEMS)
            done = self._recorder.record(whole, pieces, now)
        self._telling.taken()
        if whole.unreadable:
            self._telling.unreadable(len(whole.unreadable), now)
        notes = Notes()
        notes.of(pieces, now)
        told = _told(done, notes)
        lost = dict.fromkeys((item.raw[:SHOWN_CHARS], item.reason) for item in whole.unreadable)
        told["unreadable"] = [{"raw": raw, "reason": reason} for raw, reason in [*lost][:SHOWN_ROWS]]
        if len(lost) > SHOWN_ROWS:
            told["notes"].append(f"{len(lost) - SHOWN_ROWS} more are unreadable; all are kept")
        named = whole.recordings or whole.awaited
        status = 201 if done.new or done.awaited_anew else 200 if named or not whole.unreadable else 422
        answer = jsonify(told)
        answer.status_code = status
        return answer


def _told(done: Recorded, notes: Notes) -> dict[str, Any]:
    if done.abandoned:
        notes.add(f"{', '.join(done.abandoned)}: abandoned and still so; `cdpoll retry ID` revives them")
    if done.purged:
        notes.add(f"{', '.join(done.purged)}: what was found was purged; nothing of it goes out any more")
    return {
        "recorded": done.new,
        "known": done.known,
        "lookups": done.lookups,
        "expected": done.expected,
        "notes": notes.told,
    }


def _misdirected() -> Response | None:
    if request.query_string:
        said = "nothing is read from the address, which proxies log: a ref goes into X-Cdpoll-Ref or into the body"
        return refused(400, "query", said)
    if request.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
        return refused(415, "packed", "the body must not be packed (Content-Encoding)", {"Accept-Encoding": "identity"})
    return None


def _wrong_kind() -> Response | None:
    """The answer to a body whose kind is none of ours. So has a form that a browser sends."""
    if request.mimetype not in (*JSON_KINDS, *LINES_KINDS):
        return refused(415, "wrong_kind", _KINDS, {"Accept": ", ".join((*JSON_KINDS, *LINES_KINDS))})
    charset = request.mimetype_params.get("charset", "utf-8").lower()
    if charset not in ("utf-8", "utf8", "us-ascii"):
        return refused(415, "wrong_charset", "the body must be UTF-8")
    return None


def _pieces(body: bytes) -> list[Piece]:
    headers = {name: text for name in _FORWARDED if (text := request.headers.get(name))}
    about = _about()
    if not body.strip():
        return [from_forwarded(headers, about)]
    read = from_lines if request.mimetype in LINES_KINDS else from_json
    pieces = read(body, about, MOST_ITEMS)
    return [from_forwarded(headers, about), *pieces] if headers.keys() & {"link", "location"} else pieces


def _about() -> About:
    """What stands in headers of our own. A header is handed over as Latin-1."""
    texts: dict[str, str | None] = {}
    trouble = ""
    for name in ("X-Cdpoll-Ref", "X-Cdpoll-Subtenant", "X-Optum-Correlation-Id"):
        try:
            texts[name] = request.headers.get(name, "").encode("latin-1").decode().strip() or None
        except ValueError:
            texts[name] = None
            trouble = "is not UTF-8" if name == "X-Cdpoll-Ref" else trouble
    ref = texts["X-Cdpoll-Ref"]
    trouble = trouble or length_trouble("ref", ref or "")
    return About(None if trouble else ref, texts["X-Cdpoll-Subtenant"], texts["X-Optum-Correlation-Id"], trouble)
