"""How a file ended: whole, cut short, or not to be read."""

from typing import Literal

from worker.core.x12.scanner import Scanner

Ending = tuple[Literal["complete", "incomplete", "unreadable"], str, *tuple[str, ...]]
"""The state and the reason of a :class:`~worker.core.x12.envelope.FileEnd`; then, where there is one, the code of the
issue that says so and the segment it concerns."""


def file_end_state(scanner: Scanner, interchanges: int, awaited: str, lost: str) -> Ending:
    """How a file ended, after its last byte was read.

    It held this number of ``interchanges``. The last one was closed, or the segment ``awaited`` is missing. ``lost`` is
    what says that something between is missing, in a sentence.
    """
    if scanner.hole is not None:
        # A file whose blocks are still to be written: it has its size, and zeros where they will be.
        reason = f"Zeros stand in the file from byte {scanner.hole} on, where something is missing."
        return "incomplete", reason, "nul_bytes", ""
    if scanner.endless is not None:
        # Like any other file that ends inside an interchange it may still be on its way.
        reason = f"The file ends inside the segment at byte {scanner.endless}, which is longer than any real one."
        return "incomplete", reason, "segment_too_long", ""
    if scanner.astray:
        return "unreadable", "Thousands of segments are called ISA and are none.", "not_interchange", "ISA"
    if scanner.refused:
        reason = "The delimiters in an ISA cannot be told from data or from each other: have the file sent anew."
        return "unreadable", reason
    if scanner.partial_isa:
        return "incomplete", "The file ends inside the header of an interchange.", "file_cut", "ISA"
    if not interchanges:
        if not scanner.junk:
            return "incomplete", "The file holds nothing but blanks or zeros." if scanner.size else "The file is empty."
        return "unreadable", "No ISA that can be read was found.", "not_interchange", "ISA"
    if awaited:
        return "incomplete", f"The file ends before the {awaited} of what is open.", "file_cut", awaited
    return ("incomplete", lost) if lost else ("complete", "")
