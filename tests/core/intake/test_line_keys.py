"""JSON lines that are recorded, and of which something is said: keys that are not known, values that look wrong."""

import json

import pytest

from tests.core.intake.test_json_lines import CD, line
from tests.core.intake.test_recording import UUID
from worker.core.intake.json_lines import from_jsonl_line


@pytest.mark.parametrize(
    ("bad_line", "words"),
    [
        (line(id="a", ref=["Doe"]), "ref is not text"),
        (line(id="a", birth_date=True), "birth_date is not text"),
        (line(id="a", ref="\ud800"), "not text"),
        (line(id="a", ref="x\x00"), "not text"),
        (line(id="a", links="Doe"), "links is not a key that is read: did you mean link?"),
        (line(id="a", Id="Doe"), "Id is not a key that is read: did you mean id?"),
        (line(id="a", url=f"https://h{CD}/Doe"), "url is not a key that is read: it may name a task"),
        (
            line(id="a", refs=["Doe", "B"]),
            "refs is not a key that is read: did you mean ref? The line's tasks are recorded",
        ),
    ],
)
def test_lines_that_are_kept_and_recorded(bad_line: bytes, words: str) -> None:
    intake = from_jsonl_line(bad_line, place="line 12", ref="R")
    (found,) = intake.recordings
    assert (found.id, found.birth_date) == ("a", None)
    assert found.ref == (None if {"ref", "refs"} & json.loads(bad_line).keys() else "R")
    (lost,) = intake.unreadable
    assert lost.reason.startswith("line 12: ")
    assert words in lost.reason
    assert "Doe" not in lost.reason
    assert lost.raw == bad_line.decode().replace("\\ud800", "\\ud800")


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"refs": []}, "refs is not a key that is read: did you mean ref?"),
        ({"note": "coverage discovery"}, "note is not a key that is read: it is ignored"),
        ({"birthDate": "1970-01-02"}, "birthDate is not a key that is read: did you mean birth_date?"),
        ({"encounter": 7}, "encounter is not a key that is read: it is ignored"),
        ({"Jane Doe": 7}, "one of its keys is not a key that is read: it is ignored"),
        ({"links": None}, "links is not a key that is read: did you mean link?"),
        ({"ref": ""}, "ref is empty: it is left out"),
        ({"ref": " \t"}, "ref is empty: it is left out"),
        ({"birth_date": "01/02/1970"}, "birth_date is not written YYYY-MM-DD"),
        ({"birth_date": "1970-01-02T00:00:00Z"}, "birth_date is not written YYYY-MM-DD"),
        ({"birth_date": "700102"}, "birth_date is not written YYYY-MM-DD"),
        ({"birth_date": "1970-02-30"}, "birth_date is a day that cannot be"),
        ({"birth_date": "0001-01-01"}, "birth_date is a day that cannot be"),
        ({"birth_date": "01021970"}, "birth_date is a day that cannot be"),
        ({"id": "a"}, "not a UUID"),
        ({"id": UUID.upper()}, "a UUID in capital letters"),
    ],
)
def test_lines_that_are_recorded_with_a_note(keys: dict[str, object], words: str) -> None:
    intake = from_jsonl_line(line(**{"id": UUID, **keys}), place="line 3", ref="R")
    assert [(one.id, one.ref) for one in intake.recordings] == [(keys.get("id", UUID), "R")]
    assert intake.unreadable == ()
    assert [words in note for note in intake.notes] == [True]
    assert "Doe" not in intake.notes[0]


@pytest.mark.parametrize("text", ["1970-01-02", "19700102", "2000-02-29", " 1970-01-02 "])
def test_a_birth_date_that_is_one(text: str) -> None:
    assert from_jsonl_line(line(id=UUID, birth_date=text, ref=None), place="line 3").notes == ()


def test_a_line_that_mentions_a_discovery_and_names_none_is_kept() -> None:
    bad_line = line(body=[{"status": 422, "body": f"see {CD}/Doe"}], ref="r")
    intake = from_jsonl_line(bad_line, place="line 3")
    assert [(item.raw, item.ref) for item in intake.unreadable] == [(bad_line.decode(), None)]


@pytest.mark.parametrize(
    ("keys", "count"),
    [
        ({"link": None}, 1),
        ({"headers": {"date": "x"}}, 1),
        ({"headers": "HTTP/1.1 200 OK"}, 1),
        ({"headers": "HTTP/1.1 401 Unauthorized"}, 0),
        ({"location": None}, 0),
        ({"id": None}, 0),
        ({"link": f"<{CD}/a>"}, 0),
        ({"link": "", "id": "a"}, 0),
    ],
)
def test_responses_without_a_task_are_counted(keys: dict[str, object], count: int) -> None:
    assert from_jsonl_line(line(**keys), place="line 3").without_task == count
