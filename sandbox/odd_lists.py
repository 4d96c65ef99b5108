"""What can be odd in the list of tasks: where the vendor's document says two things, or a list may do as it likes."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from zlib import crc32

from sandbox.lists import Window
from sandbox.tasks import Task
from sandbox.wire import encode

OTHER_TENANT = "Another Customer"


def odd_window(window: Window, faults: Mapping[str, str]) -> Window:
    """The query as a list reads it that has these faults, by name, each with its argument."""
    if "list_unfiltered" in faults:
        window = replace(window, given=tuple(pair for pair in window.given if pair[0] != "correlationId"))
    if "list_unbounded" in faults:
        window = replace(window, start=None, end=None)
    if "list_unsorted" in faults:
        window = replace(window, descending=True)
    if "list_short" in faults:
        window = replace(window, limit=max(1, min(window.limit, int(faults["list_short"]))))
    offset = window.offset * (window.limit if "list_pages" in faults else 1)
    if offset:
        early, late = (int(faults.get(name, 0)) for name in ("list_repeats", "list_leaves_out"))
        offset = max(0, offset - early + late)
    return replace(window, offset=offset)


def odd_rows(rows: Iterable[Task], body: Callable[[Task], bytes], faults: Mapping[str, str]) -> list[bytes]:
    """The rows of a page; what strikes every third strikes the same ones in each page."""
    said = []
    for task in rows:
        found = json.loads(body(task))
        if crc32(task.id.encode()) % 3 == 0:
            if "list_foreign" in faults:
                found["tenantName"] = OTHER_TENANT
            if "list_no_start" in faults:
                del found["startDateTime"]
        said.append(encode(found))
    return said
