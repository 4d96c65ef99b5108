"""JSON that was damaged, cut, or says a thing twice: what it names for certain, and that the rest is kept."""

import json

import pytest

from worker.core.errors import BadData
from worker.core.intake.intake import Intake
from worker.core.intake.json_bodies import from_body
from worker.core.intake.json_lines import from_jsonl_line
from worker.core.intake.misplaced import NO_UUID

CD = "/coverage-discovery"


def ids(intake: Intake) -> list[str]:
    return [recording.id for recording in intake.recordings]


def line(**keys: object) -> bytes:
    return json.dumps(keys).encode()


# --- keys that stand twice, texts that are cut or damaged ---


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ('{"id": "a", "name": "n", "id": "b"}', ["a", "b"]),
        ('{"id": "a", "id": "a", "id": "b", "name": "n", "name": "m"}', ["a", "b"]),
        ('[{"status": 202, "body": {"id": "a", "id": "b"}}, {"status": 202, "body": {"id": "c"}}]', ["a", "b", "c"]),
        ('[{"status": 202, "status": 202, "body": {"id": "a"}, "body": {"id": "b", "id": "c"}}]', ["a", "b", "c"]),
        (f'[{{"status": 202, "href": "{CD}/a", "href": "{CD}/b"}}]', ["a", "b"]),
    ],
)
def test_each_value_of_a_key_that_stands_twice_is_read(body: str, named: list[str]) -> None:
    intake = from_body(body.encode(), ref="r")
    assert ids(intake) == named
    assert intake.unreadable == ()
    assert intake.notes == ("the body: a key stands twice in one object: each of its values was read",)
    assert ids(from_jsonl_line(line(body=body), place="line 1")) == named


def test_equal_values_of_one_key_are_one() -> None:
    assert from_body(b'{"id": "a", "id": "a"}') == from_body(b'{"id": "a"}')


def test_a_doubled_id_that_is_none_is_kept_and_the_other_recorded() -> None:
    intake = from_body(b'{"id": "a", "id": "x12", "name": "n"}')
    assert (ids(intake), len(intake.unreadable)) == (["a"], 1)
    intake = from_body(b'{"id": "a", "name": "n", "status": {}, "status": "pending"}')
    reason = "the body is the answer of a real-time check: its id is not a task's"
    assert (ids(intake), [item.reason for item in intake.unreadable]) == (["a"], [reason])
    with pytest.raises(BadData, match="real-time"):
        from_body(b'{"id": "a", "id": "b", "sourceType": "new", "name": "n"}')


@pytest.mark.parametrize("repeated", ['"x": {}, ' * 2 + '"x": %s, ', '"x": [%s, %s], '])
def test_keys_that_repeat_without_end_are_kept_unread(repeated: str) -> None:
    many = "{" + ", ".join(f'"k": {n}' for n in range(101)) + "}"
    good = '{"status": 202, "body": {"id": "a"}}, '
    intake = from_body(("[" + good + "{" + repeated.replace("%s", many) + '"status": 202}]').encode())
    assert ids(intake) == ["a"]
    assert intake.unreadable
    deep = '{"k": 1, "k": 2, "x": ' * 60 + "1" + "}" * 60
    assert ids(from_body(f"[{good}{deep}]".encode())) == ["a"]


ITEMS = [
    {"status": 202, "body": {"id": "first-0716e3e8", "name": 'Nightly, "}'}, "href": f"{CD}/first-0716e3e8"},
    {"status": 422, "body": "no such payer", "score": 1.5},
    {"href": f"https://h{CD}/second-0e5f", "status": 202},
    {"status": 202, "body": {"name": "n", "id": "third-9a"}},
]
NAMED = ["first-0716e3e8", "second-0e5f", "third-9a"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_of_a_207_that_is_cut_what_is_whole_is_read_and_no_half_of_an_id(encoding: str) -> None:
    text = json.dumps(ITEMS)
    for cut in range(1, len(text)):
        part = text[:cut]
        intake = from_body(part.encode(encoding))
        assert ids(intake) == NAMED[: len(intake.recordings)], part
        whole = sum(part.startswith(json.dumps(ITEMS[:n])[:-1]) for n in range(1, 5))
        assert len(intake.recordings) >= [0, 1, 1, 2, 3][whole], part
        kept = "".join(item.raw for item in intake.unreadable)
        assert kept
        assert part.rstrip().endswith(kept)
        assert all(item.reason.startswith("the body is cut off") for item in intake.unreadable)
        assert all(task in kept or task in ids(intake) for task in NAMED if task in part)
    assert ids(from_body(text.encode(encoding))) == NAMED


@pytest.mark.parametrize(
    ("cut", "named"),
    [
        ('[{"status": 202, "body": {"id": "abc"', ["abc"]),
        ('[{"status": 202, "body": {"id": "abc', []),
        ('[{"status": 202, "body": {"id": "abc"}, "href": "/coverage-discovery/abc', ["abc"]),
        ('[{"body": {"id": "abc"}, "status": 202', []),  # the number may go on
        ('[{"body": {"id": "abc"}, "status": 202,', ["abc"]),
        ('[{"body": {"id": "abc"}, "status": 422, "x": "', []),
        ('[{"status": 202, "body": {"id": "a", "id": "b", "x', []),
    ],
)
def test_an_item_that_was_cut_is_read_as_far_as_it_is_whole(cut: str, named: list[str]) -> None:
    intake = from_body(cut.encode())
    assert ids(intake) == named
    assert [item.raw for item in intake.unreadable] == [cut[1:]]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"id": "a", "name": "Doe"', "the body is cut off or damaged"),
        (b'{"id": "a', "the body is cut off or damaged"),
        (b"[" * 200_000, "the body is cut off or damaged within its item 1, or behind it (part 1 of 4)"),
        (
            b'[{"status": 202, "body": {"id": "a\0\0"}}]',
            "the body is cut off or damaged within its item 1, or behind it",
        ),
    ],
)
def test_what_is_damaged_is_kept_whole_and_names_nothing(body: bytes, reason: str) -> None:
    intake = from_body(body)
    assert ids(intake) == []
    assert intake.unreadable[0].reason == reason
    kept = "".join(item.raw for item in intake.unreadable)
    assert kept in (body.decode(), body.decode()[1:])


