"""What a program says of its tasks, and what the hook says in the log; `cdpoll hook` puts this into cdpoll_hook.py."""

import contextlib
import contextvars
import logging
import re
from collections.abc import Callable, Iterator
from typing import Any

_ID = re.compile(r'(?:coverage-discovery/|\\?"(?:id|correlation_id)\\?": ?\\?")([A-Za-z0-9._~%-]{1,128})')

_log = logging.getLogger("cdpoll_hook")
_NO_BLOCK: dict[str, Any] = {}
_about: contextvars.ContextVar[dict[str, Any]] = contextvars.ContextVar("cdpoll_hook", default=_NO_BLOCK)


@contextlib.contextmanager
def about(**keys: str | None) -> Iterator[None]:
    """Say something of the tasks that responses within this block name: ``ref``, ``correlation_id``,
    ``trace_number``, ``originator_id``, ``member_id``, ``birth_date``, ``subtenant``, as in JSON lines of cdpoll.

    Within another block it adds to what that one says; with another ref only its ``subtenant`` stays. What goes on
    after the block, in a task that was begun within it, says nothing. Do not ``yield`` within it."""
    said = _with(keys)
    mark = _about.set(said)
    try:
        yield
    finally:
        if _about.get() is not said:
            _log.error("blocks of about() overlap: a response may be handed over with the ref of another; look at them")
        said.clear()  # a task that began within, and goes on for others, must not bring this ref along
        with contextlib.suppress(ValueError):  # a generator that is closed elsewhere
            _about.reset(mark)


def _with(keys: dict[str, Any]) -> dict[str, Any]:
    """What is said around, and ``keys``. Another ref is another patient."""
    around = _about.get()
    if "ref" in keys and around.get("ref") not in (None, keys["ref"]):
        around = {name: value for name, value in around.items() if name == "subtenant"}
    return {**around, **keys}


def _text(value: Any) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, (bytes, bytearray)) else str(value)


def _guarded(work: Callable[[], Any]) -> Any:
    """What it returns; ``None`` and a line in the log for what it raises."""
    try:
        return work()
    except Exception as error:  # by its class alone, for its text may quote a value
        _log.error("a response is not handed over as a whole: %s in cdpoll_hook", type(error).__name__)
        return None


def _lost(line: str, why: str) -> None:
    ids = ", ".join(dict.fromkeys(_ID.findall(line)))
    _log.error("a response is not handed over (%s); its ids: %s", why, ids or "none seen")
