"""What commands print: JSON, and text from outside made safe for a terminal."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

AS_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")


def dumped(value: Mapping[str, Any], indent: int | None = 2) -> str:
    """JSON for standard output; in escapes where that cannot take every letter."""
    plain_only = (sys.stdout.encoding or "").lower().replace("-", "") != "utf8"
    return json.dumps(value, indent=indent, ensure_ascii=plain_only)


def plain(text: str) -> str:
    """Text from outside, for a terminal; control characters are replaced."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def echo_pages(name: str, pages: Iterable[Sequence[Mapping[str, Any]]]) -> None:
    """Print ``{name: [row, …]}`` page by page as they are read: a list of a million rows is never in memory."""
    click.echo(f'{{"{name}": [', nl=False)
    separator = "\n  "
    for page in pages:
        for row in page:
            click.echo(separator + dumped(row, None), nl=False)
            separator = ",\n  "
    click.echo("\n]}")
