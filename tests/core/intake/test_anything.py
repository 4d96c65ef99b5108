"""What a text of any kind names is told by its content."""

import json
from itertools import pairwise

import pytest

from worker.core.errors import BadData
from worker.core.intake.anything import MOST_UNREADABLE_ROWS, Reading, names_tasks, read_anything
from worker.core.intake.hand_over import as_files
from worker.core.intake.intake import Intake, merge
from worker.core.intake.link import Unreadable

A, B, C = (f"{n}716e3e8-87ee-11ee-b9d1-0242ac12000{n}" for n in (1, 2, 3))
LINK = f'</coverage-discovery/{A}>; title="t"; rel="related"'
DUMP = f"HTTP/1.1 200 OK\r\nDate: x\r\nLink: {LINK}\r\n\r\n"
RECEIPT = {"id": A, "name": "Default Discovery Task"}
ITEM = {"status": 202, "body": RECEIPT, "href": f"/coverage-discovery/{A}"}
TASK = {"id": A, "status": "pending", "discoveryPaths": {"pending": []}}


def read(text: str | bytes) -> Reading:
    return read_anything(text.encode() if isinstance(text, str) else text)


def ids(found: Reading) -> list[str]:
    return [one.id for one in merge(found.portions).recordings]


@pytest.mark.parametrize(
    ("text", "source", "named"),
    [
        (f"{A}\n{B}\n", "id", [A, B]),
        (f"\ufeff{A}\r\n\r\n{B}", "id", [A, B]),
        (f"{A}\r{B}\r", "id", [A, B]),
        (f"{A}\n".encode("utf-16"), "id", [A]),
        ("cd-not-a-uuid-1\n", "id", ["cd-not-a-uuid-1"]),
        (DUMP, "headers", [A]),
        (DUMP + "{}\n" + DUMP.replace(A, B), "headers", [A, B]),
        ("< " + DUMP.rstrip().replace("\r\n", "\r\n< ") + "\r\n< \r\n", "headers", [A]),
        (f"Link: {LINK}\n", "headers", [A]),
        (f"content-type: text/plain\nLINK: {LINK}\n\nlocation: /coverage-discovery/{B}\n", "headers", [A, B]),
        (f"{LINK}\n", "link", [A]),
        (json.dumps({"link": LINK, "ref": "R"}) + "\n", "jsonl", [A]),
        (json.dumps({"id": A, "ref": "R"}) + "\n" + B + "\n", "jsonl", [A, B]),
        (json.dumps(RECEIPT), "body", [A]),
        (json.dumps(RECEIPT, indent=1), "body", [A]),
        (json.dumps([ITEM]), "body", [A]),
        (json.dumps([ITEM], indent=2), "body", [A]),
        (json.dumps(TASK), "body", [A]),
    ],
)
def test_each_kind_is_told_by_its_content(text: str | bytes, source: str, named: list[str]) -> None:
    found = read(text)
    assert ids(found) == named
    assert found.portions[0].recordings[0].source == source
    assert not any(one.unreadable for one in found.portions)
    assert not found.cut


def test_lines_may_name_what_is_awaited_without_an_id() -> None:
    expected = {"trace_number": "T1", "ref": "R", "member_id": "M"}
    found = merge(read(json.dumps({"correlation_id": "c"}) + "\n" + json.dumps(expected) + "\n").portions)
    assert [one.correlation_id for one in found.lookups] == ["c"]
    assert [one.ref for one in found.expected] == ["R"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n\0\0",
        "some words of a person\nand more\n",
        "Müller, Ann\n".encode("latin-1"),
        b"\xff\xd8\xff\xe0\0\x10JFIF",
        "[" * 100_000,
        '{"a":' * 50_000,
        "<html><body>502 Bad Gateway</body></html>",
        json.dumps({"error": "access_denied"}),
        json.dumps({"id": A, "payer": {"name": "x"}, "subscriber": {}}),
        json.dumps(["no", "such", "tenant"]),
        "HTTP/1.1 100 Continue\r\n\r\n",
        f'HTTP/1.1 200 OK\r\nLink: <{"x" * 1_000_000}>; rel="related"\r\n\r\n',
        '{"ref": "R"}\n',
        A[:20] + "\n",
    ],
)
def test_what_names_nothing_is_refused_with_a_reason_that_quotes_nothing(text: str | bytes) -> None:
    with pytest.raises(BadData) as refused:
        read(text)
    assert refused.value.message
    assert "ller" not in refused.value.message
    assert len(refused.value.message) < 300


