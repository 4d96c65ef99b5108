"""The replies the vendor declares, as this project understands them: bodies as JSON Schema, and the headers.

Written from the contract for the tests: what the sandbox sends by default is held against it. Stricter than the
vendor's own document in one way: an object has no other fields than these, so that a slip of the pen is seen.
"""

import json
import re
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any
from urllib.parse import parse_qsl

import httpx
from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend

Schema = dict[str, Any]


def record(required: str, optional: str = "", **fields: Schema) -> Schema:
    """An object with these fields and no others; a field that is only named is a string."""
    names = required.split() + optional.split()
    strings: dict[str, Schema] = {name: {"type": "string"} for name in names}
    return {
        "type": "object",
        "required": required.split(),
        "properties": strings | fields,
        "additionalProperties": False,
    }


def rows(item: Schema) -> Schema:
    return {"type": "array", "items": item}


TEXT: Schema = {"type": "string"}
INSTANT: Schema = {"type": "string", "format": "date-time"}
DAY: Schema = {"type": "string", "format": "date"}
STATUS: Schema = {
    "enum": [
        "eligible",
        "ineligible",
        "payer_unavailable",
        "payer_not_in_system",
        "processing_error",
        "patient_unknown",
    ]
}

ERRORS = rows(TEXT) | {"minItems": 1}
UNAUTHORIZED = record("error error_description traceId")
TOKEN = record("access_token token_type", expires_in={"type": "integer", "minimum": 5})
TOKEN_ERROR = record("error error_description")
OK = record("status", status={"const": "ok"})
UNHEALTHY = record("status", status={"const": "unhealthy"})

PERSON = record("", "firstName lastName memberId gender mrn", dateOfBirth=DAY)
BENEFIT = record("service name value", type={"enum": ["string", "date", "number", "percent", "monetary"]})
TRANSACTION = record(
    "id sourceType processedDate status payer subscriber patient",
    "sourceId correlationId x12-271",
    sourceType={"enum": ["new", "historical", "duplicate", "autosubmit"]},
    processedDate=INSTANT,
    status=record("value description", value=STATUS),
    errors=rows(TEXT),
    payer=record("chcId", "name"),
    subscriber=PERSON,
    patient=PERSON,
    plan=record("description number", beginDate=DAY, endDate=DAY, hmo=record("name planNumber")),
    benefits=rows(BENEFIT),
)

INNER = record("id status chcPayerId", "x12-271", status=STATUS)
FOUND = INNER | {
    "properties": INNER["properties"] | {"status": {"const": "eligible"}},
    "required": ["id", "status", "chcPayerId", "x12-271"],
}
NOT_FOUND = INNER | {"properties": INNER["properties"] | {"status": {"enum": STATUS["enum"][1:]}}}
TASK = record(
    "id status tenantName traceId name type startDateTime discoveryPaths",
    "correlationId",
    status={"enum": ["success", "failure", "pending"]},
    type={"enum": ["serial", "chained"]},
    startDateTime=INSTANT,
    endDateTime=INSTANT,
    realTime=record("id name timestamp transaction", timestamp=INSTANT, transaction=INNER),
    discoveryPaths=record(
        "successful unsuccessful pending skipped",
        successful=rows(record("id name timestamp transaction", timestamp=INSTANT, transaction=FOUND)),
        unsuccessful=rows(record("id name timestamp transaction", timestamp=INSTANT, transaction=NOT_FOUND)),
        pending=rows(record("id name timestamp transaction", timestamp=INSTANT, transaction=record(""))),
        skipped=rows(record("id name timestamp reason", timestamp=INSTANT)),
    ),
) | {
    # the end is there exactly when the task is concluded
    "if": {"properties": {"status": {"const": "pending"}}},
    "then": {"not": {"required": ["endDateTime"]}},
    "else": {"required": ["endDateTime"]},
}

RECEIPT = record("id name")
DRY_PATH = record("name", "description reason")
DRY_RUN = record(
    "successful unsuccessful pending", "", **dict.fromkeys(("successful", "unsuccessful", "pending"), rows(DRY_PATH))
)
MULTI = rows(
    {
        "oneOf": [
            record("status body href", status={"const": 202}, body=RECEIPT),
            record("status body", status={"const": 200}, body=DRY_RUN),
            record("status body", status={"const": 422}, body=TEXT),
        ]
    }
) | {"minItems": 2}

_SUBMITTED = {200: TRANSACTION, 400: ERRORS, 403: ERRORS}
_DISCOVERED = {200: DRY_RUN, 202: RECEIPT, 207: MULTI, 400: ERRORS, 403: ERRORS, 422: ERRORS}
# Operation: what is declared besides 401 and 5XX. A wrong query of a list is answered with 400, which no text declares.
REPLIES: dict[str, dict[int, Schema]] = {
    "POST ": _SUBMITTED,
    "POST /real-time/x12": _SUBMITTED,
    "POST /coverage-discovery": _DISCOVERED,
    "POST /coverage-discovery/x12": _DISCOVERED,
    "GET /coverage-discovery": {200: rows(TASK), 400: ERRORS, 403: ERRORS},
    "GET /coverage-discovery/{id}": {200: TASK, 403: ERRORS, 404: ERRORS, 422: ERRORS},
    "GET /transactions": {200: rows(TRANSACTION), 400: ERRORS, 403: ERRORS},
    "GET /transactions/{id}": {200: TRANSACTION, 403: ERRORS, 404: ERRORS, 422: ERRORS},
    "GET /healthcheck": {200: OK, 500: UNHEALTHY},
}
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
TASK_LINK = re.compile(r'</coverage-discovery/([^>/]+)>; title="coverage discovery - [^"]+"; rel="related"')
NEXT_LINK = re.compile(r'</\?limit=\d+&offset=\d+[^>]*>; rel="next"')


