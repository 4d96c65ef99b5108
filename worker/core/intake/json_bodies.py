"""The tasks that the body of an answer to a discovery POST names.

A text that was damaged on its way names what it names for certain, and the rest of it is kept as it is.
"""

from dataclasses import replace

from worker.core.errors import BadData
from worker.core.intake.intake import Intake, Recording, each_once, merge
from worker.core.intake.json_documents import cut_array, documents, text_of
from worker.core.intake.link import unreadable, unreadable_parts
from worker.core.intake.misplaced import id_of_text
from worker.core.intake.receipt import json_text, read_receipt
from worker.core.intake.recording import or_kept, recordings_of

REPEATS = "a key stands twice in one object: each of its values was read"
BLANK = "\0 \t\r\n"  # NUL too: a file that was given its size before its content ends so


class CutObject(BadData):
    """An object without its end. What it names could still turn out to be no task."""


def from_body(
    data: bytes, *, name: str = "the body", ref: str | None = None, correlation_id: str | None = None
) -> Intake:
    """The body of a discovery POST's answer: 202 (an object), 207 (an array), 200 (a dry run); or a task's own body.

    Of a text that is cut off or damaged, the items of a 207 that are whole are read. Raises ``BadData`` for anything
    else: a real-time answer, whose ``id`` is not a task's, an error, no JSON.
    """
    text = text_of(data).strip(BLANK)
    if not text:
        raise BadData(f"{name} is empty: did the request fail?", "hand in the body of a discovery POST's answer")
    try:
        return or_kept(from_text(text, name, Recording("", "body", ref=ref, correlation_id=correlation_id)), text)
    except CutObject as mistake:
        return Intake(unreadable=unreadable_parts(text, mistake.message))


def from_text(text: str, name: str, pattern: Recording) -> Intake:
    """What the text of a body names. Raises ``BadData``."""
    _refuse_ids(text, name)
    found = documents(text)
    if not found.whole:
        return _from_cut(text, name, pattern)
    parts: list[Intake] = []
    refused: list[tuple[object, BadData]] = []
    for document in (one for variants in found.whole for one in variants):
        try:
            parts.append(from_document(document, name, pattern))
        except BadData as mistake:
            refused.append((document, mistake))
    if not parts:
        raise refused[0][1]
    parts += [Intake(unreadable=(unreadable(json_text(document), error.message),)) for document, error in refused]
    parts.append(
        Intake(
            unreadable=unreadable_parts(found.rest, f"{name}: this stands behind the end of the JSON"),
            notes=(f"{name}: {REPEATS}",) if found.repeats else (),
        )
    )
    whole = merge(parts)
    return replace(whole, recordings=each_once(whole.recordings))


def _refuse_ids(text: str, name: str) -> None:
    if id_of_text(text):
        raise BadData(f"{name} holds ids alone, and is not the answer to a discovery POST", "hand them in as IDs")


def from_document(document: object, name: str, pattern: Recording) -> Intake:
    if isinstance(document, list | str):
        _refuse_ids(json_text(document), name)
    receipt = read_receipt(document, name)
    return Intake(each_once(recordings_of(receipt.tasks, pattern)), receipt.unreadable, receipt.notes)


def _from_cut(text: str, name: str, pattern: Recording) -> Intake:
    """A text with no whole document. Of the list of a 207 each item is read as far as it is whole; the rest is kept."""
    cut = cut_array(text)
    if cut is None:
        if text.startswith("{"):
            raise CutObject(f"{name} is cut off or damaged", "fetch the answer again and hand in all of it")
        hint = "hand in the body alone" + ("; a dump with headers goes to --headers" if text[:5] == "HTTP/" else "")
        raise BadData(f"{name} is not JSON", hint)
    reason = f"{name} is cut off or damaged within its item {len(cut.whole) + 1}, or behind it"
    parts = [Intake(unreadable=unreadable_parts(cut.rest or text, reason))]
    if any(isinstance(item, dict) for item in cut.whole):
        parts.insert(0, from_document(list(cut.whole), name, pattern))
    if cut.cut:
        # Nothing is said of it here: all of it is kept in any case.
        parts.append(Intake(recordings_of(read_receipt([cut.cut], name).tasks, pattern)))
    whole = merge(parts)
    return replace(whole, recordings=each_once(whole.recordings))