def test_an_answer_among_the_lines_is_not_taken_for_a_task() -> None:
    """Its id is a transaction's: to poll it would be to ask for another patient."""
    answer = json.dumps({"id": B, "payer": {"name": "x"}})
    found = read(f"{A}\n{answer}\n")
    assert ids(found) == [A]
    (lost,) = merge(found.portions).unreadable
    assert lost.reason.startswith("line 2: it is the answer of a real-time check")


def test_what_another_process_could_not_read_is_kept() -> None:
    """`cdpoll record` leaves it so, where the database cannot be opened."""
    [left] = as_files(Intake(unreadable=(Unreadable("</coverage-discovery/", "no id"),)))
    found = read(left)
    assert [(one.raw, one.reason) for one in merge(found.portions).unreadable] == [
        ("</coverage-discovery/", "line 1: no id")
    ]


@pytest.mark.parametrize(
    "text",
    [
        f"{A}\n{B[:30]}",
        f"{A}\ncd-not-a-uu",
        f"{A}\n" + json.dumps({"id": B})[:-1],
        f"HTTP/1.1 200 OK\r\nLink: {LINK}, </coverage-discovery/{B[:20]}",
        DUMP + DUMP[:-2],
        json.dumps([ITEM, {**ITEM, "href": "x"}])[:-9],
        f"{A}\n{B}\n" + "\0" * 100,
    ],
)
def test_a_text_that_may_still_be_written_says_so(text: str) -> None:
    assert read(text).cut


def test_no_beginning_of_a_text_names_what_the_whole_does_not() -> None:
    """However much of a file has come, an id is read in whole or not at all."""
    for whole in (f"{A}\n{B}\n", DUMP, json.dumps([ITEM]), json.dumps({"id": A, "ref": "R"}) + "\n"):
        before: list[str] = []
        for end in range(1, len(whole) + 1):
            try:
                before = [*before, *ids(read(whole[:end]))]
            except BadData:
                continue
        assert set(before) <= {A, B}, whole


def test_garbage_beside_an_id_is_kept_up_to_a_bound() -> None:
    found = read(f"{A}\n" + "no id here\n" * (MOST_UNREADABLE_ROWS + 7))
    assert ids(found) == [A]
    assert sum(len(one.unreadable) for one in found.portions) == MOST_UNREADABLE_ROWS
    assert found.lost == 7
    assert max(len(one.recordings) + len(one.unreadable) for one in found.portions) <= MOST_UNREADABLE_ROWS + 1


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"a\n" * 500_001, "500,000 lines"),
        (b"[" + b"{}," * 300_000 + b"{}]", "500,000 JSON values"),
        (b"HTTP/1.1 200 OK\nLink: " + b"," * 1_100_000 + b"\n\n", "a line of more than 1 MiB"),
        (b'{"link": [' + b"[]," * 400_000 + b"[]]}\n", "500,000 JSON values"),
        (b"id " * 400_000, "longer than 1 MiB"),
    ],
)
def test_what_would_fill_the_memory_is_refused_unread(text: bytes, why: str) -> None:
    with pytest.raises(BadData, match=why):
        read(text)


def test_many_lines_come_in_portions() -> None:
    many = [f"{n:08x}{A[8:]}" for n in range(1_201)]
    found = read("\n".join(many) + "\n")
    assert ids(found) == many
    assert [len(one.recordings) for one in found.portions] == [500, 500, 201]
    assert all(a.recordings != b.recordings for a, b in pairwise(found.portions))


@pytest.mark.parametrize(("begin", "names"), [(DUMP, True), (f"{A}\n", True), ("ISA*00*", False), ("From: x\n", False)])
def test_what_begins_as_tasks_are_named_is_no_batch(begin: str, names: bool) -> None:
    assert names_tasks(begin.encode()) is names
