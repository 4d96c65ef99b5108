"""What was read is written as JSON lines, and read from them again: nothing of it is lost on the way."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.intake.test_json_lines import line
from worker.core.intake.hand_over import FILE_BYTES, FILE_ROWS, as_files
from worker.core.intake.intake import Expected, Intake, Lookup, Recording, merge
from worker.core.intake.json_lines import from_jsonl_line
from worker.core.intake.link import RAW_LIMIT_CHARS, Unreadable, unreadable
from worker.core.intake.recording import from_headers, from_link, from_lookup

A = "0716e3e8-87ee-11ee-b9d1-0242ac120002"


def read_again(intake: Intake) -> Intake:
    lines = b"".join(as_files(intake)).split(b"\n")
    assert lines.pop() == b""
    return merge(from_jsonl_line(one, place="line") for one in lines)


def same(intake: Intake) -> Intake:
    """As it is read again: the source is the lines, and reasons say where the text stood."""
    return replace(
        intake,
        recordings=tuple(replace(one, source="jsonl") for one in intake.recordings),
        unreadable=tuple(replace(one, reason=f"line: {one.reason}") for one in intake.unreadable),
        notes=(),
    )


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1).filter(str.strip)
DETAIL = st.none() | TEXT
RECORDINGS = st.builds(
    Recording,
    st.from_regex(r"[A-Za-z0-9._~-]{1,128}", fullmatch=True).filter(
        lambda text: text.lower() not in ("x12", ".", "..")
    ),
    st.just("jsonl"),
    title=st.none() | st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1),
    host=st.none() | st.just("api.vendor.example:8443"),
    sent_at=st.none() | st.integers(0, 4_000_000_000).map(lambda s: s * 1000),
    **dict.fromkeys(
        ("ref", "correlation_id", "trace_id", "trace_number", "originator_id", "member_id", "birth_date", "subtenant"),
        DETAIL,
    ),
)


@given(RECORDINGS)
def test_every_detail_of_a_task(one: Recording) -> None:
    assert read_again(Intake((one,))).recordings == (one,)


@pytest.mark.parametrize(("title", "host"), [("two\nlines", None), ("a title", "user@host"), ("a title", "h>x")])
def test_what_a_link_cannot_say_costs_title_and_host_and_not_the_task(title: str, host: str | None) -> None:
    intake = read_again(Intake((Recording(A, "body", title=title, host=host),)))
    assert intake == Intake((Recording(A, "jsonl"),))


def test_the_headers_of_a_response() -> None:
    link = f'<https://api.vendor.example/v1/coverage-discovery/{A}>; rel="related"; title="a \\"q\\" ünd, more"'
    dump = (
        f"HTTP/1.1 200 OK\r\nDate: Sat, 02 May 2026 12:00:09 GMT\r\nLink: {link}\r\nX-Optum-Correlation-Id: c\r\n\r\n"
    )
    intake = from_headers(dump.encode("latin-1"), ref="R")
    (one,) = intake.recordings
    assert (one.title, one.host, one.sent_at, one.correlation_id) == (
        'a "q" ünd, more',
        "api.vendor.example",
        1_777_723_209_000,
        "c",
    )
    assert read_again(intake) == same(intake)


def test_an_id_that_looks_like_a_part_of_another_came_from_a_link_and_stays_one() -> None:
    intake = from_link(f'</coverage-discovery/{A[:8]}>; rel="related"')
    assert read_again(intake) == same(intake)


def test_what_is_awaited_without_an_id() -> None:
    about = {"trace_number": "T", "originator_id": "O", "member_id": "M", "birth_date": "1970-01-02", "subtenant": "s"}
    for keys in ({"correlation_id": "c", "ref": "R", **about}, {"ref": "R", **about}):
        intake = from_jsonl_line(line(**keys), place="line")
        assert (intake.lookups, intake.expected) != ((), ())
        assert read_again(intake) == same(intake)
    assert read_again(from_lookup("c", ref="R")).lookups == (Lookup("c", "R"),)
    assert read_again(Intake(expected=(Expected("T", "R", member_id="M"),))).lookups == ()


@pytest.mark.parametrize("raw", ["</broken", "two\nlines\t\0", '{"link": "x"}', "x" * (RAW_LIMIT_CHARS + 9), "ß\udc80"])
def test_what_could_not_be_read_is_handed_on_as_it_was(raw: str) -> None:
    intake = Intake(unreadable=(replace(unreadable(raw, "line 3: no link"), ref="MRN 1"),))
    assert read_again(intake) == same(intake)


def test_a_response_that_names_no_task_counts_there_too() -> None:
    assert read_again(Intake(without_task=2)).without_task == 2


@pytest.mark.parametrize(
    ("keys", "lost"),
    [
        ({"raw": "x"}, Unreadable("x", "line: another cdpoll could not read this")),
        ({"raw": "x", "reason": "Doe\nDoe"}, Unreadable("x", "line: another cdpoll could not read this")),
        ({"raw": "x", "reason": "r" * 900}, Unreadable("x", f"line: {'r' * 500}")),
    ],
)
def test_a_reason_is_one_short_line(keys: dict[str, object], lost: Unreadable) -> None:
    assert from_jsonl_line(line(**keys), place="line") == Intake(unreadable=(lost,))


@pytest.mark.parametrize("keys", [{"raw": ["x"]}, {"raw": "x", "ref": 7}, {"raw": ""}])
def test_a_line_that_is_no_such_text_is_kept_as_a_whole(keys: dict[str, object]) -> None:
    intake = from_jsonl_line(line(**keys), place="line")
    assert [json.loads(one.raw) for one in intake.unreadable] == [keys]


def test_a_text_that_is_none_is_not_written() -> None:
    with pytest.raises(UnicodeEncodeError):
        as_files(Intake((Recording(A, "id", ref="\udc80"),)))


def test_no_file_is_large() -> None:
    many = Intake(tuple(Recording(f"id-{n}", "jsonl") for n in range(2 * FILE_ROWS + 1)))
    assert [one.count(b"\n") for one in as_files(many)] == [FILE_ROWS, FILE_ROWS, 1]
    assert read_again(many) == many
    large = Intake(unreadable=tuple(Unreadable("x" * 65_000 + str(n), "why") for n in range(200)))
    assert all(len(one) <= FILE_BYTES for one in as_files(large))
    assert read_again(large) == same(large)
    assert as_files(Intake()) == []
