"""The request of `cdpoll submit`: where it is posted, with which headers, and its body.

A body that needs nothing of ours goes out byte for byte as it was handed in. Messages never quote it: it is about a
patient.
"""

import json
import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from worker.core.errors import BadData
from worker.core.intake.intake import Recording
from worker.core.intake.recording import MOST_CORRELATION_CHARACTERS

REAL_TIME_PATH, REAL_TIME_X12_PATH = "", "/real-time/x12"
DISCOVERY_PATH, DISCOVERY_X12_PATH = "/coverage-discovery", "/coverage-discovery/x12"

_WHOLE = ("canonicalEligibilityRequest", "canonicalEligibilityResponse")
_X12 = ("x12", "x12-270", "x12-271")
_INQUIRY = ("subscriber", "encounter")
_HEADER = re.compile(r"[!-~](?:[ -~]*[!-~])?")


class Wish(NamedTuple):
    """What the caller asks for beside the body. ``callback_url``: of a discovery, unless the body names one."""

    correlation_id: str
    subtenant: str | None = None
    discovery: bool = False
    dry_run: bool = False
    deduplication: bool = True
    callback_url: str | None = None


@dataclass(frozen=True, slots=True)
class Submission:
    """One POST. ``path`` stands behind the base URL; ``about`` is what is said of each task that it begins."""

    path: str
    headers: dict[str, str]
    body: bytes = field(repr=False)
    about: Recording
    correlation_id: str
    discovery: bool
    dry_run: bool


def header_trouble(text: str) -> str:
    """Why a text cannot be the value of a header of ours; empty where it can."""
    if not text.strip():
        return "is empty"
    if len(text) > MOST_CORRELATION_CHARACTERS:
        return f"is longer than {MOST_CORRELATION_CHARACTERS} characters"
    return "" if _HEADER.fullmatch(text) else "holds a line end or a character that is not plain ASCII"


def json_submission(data: bytes, name: str, wish: Wish) -> Submission:
    """The request that a body in JSON makes. Raises BadData; ``name`` stands for it in what people read.

    For a direct discovery it is the body of the discovery, or an eligibility request, which becomes its
    ``canonicalEligibilityRequest``.
    """
    text = utf8(data, name)
    body = _object(text, name)
    if any(key in body for key in _X12):
        raise BadData(f"{name} holds X12 in JSON", "hand in the 270 itself, from ISA to IEA, with --x12")
    if not wish.discovery:
        if any(key in body for key in _WHOLE):
            raise BadData(f"{name} is the body of a direct discovery", "submit it with --discovery")
        return _made(REAL_TIME_PATH, text.encode(), wish)
    if not any(key in body for key in _WHOLE):
        if not any(key in body for key in _INQUIRY):
            message = f"{name} is neither the body of a direct discovery nor an eligibility request"
            raise BadData(message, "a discovery has canonicalEligibilityRequest, a request subscriber and encounter")
        text, body = f'{{"canonicalEligibilityRequest":{text.strip()}}}', {}
    more = _more(wish, body)
    if more:
        text = json.dumps({**json.loads(text), **more}, separators=(",", ":"))
    return _made(DISCOVERY_PATH, text.encode(), wish, dry_run=wish.dry_run or body.get("dryRun") is True)


def x12_submission(inquiry: bytes, answer: bytes | None, names: tuple[str, str], wish: Wish) -> Submission:
    """The request that a 270 makes, and for a direct discovery the 271 that answered it. Raises BadData."""
    # Only here: the reader takes longer to import than all else.
    from worker.core.x12.inquiry import one_set, read_270

    text = utf8(inquiry, names[0])
    said = read_270(inquiry, names[0])
    if wish.discovery:
        assert answer is not None
        one_set(answer, "271", names[1])
        body = {"x12-270": text, "x12-271": utf8(answer, names[1]), **_more(wish, {})}
    else:
        body = {"x12": text}
    made = _made(
        DISCOVERY_X12_PATH if wish.discovery else REAL_TIME_X12_PATH,
        json.dumps(body, separators=(",", ":")).encode(),
        wish,
        dry_run=wish.dry_run,
    )
    about = Recording("", "submit", **said._asdict(), correlation_id=wish.correlation_id, subtenant=wish.subtenant)
    return Submission(made.path, made.headers, made.body, about, made.correlation_id, made.discovery, made.dry_run)


def _made(path: str, body: bytes, wish: Wish, *, dry_run: bool = False) -> Submission:
    headers = {"content-type": "application/json", "x-optum-correlation-id": wish.correlation_id}
    if wish.subtenant:
        headers["x-optum-subtenant-id"] = wish.subtenant
    if not wish.deduplication:
        headers["x-optum-eligibility-disable-value-add"] = "deduplication"
    about = Recording("", "submit", correlation_id=wish.correlation_id, subtenant=wish.subtenant)
    return Submission(path, headers, body, about, wish.correlation_id, wish.discovery, dry_run)


def _more(wish: Wish, body: dict[str, Any]) -> dict[str, Any]:
    """What is added to the body of a discovery."""
    more: dict[str, Any] = {}
    if wish.dry_run and body.get("dryRun") is not True:
        more["dryRun"] = True
    if wish.callback_url and "callbackUrl" not in body:
        more["callbackUrl"] = wish.callback_url
    return more


def utf8(data: bytes, name: str) -> str:
    """The text of a file. Raises BadData: no other encoding is guessed, for it would change names."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"{name} is not text in UTF-8: see its byte {error.start + 1}"
        raise BadData(message, "write it in UTF-8, as with `iconv -t UTF-8`") from None


def _object(text: str, name: str) -> dict[str, Any]:
    try:
        found = json.loads(text, object_pairs_hook=_without_repeats, parse_constant=_refuse)
    except _Repeated:
        message = f"{name}: a key stands twice in one object, so that what is meant cannot be told"
        raise BadData(message, "write each key once") from None
    except (ValueError, RecursionError):
        raise BadData(f"{name} is not JSON", "hand in the vendor's body; a 270 goes with --x12") from None
    if not isinstance(found, dict):
        raise BadData(f"{name} is JSON, but no object", "hand in the body of one request")
    return found


class _Repeated(Exception):
    """A key stands twice."""


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Repeated
    return found


def _refuse(text: str) -> None:
    raise ValueError(text)
