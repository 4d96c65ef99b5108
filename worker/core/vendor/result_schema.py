"""The shape of a result that goes out, as a JSON Schema."""

from importlib import resources


def schema_text() -> str:
    """The JSON Schema (draft 2020-12) of an exported result, for people and programs."""
    return resources.files(__package__).joinpath("result.schema.json").read_text(encoding="utf-8")