def test_all_of_a_long_rest_is_kept() -> None:
    items = [{"status": 202, "body": {"id": f"task-{n}", "name": "x" * 200}} for n in range(1000)]
    text = json.dumps(items).replace('"task-1"', '"task-1', 1)
    intake = from_body(text.encode())
    assert ids(intake) == ["task-0"]
    kept = "".join(item.raw for item in intake.unreadable)
    assert text.endswith(kept)
    assert all(f'"task-{n}"' in kept for n in range(2, 1000))


@pytest.mark.parametrize(
    ("data", "named", "kept"),
    [
        (b'\xef\xbb\xbf{"id": "a"}', ["a"], []),
        ('{"id": "a", "name": "Żółw"}'.encode("utf-16"), ["a"], []),
        ('{"id": "a"}'.encode("utf-16-le"), ["a"], []),
        ('{"id": "a"}'.encode("utf-32"), ["a"], []),
        ('{"id": "a"}'.encode("utf-16")[:-1], [], ['{"id": "a"']),
        (b'{"id": "a", "name": "Caf\xe9"}', ["a"], []),
        (b'{"id": "a\xe9", "name": "n"}', [], ['{"id": "a\ufffd", "name": "n"}']),
        (b'{"id": "a", "name": "\\ud800"}', ["a"], []),
        (b'{"id": "\\ud800", "name": "n"}', [], ['{"id": "\\ud800", "name": "n"}']),
        (b'{"id": "a", "name": "n", "x": NaN, "y": -Infinity, "z": ' + b"9" * 5000 + b"}", ["a"], []),
        (b'{"id": ' + b"9" * 5000 + b', "name": "n"}', [], ['{"id": "' + "9" * 5000 + '", "name": "n"}']),
        (b'{"id": "a"}\n{"id": "b"}\r\n', ["a", "b"], []),
        (b'{"id": "a"}{"id": "b', ["a"], ['{"id": "b']),
        (b'{"id": "a"}</html>', ["a"], ["</html>"]),
        (b'{"id": "a"}202', ["a"], ["202"]),
        (b'{"id": "a"}\0\0\0', ["a"], []),
    ],
)
def test_odd_bodies(data: bytes, named: list[str], kept: list[str]) -> None:
    intake = from_body(data)
    assert ids(intake) == named
    assert [item.raw for item in intake.unreadable] == kept


# --- JSON lines that are damaged, or say a thing twice ---


@pytest.mark.parametrize(
    ("text", "named", "kept"),
    [
        ('{"id": "a", "id": "b", "ref": "r"}', [("a", "r"), ("b", "r")], []),
        (f'{{"headers": {{"Link": "<{CD}/a>", "Link": "<{CD}/b>"}}, "ref": "r"}}', [("a", "r"), ("b", "r")], []),
        (f'{{"link": "<{CD}/a>", "link": "<{CD}/b>"}}', [("a", "R"), ("b", "R")], []),
        ('{"id": "a", "ref": "r"}{"id": "b", "ref": "s"}', [("a", "r"), ("b", "s")], []),
        ('{"id": "a", "ref": "r"}{"id": "b', [("a", "r")], ['{"id": "b']),
        ('{"id": "abc-d{"id": "b", "ref": "s"}', [], ['{"id": "abc-d{"id": "b", "ref": "s"}']),
        ('{"id": "a", "ref": "r", "ref": "s"}', [("a", None)], ['{"id": "a", "ref": "r", "ref": "s"}']),
        ('{"id": "a', [], ['{"id": "a']),
        ('{"id": 12', [], ['{"id": 12']),
        ('{"id": ' + "9" * 5000 + "}", [], ["9" * 5000]),
    ],
)
def test_lines_that_are_damaged(text: str, named: list[tuple[str, str | None]], kept: list[str]) -> None:
    intake = from_jsonl_line(text.encode(), place="line 9", ref="R")
    assert [(one.id, one.ref) for one in intake.recordings] == named
    assert [item.raw for item in intake.unreadable] == kept
    assert all(item.reason.startswith("line 9: ") for item in intake.unreadable)
    assert all(note.startswith("a key stands twice") for note in intake.notes if note != NO_UUID)


def test_a_body_that_a_logger_has_cut_short() -> None:
    cut = json.dumps(ITEMS)[:150]
    intake = from_jsonl_line(line(body=cut, ref="r"), place="line 1")
    assert [(one.id, one.ref) for one in intake.recordings] == [("first-0716e3e8", "r")]
    assert [item.ref for item in intake.unreadable] == ["r"]
    # Beside a Link header that says it all, the cut answer of a real-time check is no mistake.
    beside = from_jsonl_line(line(body='{"id": "t", "sourceType": "ne', link=f"<{CD}/a>"), place="line 1")
    assert (ids(beside), beside.unreadable, len(beside.notes)) == (["a"], (), 1)
