"""JSON as gateways, loggers and full disks leave it: keys that stand twice, an early end, something behind the end.

Python's own reader keeps the last of two values under one key, and reads nothing at all of a text that was cut. Here an
object in which a key stands several times becomes several objects, so that each value is in one of them; and of a text
that was cut, what stands there whole is read. No string is taken for whole before its closing quote was seen: half an
id is another id.
"""

import codecs
import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

# Objects that one document may become by its repeated keys. More of them are an attack, or no JSON of anybody's.
MOST_VARIANTS = 10_000
MOST_VALUES = 100  # of one key in one object

# Longer ones are kept as text. No status or number that counts is so long, and Python refuses 4,300 digits.
MOST_DIGITS = 18

_BLANK = re.compile(r"[ \t\r\n]*")


class Damaged(ValueError):
    """The text is not JSON; or it is nested too deeply, or repeats its keys too often, to be read."""


class Documents(NamedTuple):
    """What a text holds: whole documents, one after another, and the ``rest`` behind them that is none.

    Each document is a tuple: itself, or the several that it becomes where keys stand twice in its objects, with
    different values; ``repeats`` tells that some do.
    """

    whole: tuple[tuple[Any, ...], ...]
    rest: str
    repeats: bool


class CutArray(NamedTuple):
    """Of an array without its end: the items that are whole, the whole members of the one that was cut (or damaged),
    and the text from that one on."""

    whole: tuple[Any, ...]
    cut: dict[str, Any]
    rest: str


class Variant(dict[str, Any]):
    """One of the several objects that one has become, because keys in it, or within it, stand twice."""


class _Repeating:
    """An object in which a key stands twice."""

    __slots__ = ("pairs",)

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        self.pairs = pairs


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any] | _Repeating:
    found = dict(pairs)
    return found if len(found) == len(pairs) else _Repeating(pairs)


def _whole_number(digits: str) -> int | str:
    return int(digits) if len(digits) <= MOST_DIGITS else digits


def _not_json(text: str) -> None:
    raise ValueError(text)


_RELAXED = json.JSONDecoder(object_pairs_hook=_object, parse_int=_whole_number)
# Numbers as they are written, for what is kept as text; and NaN and Infinity are not JSON.
_EXACT = json.JSONDecoder(object_pairs_hook=_object, parse_int=_whole_number, parse_float=str, parse_constant=_not_json)


def text_of(data: bytes) -> str:
    """The text of a body in UTF-8, UTF-16 or UTF-32, with a byte order mark or without. What is no text is replaced,
    so that no id has it; half a character at the end goes."""
    decoder = codecs.getincrementaldecoder(json.detect_encoding(data))("replace")
    return decoder.decode(data).removeprefix("\ufeff")


def documents(text: str, *, exact: bool = False) -> Documents:
    """Every whole document at the beginning of the text. ``exact`` keeps decimal numbers as they are written."""
    decoder = _EXACT if exact else _RELAXED
    found: list[tuple[Any, ...]] = []
    repeats = False
    at = _behind_blank(text, 0)
    while at < len(text):
        try:
            value, end = decoder.raw_decode(text, at)
            expansion = _Expansion()
            found.append(tuple(expansion.variants(value)))
        except (ValueError, RecursionError):
            break
        repeats = repeats or expansion.repeats
        at = _behind_blank(text, end)
    return Documents(tuple(found), text[at:], repeats)


def array_items(text: str) -> tuple[list[str], str]:
    """The text of each item of the array that ``text`` begins with; and what is left: from the first item on that is
    not whole, or that no comma or bracket follows, or behind the array."""
    found: list[str] = []
    at = _behind_blank(text, 1)
    if text[at : at + 1] == "]":
        return found, text[at + 1 :].strip()
    while True:
        try:
            _, end = _EXACT.raw_decode(text, at)
        except (ValueError, RecursionError):
            return found, text[at:]
        mark = _behind_blank(text, end)
        if text[mark : mark + 1] not in (",", "]"):
            return found, text[at:]
        found.append(text[at:end])
        if text[mark] == "]":
            return found, text[mark + 1 :].strip()
        at = _behind_blank(text, mark + 1)


