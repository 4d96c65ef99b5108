"""Answers that made tasks, and values that hold a UUID: each names its task, is kept, or rightly names none."""

import json

import pytest

from tests.field.test_wrong_handed_in import OK, RECEIPT, A, B, dump, lines
from tests.support.cdpoll_process import House

ACCEPTED, MULTI = "HTTP/1.1 202 Accepted", "HTTP/1.1 207 Multi-Status"

ALL: list[tuple[str, list[str], str, int, int, str]] = [
    ("an id and a slash", ["--location", f"{A}/"], "", 65, 0, "the location value holds a UUID"),
    ("a task elsewhere", ["--location", f"https://h/tasks/{A}"], "", 65, 0, "the location value holds a UUID"),
    ("another page with an id", ["--link", f"</tasks/{A}>; rel=next"], "", 65, 0, "the link value holds a UUID"),
]

DUMPS: list[tuple[str, str, int, int, str]] = [
    ("202 with its id under another name", dump(ACCEPTED, f"x-task-id: {A}"), 65, 0, "these headers may name its"),
    (
        "202 with the id of a request",
        dump(ACCEPTED, f"x-request-id: {B}", f"x-optum-trace-id: {B}"),
        0,
        0,
        "status 202",
    ),
    ("202 and its body", dump(ACCEPTED, "date: x") + json.dumps(RECEIPT), 0, 1, ""),
    ("201 and its body", dump("HTTP/2 201", "date: x") + json.dumps(RECEIPT, indent=1) + "\n", 0, 1, ""),
    ("202 and its body in curl -v", f"> POST /\n< {ACCEPTED}\n< \n{{ [9 bytes data]\n{json.dumps(RECEIPT)}", 0, 1, ""),
    ("207 and its body", dump(MULTI) + json.dumps([{"status": 202, "body": RECEIPT}]), 0, 1, ""),
    ("207 of refusals", dump(MULTI) + '[{"status": 422, "body": "no"}]', 0, 0, "status 422: no task was created"),
    ("202 and a cut body", dump(ACCEPTED) + json.dumps(RECEIPT)[:-9], 65, 0, "the body behind the headers cannot be"),
    (
        "202 and a strange body",
        dump(ACCEPTED) + json.dumps({"task": A}),
        65,
        0,
        "the body behind the headers cannot be",
    ),
    ("202 and words", dump(ACCEPTED) + "Accepted", 0, 0, "status 202, but no Location names its task"),
    (
        "a wrapped link",
        dump(OK, "link: <https://h/coverage-disco", f"very/{A}>; rel=related"),
        65,
        0,
        "belong to a link",
    ),
]

LINES: list[tuple[str, str, int, int, str]] = [
    (
        "a task elsewhere",
        lines({"headers": {":status": 202, "Location": f"/tasks/{A}"}}),
        65,
        0,
        "they may name a task",
    ),
    ("a task's own header", lines({"headers": {":status": 202, "X-Task": A}}), 65, 0, "they may name a task"),
    (
        "ids of a request",
        lines({"headers": {"Date": "x", "X-Request-Id": B}, "trace_id": B, "ref": B}),
        0,
        0,
        "no Link",
    ),
    ("a login", lines({"headers": {":status": 302, "Location": "/login"}}), 0, 0, "status 302 is not a success"),
    ("a camel beside null", lines({"id": None, "taskId": A}), 65, 0, "line 1: this holds a UUID"),
    ("a camel beside headers", lines({"headers": {"Date": "x"}, "task_id": A}), 65, 0, "line 1: this holds a UUID"),
    ("headers and their body", lines({"headers": dump(ACCEPTED) + json.dumps(RECEIPT)}), 0, 1, ""),
]

ALL += [(f"--headers: {name}", ["--headers", "-"], *rest) for name, *rest in DUMPS]  # type: ignore[misc]
ALL += [(f"--jsonl: {name}", ["--jsonl", "-"], *rest) for name, *rest in LINES]  # type: ignore[misc]


@pytest.mark.parametrize("given", ALL, ids=[one[0] for one in ALL])
def test_each_answer_names_its_task_or_is_kept(house: House, given: tuple[str, list[str], str, int, int, str]) -> None:
    _, args, stdin, code, recorded, words = given
    ended = house.cdpoll("record", "--json", *args, stdin=stdin.encode())
    assert (ended.code, words in ended.err) == (code, True), ended.err
    assert len(ended.json["recorded"]) == recorded
    kept = "".join(raw for (raw,) in house.rows("SELECT raw FROM unreadable"))
    assert (A in kept) == (code == 65)
