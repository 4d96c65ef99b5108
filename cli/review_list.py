"""Concluded tasks that need a person, for people: a line for each task, and below it what to look at and what to do."""

from collections.abc import Iterable, Iterator

from cli.lines import Line, drawn
from cli.output import say
from cli.table import filled, output_width
from worker.core.instant import about, from_iso
from worker.store.views.tasks import Json

_WORDS = {"not_searched": "not searched: ", "skipped": "skipped: ", "rejected": "rejected: "}


def echo_review(pages: Iterable[list[Json]], now: int) -> bool:
    """Print them; whether there was one."""
    width = output_width()
    printed = False
    for page in pages:
        if page and not printed:
            say(_head("id", "outcome", "concluded", "ref", width))
            printed = True
        say(*drawn((line for row in page for line in _lines(row, now, width)), width))
    return printed


def _head(task: str, outcome: str, concluded: str, refs: str, width: int | None) -> str:
    line = f"{task:<36}  {outcome:<7}  {concluded:<10}  {refs}".rstrip()
    return line if width is None else filled(line, max(width, len(line) - len(refs) + 1), cut=True).rstrip()


def _lines(row: Json, now: int, width: int | None) -> Iterator[Line]:
    at = from_iso(row["concluded_at"])
    ago = "" if at is None else f"{about(now - at)} ago"
    yield Line(_head(row["id"], row["outcome"], ago, ", ".join(row["refs"]), width))
    # What is the same of several paths stands once.
    places: dict[tuple[str, str, str], list[str]] = {}
    for item in row["review"]:
        named = " ".join(part for part in (item["path"], item["payer_id"] and f"({item['payer_id']})") if part)
        places.setdefault((item["kind"], item["reason"], item["action"]), []).extend([named] if named else [])
    for (kind, reason, action), told in places.items():
        yield Line(f"  {'; '.join(told)}{': ' if told else ''}{_WORDS.get(kind, '')}{reason}", indent=4)
        yield Line(f"      -> {action}", indent=9)