def cut_array(text: str) -> CutArray | None:
    """What can be read of an array that has no end, or is damaged within; ``None`` where the text begins otherwise."""
    if not text.startswith("["):
        return None
    whole: list[Any] = []
    at = _behind_blank(text, 1)
    while True:
        try:
            value, end = _RELAXED.raw_decode(text, at)
            items = _Expansion().variants(value)
        except (ValueError, RecursionError):
            return CutArray(tuple(whole), _members(text, at), text[at:])
        if not isinstance(value, dict | list | _Repeating) and end == len(text):
            return CutArray(tuple(whole), {}, text[at:])  # a number may go on
        whole += items
        at = _behind_blank(text, end)
        if text[at : at + 1] != ",":
            return CutArray(tuple(whole), {}, text[at:])
        at = _behind_blank(text, at + 1)


def _members(text: str, at: int, inner: str | None = "body") -> dict[str, Any]:
    """The members that are whole of an object that was cut. That of the name ``inner`` is looked into, if it was
    cut."""
    found: list[tuple[str, Any]] = []
    repeats = False
    try:
        while text[at : at + 1] == ("," if found else "{"):
            key, colon = _RELAXED.raw_decode(text, _behind_blank(text, at + 1))
            colon = _behind_blank(text, colon)
            if not isinstance(key, str) or text[colon : colon + 1] != ":":
                break
            begin = _behind_blank(text, colon + 1)
            try:
                value, end = _RELAXED.raw_decode(text, begin)
            except (ValueError, RecursionError):
                if key == inner and text[begin : begin + 1] == "{":
                    found.append((key, _members(text, begin, None)))
                break
            if end == len(text) and not isinstance(value, dict | list | str | _Repeating):
                break  # a number may go on
            expansion = _Expansion()
            found.append((key, expansion.variants(value)[0]))
            repeats = repeats or expansion.repeats
            at = _behind_blank(text, end)
    except (ValueError, RecursionError):
        pass
    # Two ids in an object that is damaged besides: a person decides.
    return {} if repeats or len(dict(found)) < len(found) else dict(found)


def _behind_blank(text: str, at: int) -> int:
    match = _BLANK.match(text, at)
    assert match is not None
    return match.end()


class _Expansion:
    """Objects whose keys repeat, as several objects each. ``made`` bounds what a hostile text can cost."""

    def __init__(self) -> None:
        self.made = 0
        self.repeats = False

    def variants(self, value: Any) -> list[Any]:
        """The value; or the several values that it becomes, because keys in it repeat."""
        if isinstance(value, list):
            return [[one for item in value for one in self.variants(item)]]
        if isinstance(value, dict):
            return self._objects({key: self.variants(inner) for key, inner in value.items()})
        if isinstance(value, _Repeating):
            found: dict[str, list[Any]] = {}
            for key, inner in value.pairs:
                known = found.setdefault(key, [])
                known += [one for one in self.variants(inner) if one not in known]
                self.repeats = self.repeats or len(known) > 1
                if len(known) > MOST_VALUES:
                    raise Damaged("a key stands too often in one object")
            return self._objects(found)
        return [value]

    def _objects(self, found: Mapping[str, list[Any]]) -> list[Any]:
        """The first values of all keys together, then the second ones: a key with fewer values keeps its last."""
        count = max(map(len, found.values()), default=1)
        self.made += count - 1
        if self.made > MOST_VARIANTS:
            raise Damaged("keys stand too often")
        kind = dict if count == 1 else Variant
        return [kind((key, values[min(n, len(values) - 1)]) for key, values in found.items()) for n in range(count)]
