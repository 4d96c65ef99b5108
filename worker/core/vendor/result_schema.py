"""The shape of a result that goes out, as a JSON Schema, and its short form."""

from importlib import resources
from typing import Any

MOST_PAYERS = 10
PAYER_LETTERS = 80


def schema_text() -> str:
    """The JSON Schema (draft 2020-12) of an exported result, for people and programs."""
    return resources.files(__package__).joinpath("result.schema.json").read_text(encoding="utf-8")


def summary(told: dict[str, Any]) -> dict[str, Any]:
    """An exported result in short: what names it, and how much it tells. It stays far below 20 kB."""
    keys = ("seq", "kind", "id", "ref", "correlation_id", "subtenant", "outcome", "revision", "concluded_at")
    payers = dict.fromkeys((one["payer"] or one["payer_id"] or "")[:PAYER_LETTERS] for one in told["found"])
    return {key: told[key] for key in keys} | {
        "summary": {
            "coverages": len(told["found"]),
            "payers": [payer for payer in payers if payer][:MOST_PAYERS],
            "paths": len(told["paths"]),
            "unanswered_paths": len(told["unanswered_paths"]),
        }
    }