def _format(_validator: object, wanted: str, value: object, _schema: object) -> Iterator[ValidationError]:
    try:
        if isinstance(value, str):
            (date if wanted == "date" else datetime).fromisoformat(value)
    except ValueError:
        yield ValidationError(f"not a {wanted}")


# jsonschema declares no types for it.
_Validator = extend(Draft202012Validator, {"format": _format})  # type: ignore[no-untyped-call]


def check_body(schema: Schema, value: object) -> None:
    """Fails with the first thing that is wrong with a body."""
    error = next(iter(_Validator(schema).iter_errors(value)), None)
    assert error is None, f"{error.json_path}: {error.message}"


def operation(method: str, path: str) -> str:
    """The operation's key in REPLIES."""
    plain = path.partition("?")[0]
    if plain in ("/coverage-discovery/x12", "/real-time/x12"):
        return f"{method} {plain}"
    return f"{method} " + re.sub(r"^/(coverage-discovery|transactions)/.+", r"/\1/{id}", plain.rstrip("/"))


def check_page(query: str, page: list[dict[str, Any]], link: str | None) -> None:
    """Hold a page of the list of tasks against what was asked for: status, window, order, length and next page."""
    asked = dict(parse_qsl(query))
    ids, starts = [row["id"] for row in page], [datetime.fromisoformat(row["startDateTime"]) for row in page]
    limit, offset = int(asked.get("limit", "30")), int(asked.get("offset", "0"))
    assert len(set(ids)) == len(ids) <= limit
    assert {row["status"] for row in page} <= {asked["status"]} if "status" in asked else True
    assert starts == sorted(starts, reverse=asked.get("sort") != "startDateTime")
    assert all(start >= datetime.fromisoformat(asked.get("startDateTime", "1970-01-01T00:00:00Z")) for start in starts)
    assert all(start <= datetime.fromisoformat(asked.get("endDateTime", "9999-12-31T00:00:00Z")) for start in starts)
    if link is not None:
        assert len(page) == limit
        named = dict(parse_qsl(link[link.index("?") + 1 : link.index(">")]))
        assert named == asked | {"limit": str(limit), "offset": str(offset + limit)}


def check_reply(method: str, path: str, sent: dict[str, str], reply: httpx.Response, tenant_id: str) -> None:
    """Hold a reply against what is declared for its operation: status, body and headers."""
    name, status = operation(method, path), reply.status_code
    declared = REPLIES[name]
    assert status in declared or status == 401 or status >= 500, f"{name} does not declare {status}"
    schema = UNAUTHORIZED if status == 401 else declared.get(status, ERRORS)
    assert reply.headers["content-type"] == "application/json"
    check_body(schema, json.loads(reply.content))
    assert int(reply.headers["content-length"]) == len(reply.content)
    assert UUID.fullmatch(reply.headers["x-optum-trace-id"])
    if status == 401:
        assert "x-optum-tenant-id" not in reply.headers
    else:
        assert reply.headers["x-optum-tenant-id"] == tenant_id
        assert reply.headers.get("x-optum-correlation-id") == sent.get("x-optum-correlation-id")
    if method == "POST" or status >= 400:
        assert reply.headers.get("x-optum-subtenant-id") == sent.get("x-optum-subtenant-id")
    assert ("location" in reply.headers) == (status == 202)
    link = reply.headers.get("link")
    if link is not None:
        assert status == 200
        if method == "POST":
            assert name in ("POST ", "POST /real-time/x12")
            assert all(TASK_LINK.fullmatch(member) for member in re.split(r", (?=<)", link))
        else:
            assert name in ("GET /coverage-discovery", "GET /transactions")
            assert NEXT_LINK.fullmatch(link)
    if (name, status) == ("GET /coverage-discovery", 200):
        check_page(path.partition("?")[2], json.loads(reply.content), link)


def check_delivery(headers: dict[str, str], body: bytes, sent_with: str | None, tenant_id: str, *, older: bool) -> None:
    """Hold a callback against what is declared for it. ``sent_with``: the correlation id of the request, if it had one.
    The older generation spells one name of the body otherwise."""
    assert headers["content-type"] == "application/json"
    assert headers["x-optum-tenant-id"] == tenant_id
    assert headers.get("x-optum-correlation-id") == sent_with
    assert {name for name in headers if name.startswith("x-")} <= {"x-optum-tenant-id", "x-optum-correlation-id"}
    value = json.loads(body)
    assert value.get("correlationId") == sent_with
    assert older or value["status"] != "pending"
    if older and "endDatetime" in value:
        assert "endDateTime" not in value
        value["endDateTime"] = value.pop("endDatetime")
    check_body(TASK, value)
