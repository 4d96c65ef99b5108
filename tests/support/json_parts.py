"""The objects within a JSON value."""

from collections.abc import Iterator
from typing import Any


def inside(value: Any) -> Iterator[dict[str, Any]]:
    """It and all within, as far as they are objects."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from inside(inner)
