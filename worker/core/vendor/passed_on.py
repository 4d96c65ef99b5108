"""What a body says that cdpoll has no name for: it is passed on under ``vendor``, so that a field which the vendor adds
tomorrow reaches the customer today."""

from collections.abc import Mapping
from typing import Any

Json = Mapping[str, Any]

_OF_BODY = {
    *("id", "name", "status", "startDateTime", "endDateTime", "endDatetime", "correlationId", "traceId"),
    *("tenantName", "discoveryPaths", "realTime"),
}
_OF_PATH = {"id", "name", "description", "timestamp", "transaction", "reason"}
_OF_TRANSACTION = {"id", "status", "x12-271"}


def unknown_of_body(content: Json) -> dict[str, Any]:
    """The fields of a body that are not in the contract."""
    return _but(content, _OF_BODY)


def unknown_of_path(entry: object) -> dict[str, Any]:
    """The fields of a path that are not in the contract; those of its transaction stand under ``transaction``."""
    if not isinstance(entry, dict):
        return {}
    transaction = entry.get("transaction")
    if not isinstance(transaction, dict):
        return _but(entry, _OF_PATH)
    known = {key for key in transaction if key.lower() == "chcpayerid" or key.lower().startswith("payerid")}
    inner = _but(transaction, _OF_TRANSACTION | known)
    return {**_but(entry, _OF_PATH), **({"transaction": inner} if inner else {})}


def _but(content: Json, known: set[str]) -> dict[str, Any]:
    return {key: value for key, value in content.items() if key not in known}
