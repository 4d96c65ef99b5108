"""What commands print: JSON, and text, in both of which nothing from outside steers a terminal or a reader's eye."""

import io
import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TextIO

import click

from worker.core.errors import BadData

Row = Mapping[str, Any]

AS_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")


class OutputFailed(OSError):
    """Standard output cannot be written. The storage is well."""


class _Output(io.FileIO):
    def write(self, data: Any) -> Any:
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputFailed(error.errno, error.strerror) from None


def told_apart(stdout: TextIO) -> TextIO:
    """Standard output whose errors are :class:`OutputFailed`."""
    if stdout is not sys.__stdout__ or not isinstance(stdout, io.TextIOWrapper):
        return stdout  # the caller has closed it, or a test reads it
    own = io.BufferedWriter(_Output(stdout.fileno(), "wb", closefd=False))
    return io.TextIOWrapper(own, stdout.encoding, line_buffering=stdout.line_buffering)


# Control characters that JSON allows in a string, and characters without a shape of their own: of the direction of
# writing, of joining, of width 0.
_UNSEEN = re.compile(
    "[\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f]"
)


def dumped(value: Mapping[str, Any], indent: int | None = 2) -> str:
    """JSON for standard output; in escapes where that cannot take every letter, and where a letter cannot be seen."""
    plain_only = (sys.stdout.encoding or "").lower().replace("-", "") != "utf8"
    return json_seen(json.dumps(value, indent=indent, ensure_ascii=plain_only))


def json_seen(text: str) -> str:
    """The same JSON, with characters in escapes that cannot be seen."""
    return _UNSEEN.sub(lambda match: json.dumps(match[0])[1:-1], text)


def plain(text: str) -> str:
    """Text from outside, as one line for a terminal: what cannot be seen, a line end too, stands there as in Python,
    ``\\x1b`` say."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def say(*lines: str, err: bool = False) -> None:
    """Print text that may hold something from outside: each argument is one line, whatever is in it.

    Where standard error takes nothing, a message is lost, and the command goes on: its exit code tells.
    """
    if lines:
        try:
            click.echo("\n".join(map(plain, lines)), err=err)
        except OSError:
            if not err:
                raise


def say_pages(pages: Iterable[Sequence[Row]], header: str, lines: Callable[[Row], Iterable[str]], none: str) -> None:
    """Print rows as text below a header, page by page as they are read; ``none`` is said where there are none."""
    came = False
    for page in pages:
        say(*([] if came else [header]), *(line for row in page for line in lines(row)))
        came = True
    if not came:
        say(f"cdpoll: {none}", err=True)


def say_dropped(wanted: Sequence[int], gone: Sequence[int], none: str, listing: str) -> int:
    """Print which of the numbers were dropped, or of all how many; the exit code. Raises BadData with ``none`` where
    none was there of those that were wanted; the command ``listing`` shows them."""
    if wanted and not gone:
        raise BadData(none, f"`{listing}` shows them")
    click.echo(f"dropped {', '.join(map(str, gone)) if wanted else len(gone)}")
    return 0 if len(gone) == len(wanted) or not wanted else 1


def echo_pages(name: str, pages: Iterable[Sequence[Mapping[str, Any]]], **short: Sequence[Mapping[str, Any]]) -> None:
    """Print ``{name: [row, …]}`` page by page as they are read: a list of a million rows is never in memory.

    ``short``: further lists of the object, behind it.
    """
    opening = "{"
    for key, rows in {name: pages, **{key: [rows] for key, rows in short.items()}}.items():
        click.echo(f'{opening}"{key}": [', nl=False)
        separator = "\n  "
        for page in rows:
            if page:
                click.echo(separator + ",\n  ".join(dumped(row, None) for row in page), nl=False)
                separator = ",\n  "
        click.echo("\n]", nl=False)
        opening = ", "
    click.echo("}")


def joined(between: str, *parts: object) -> str:
    """The parts that say something, with ``between`` between them."""
    return between.join([str(part) for part in parts if part])
