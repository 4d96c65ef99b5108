"""``cdpoll record`` as people and scripts call it: every form of input, what it prints, and how it ends."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.cdpoll_process import DEADLINE, Ended, House, until
from worker.store.opening import open_store
from worker.store.state import responses

A, B, C = "0716e3e8-87ee-11ee-b9d1-0242ac120002", "Id_two.~x", "third"
LINK = f'</coverage-discovery/{A}>; title="one"; rel="related", </coverage-discovery/{B}>; title="two"; rel="related"'
SECRET_REF = "MRN-4711-of-Jane"


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def response(*headers: str, status: str = "HTTP/1.1 200 OK") -> bytes:
    return "\r\n".join([status, *headers, "", ""]).encode()


def done(recorded: list[str], known: list[str] | None = None) -> Any:
    return {"recorded": recorded, "known": known or [], "spooled": 0, "lookups": [], "expected": 0, "unreadable": []}


def named(ended: Ended) -> Any:
    """What was said in JSON; the notes apart."""
    return {key: value for key, value in ended.json.items() if key != "notes"}


# --- forms of input


def test_ids(house: House) -> None:
    assert house.cdpoll("record", A, B, A, check=0).text == f"recorded {A}\nrecorded {B}\n"
    again = house.cdpoll("record", B, C, check=0)
    assert again.text == f"recorded {C}\nknown {B}\n"
    assert again.err == "note: IDs 1, 2: not a UUID, as the vendor's ids are; recorded all the same\n"
    assert house.cdpoll("record", A, check=0).err == ""
    assert house.rows("SELECT id, state, source FROM tasks ORDER BY seq") == [(i, "pending", "id") for i in (A, B, C)]


def test_the_json_is_exactly_what_was_promised(house: House) -> None:
    assert house.cdpoll("record", "--json", A, check=0).json == {**done([A]), "notes": []}
    note = "ID 2: not a UUID, as the vendor's ids are; recorded all the same"
    assert house.cdpoll("record", "--json", A, B, check=0).json == {**done([B], [A]), "notes": [note]}


def test_links_several_of_them_and_a_location(house: House) -> None:
    other = '<https://api.example/rcm/eligibility/v1/coverage-discovery/fourth?x=1>; rel="related"'
    ended = house.cdpoll(
        "record", "--json", "--link", LINK, "--link", other, "--location", f"/coverage-discovery/{C}", check=0
    )
    assert named(ended) == done([A, B, "fourth", C])


def test_pagination_names_nothing_and_is_no_mistake(house: House) -> None:
    ended = house.cdpoll("record", "--json", "--link", '</coverage-discovery?offset=30>; rel="next"', check=0)
    assert named(ended) == done([])
    assert "names no task" in ended.err


def test_an_empty_link_is_an_unset_variable_and_counts_as_a_response_without_one(house: House) -> None:
    ended = house.cdpoll("record", "--json", C, "--link", "", check=65)
    assert named(ended) == done([C])
    assert ended.json["notes"][-1] == "the link value is empty; was a variable of the shell not set?"
    with open_store(house.database) as store:
        assert responses.without_task(store).responses == 1


def test_headers_from_a_file_and_from_standard_input(house: House, tmp_path: Path) -> None:
    file = tmp_path / "headers"
    file.write_bytes(response(f"link: {LINK}", "x-optum-correlation-id: corr", "x-optum-trace-id: trace"))
    assert named(house.cdpoll("record", "--json", "--headers", str(file), check=0)) == done([A, B])
    dump = response(f"Location: /coverage-discovery/{C}", status="HTTP/2 202")
    assert named(house.cdpoll("record", "--json", "--headers", "-", stdin=dump, check=0)) == done([C])
    assert house.rows("SELECT id, source, correlation_id, trace_id FROM tasks ORDER BY seq") == [
        (A, "headers", "corr", "trace"),
        (B, "headers", "corr", "trace"),
        (C, "headers", None, None),
    ]


def test_a_dump_of_several_responses_with_bodies(house: House) -> None:
    dump = (
        b"HTTP/1.1 200 Connection established\r\n\r\n"
        + b"HTTP/1.1 100 Continue\r\n\r\n"
        + response(f'link: </coverage-discovery/{A}>; rel="related"')
        + b'{"id": "a transaction"}\n'
        + response(f'LINK: </coverage-discovery/{B}>; REL="related"', "date: Sat, 02 May 2026 12:00:00 GMT")
    )
    assert named(house.cdpoll("record", "--json", "--headers", "-", stdin=dump, check=0)) == done([A, B])


def test_a_dump_that_names_no_task_is_fine(house: House) -> None:
    ended = house.cdpoll("record", "--json", "--headers", "-", stdin=response("server: x"), check=0)
    assert named(ended) == done([])


@pytest.mark.parametrize("dump", [b"", b"\n", b"curl: (6) Could not resolve host", b'{"id": "x"}', b"\xff\x00\xfe"])
def test_a_dump_without_a_response_is_65(house: House, dump: bytes) -> None:
    ended = house.cdpoll("record", "--json", C, "--headers", "-", stdin=dump, check=65)
    assert named(ended) == done([C])  # what could be read is recorded
    assert "no HTTP response" in ended.err
    assert "standard input" in ended.err


@pytest.mark.parametrize(
    ("body", "ids"),
    [
        ({"id": A, "name": "Default"}, [A]),
        (
            [
                {"status": 202, "body": {"id": A, "name": "x"}, "href": f"/coverage-discovery/{A}"},
                {"status": 422, "body": "no"},
                {"status": 202, "body": {"id": B, "name": "y"}},
            ],
            [A, B],
        ),
        ({"successful": [], "unsuccessful": [], "pending": [], "skipped": []}, []),
    ],
)
def test_the_body_of_a_discovery_post(house: House, body: Any, ids: list[str]) -> None:
    ended = house.cdpoll("record", "--json", "--body", "-", stdin=json.dumps(body).encode(), check=0)
    assert named(ended) == done(ids)


@pytest.mark.parametrize(
    "body",
    [
        b'{"id": "t1", "sourceType": "real-time", "payer": {}, "subscriber": {"memberId": "M77"}}',
        b'["Bad Request"]',
        b'{"error": "invalid_token"}',
        b"not json",
        b"",
    ],
)
def test_a_body_that_names_no_task_is_refused(house: House, body: bytes) -> None:
    ended = house.cdpoll("record", "--json", "--body", "-", stdin=body, check=65)
    assert ended.json["recorded"] == []
    assert [one["raw"] for one in ended.json["unreadable"]] == ([body.decode()] if b'"id"' in body else [])
    assert ended.err.startswith("cdpoll: ")
    assert "M77" not in ended.err
    assert house.value("SELECT count(*) FROM tasks") == 0


def test_json_lines_good_and_bad(house: House, tmp_path: Path) -> None:
    file = tmp_path / "lines.jsonl"
    lines = [
        json.dumps({"link": LINK, "ref": "R1", "correlation_id": "c1"}),
        "",
        "{broken " + SECRET_REF,
        json.dumps({"id": C, "trace_number": "T", "originator_id": "O", "member_id": "M", "birth_date": "1970-01-01"}),
        json.dumps({"headers": {"Link": f'</coverage-discovery/{C}>; rel="related"'}, "ref": "R2"}),
        json.dumps({"id": "no good id/", "ref": SECRET_REF}),
    ]
    file.write_text("\n".join(lines))
    ended = house.cdpoll("record", "--json", "--jsonl", str(file), check=65)
    assert ended.json["recorded"] == [A, B, C]
    assert [sorted(item) for item in ended.json["unreadable"]] == [["raw", "reason"]] * 2
    assert ended.json["unreadable"][0]["raw"].strip() == "{broken " + SECRET_REF
    assert ["line 3" in ended.json["unreadable"][0]["reason"], "line 6" in ended.json["unreadable"][1]["reason"]] == [
        True,
        True,
    ]
    assert SECRET_REF not in ended.err
    assert house.value("SELECT count(*) FROM unreadable") == 2
    assert house.rows("SELECT tasks.id, ref FROM refs JOIN tasks ON task = tasks.seq ORDER BY tasks.seq") == [
        (A, "R1"),
        (B, "R1"),
        (C, "R2"),
    ]
    assert house.rows("SELECT trace_number, originator_id, member_id, birth_date FROM tasks WHERE id = ?", C) == [
        ("T", "O", "M", "1970-01-01")
    ]


def test_many_json_lines_come_in_several_commits_and_each_once(house: House) -> None:
    lines = [json.dumps({"id": f"t{n % 1200}", "ref": f"r{n}"}) for n in range(1500)]
    ended = house.cdpoll("record", "--json", "--jsonl", "-", stdin="\n".join(lines).encode(), check=0)
    assert named(ended) == done([f"t{n}" for n in range(1200)])
    assert house.value("SELECT count(*) FROM refs") == 1500


# --- refs, and ids that are known


def test_a_known_id_gets_further_refs(house: House) -> None:
    house.cdpoll("record", A, "--ref", "one", "--correlation-id", "c", check=0)
    ended = house.cdpoll("record", "--json", A, "--ref", SECRET_REF, check=0)
    assert named(ended) == done([], [A])
    assert ended.err == ""
    assert house.rows("SELECT ref, correlation_id FROM refs ORDER BY ref") == [(SECRET_REF, None), ("one", "c")]


def test_a_subtenant_is_kept_unless_the_line_names_another_one(house: House) -> None:
    lines = b'{"id": "a"}\n{"id": "b", "subtenant": "north"}\n'
    house.cdpoll("record", "--jsonl", "-", "c", "--subtenant", "south", stdin=lines, check=0)
    house.cdpoll("record", "d", "--subtenant", " ", check=0)
    house.cdpoll("record", "d", "--subtenant", "west", check=0)
    house.cdpoll("record", "d", "--subtenant", "east", check=0)
    assert dict(house.rows("SELECT id, subtenant FROM tasks")) == {
        "a": "south",
        "b": "north",
        "c": "south",
        "d": "west",
    }


def test_an_abandoned_id_stays_abandoned_and_the_command_says_so(house: House) -> None:
    house.record(A, B)
    house.rows("UPDATE tasks SET state = 'abandoned', due_at = NULL WHERE id = ?", A)
    ended = house.cdpoll("record", "--json", A, B, "--ref", SECRET_REF, check=0)
    assert named(ended) == done([], [A, B])
    assert "abandoned" in ended.err
    assert A in ended.err
    assert B not in ended.err
    assert SECRET_REF not in ended.err
    assert house.value("SELECT state FROM tasks WHERE id = ?", A) == "abandoned"


def test_an_output_that_cannot_take_every_letter_is_no_fault(house: House) -> None:
    house.cdpoll("record", "a", "--ref", "Żółw-7", check=0)
    for how in ([], ["--json"]):
        shown = house.cdpoll("show", "a", *how, check=0, PYTHONIOENCODING="latin-1")
        assert b"-7" in shown.out
    assert shown.json["refs"] == ["Żółw-7"]


def test_what_a_slow_pipe_has_brought_is_recorded_while_the_pipe_is_open(house: House) -> None:
    line = house.line("record", "--jsonl", "-")
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env=house.environment()) as waiting:
        assert waiting.stdin is not None
        waiting.stdin.write(b'{"id": "first"}\n')
        waiting.stdin.flush()
        until(lambda: house.database.exists() and "first" in house.cdpoll("tasks").text, "the first id", waiting)
        limits = Path(f"/proc/{waiting.pid}/limits").read_text()
        (core,) = [entry for entry in limits.splitlines() if entry.startswith("Max core file size")]
        assert core.split()[4:6] == ["0", "0"], "a core file would hold patient data"
        waiting.stdin.write(b'{"id": "last"}')
    assert waiting.returncode == 0
    assert [row["id"] for row in house.cdpoll("tasks", "--json").json["tasks"]] == ["first", "last"]


def test_a_line_that_is_too_long_is_one_unreadable_under_its_own_number(house: House) -> None:
    lines = b'{"id": "a"}\n{"id": "' + b"x" * (40 * 1024 * 1024) + b'"}\n{"id": "b"}\nnonsense\n'
    done = house.cdpoll("record", "--jsonl", "-", "--json", stdin=lines, check=65).json
    assert done["recorded"] == ["a", "b"]
    assert [item["reason"].partition(":")[0] for item in done["unreadable"]] == ["line 2", "line 4"]


def test_a_closed_standard_input_is_no_success_and_no_fault(house: House) -> None:
    for given in (["-"], ["--headers", "-"], ["--jsonl", "-"]):
        closed = ["/bin/sh", "-c", 'exec "$@" <&-', "sh", *house.line("record", *given)]
        done = subprocess.run(closed, capture_output=True, text=True, env=house.environment(), timeout=DEADLINE)
        assert (done.returncode, "standard input is closed" in done.stderr) == (65, True)


# --- without an id


def test_a_request_whose_answer_was_lost_is_looked_for(house: House) -> None:
    ended = house.cdpoll("record", "--lookup", "c-1", "--ref", "R", "--json", check=0)
    assert named(ended) == done([]) | {"lookups": ["c-1"]}
    lines = b'{"correlation_id": "c-2"}\n{"trace_number": "T", "ref": "R", "member_id": "M"}\n'
    ended = house.cdpoll("record", "--jsonl", "-", "--json", stdin=lines, check=0)
    assert named(ended) == done([]) | {"lookups": ["c-2"], "expected": 1}
    ended = house.cdpoll("record", "--lookup", "c-1", "--jsonl", "-", stdin=lines, check=0)
    assert ended.out.splitlines() == [b"looking for c-1", b"looking for c-2", b"expecting 1 answer"]


def test_a_lookup_has_one_ref(house: House) -> None:
    ended = house.cdpoll("record", "--lookup", "c", "--ref", "R", "--ref", "S", check=2)
    assert "--lookup takes one --ref" in ended.err
    house.cdpoll("record", "--lookup", "c", "--ref", "R", "--ref", "R", check=0)
