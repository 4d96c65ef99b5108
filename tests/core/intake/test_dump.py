"""Dumps of responses as curl writes them: each block its own, and nothing in a body taken for a header."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.intake.test_recording import CD, LINK, ids
from worker.core.errors import BadData
from worker.core.intake.intake import Intake, Recording
from worker.core.intake.link import Unreadable
from worker.core.intake.recording import from_headers
from worker.core.vendor.httpdate import http_date


def dump(*lines: str, end: str = "\r\n") -> bytes:
    return "".join(line + end for line in lines).encode("latin-1")


@pytest.mark.parametrize("version", ["HTTP/1.0 200 OK", "HTTP/1.1 200 ", "HTTP/2 200", "HTTP/2 200 ", "HTTP/3 200"])
@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_a_dump_of_one_response(version: str, end: str) -> None:
    data = dump(
        version,
        "Date: Sun, 06 Nov 1994 08:49:37 GMT",
        "X-Optum-Correlation-Id: corr",
        "x-optum-trace-id:trace",
        LINK,
        f"Location: {CD}/b",
        "",
        end=end,
    )
    assert from_headers(data, ref="r") == Intake(
        (
            Recording(
                "a", "headers", "Nightly", ref="r", correlation_id="corr", trace_id="trace", sent_at=784111777000
            ),
            Recording("b", "headers", ref="r", correlation_id="corr", trace_id="trace", sent_at=784111777000),
        )
    )


def test_several_responses_each_with_its_own_ids() -> None:
    data = dump(
        "HTTP/1.1 200 Connection established",
        "",
        "HTTP/1.1 100 Continue",
        "",
        "HTTP/1.1 200 OK",
        "x-optum-correlation-id: one",
        LINK,
        "Content-Length: 1234",
        "",
        "HTTP/2 200",
        f"link: <{CD}/b>; rel=related,",
        f"\t<{CD}/c>; rel=related",
        f"LINK: <{CD}/d>; rel=related",
        "",
        "",
        "HTTP/1.1 202 Accepted",
        f"location: {CD}/e",
        "HTTP/1.1 202 Accepted",
        f"location: {CD}/f",
        "",
    )
    intake = from_headers(data)
    assert ids(intake) == ["a", "b", "c", "d", "e", "f"]
    assert [r.correlation_id for r in intake.recordings] == ["one", None, None, None, None, None]
    assert intake.unreadable == ()
    assert {r.correlation_id for r in from_headers(data, correlation_id="mine").recordings} == {"mine"}


@pytest.mark.parametrize(
    "body",
    [
        f'{{"link": "<{CD}/FAKE>; rel=related"}}',
        f"Link: <{CD}/FAKE>; rel=related\r\nlocation: {CD}/FAKE\r\n\r\nlocation: {CD}/FAKE",
        f"HTTP/1.1 is a protocol\r\nlink: <{CD}/FAKE>\r\n",
        f"HTTP/1.1 200 OK and more\nno header\nlink: <{CD}/FAKE>\r\n",
        f" HTTP/1.1 200 OK\r\nlink: <{CD}/FAKE>\r\n",
        "",
        "\xff\x00\r\r\n\n",
    ],
)
@pytest.mark.parametrize("between", ["", "\r\n"])
def test_a_body_between_responses_does_no_harm(body: str, between: str) -> None:
    # A body may or may not end in a line end of its own, so one is put between.
    block = f"HTTP/1.1 200 OK\r\n{LINK}\r\n\r\n"
    data = f"{block}{body}\r\n{between}{block.replace('/a', '/b')}{body}".encode("latin-1")
    intake = from_headers(data)
    assert ids(intake) == ["a", "b"]
    assert intake.unreadable == ()


def test_a_line_in_a_body_that_looks_like_a_task_header_is_noted() -> None:
    data = dump("HTTP/1.1 200 OK", "", "text", f"link: <{CD}/FAKE>; rel=related")
    lost = Unreadable(
        f"link: <{CD}/FAKE>; rel=related", "this mentions coverage-discovery/, and no task could be read from it"
    )
    assert from_headers(data) == Intake(
        unreadable=(lost,),
        notes=(
            "the headers: status 200, and no Link header names a task",
            "the headers: ignored 1 line outside of headers: they look like headers that name tasks",
        ),
        without_task=1,
    )


def test_a_body_of_known_length_is_jumped_over_whatever_it_holds() -> None:
    # A body without a line end runs into the next status line, and this one holds a response of its own.
    body = f"text\r\n\r\nHTTP/1.1 200 OK\r\nlink: <{CD}/FAKE>; rel=related\r\n\r\ntext"
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n{LINK}\r\n\r\n"
    assert ids(from_headers(f"{head}{body}{head.replace('/a', '/b')}{body}".encode())) == ["a", "b"]


def test_a_response_that_a_body_runs_into_is_kept_raw() -> None:
    data = f'HTTP/1.1 200 OK\r\n{LINK}\r\n\r\n{{"x": 1}}HTTP/1.1 200 OK\r\nlink: <{CD}/b>; rel=related\r\n\r\n'
    intake = from_headers(data.encode())
    assert ids(intake) == ["a"]
    assert [item.raw for item in intake.unreadable] == [f"link: <{CD}/b>; rel=related"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n\r\n",
        b"curl: (6) Could not resolve host",
        LINK.encode(),
        b"HTTP/1.1 2",
        b"HTTP/0.9 200 OK\r\n\r\n",
        b"\x00\xff\xfe",
        b"<html>HTTP/1.1 200 OK</html>",
    ],
)
def test_no_response_at_all(data: bytes) -> None:
    with pytest.raises(BadData, match=r"no HTTP response in out\.txt: did the request fail\?"):
        from_headers(data, name="out.txt")


@pytest.mark.parametrize(
    ("data", "words", "counts"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", "status 200, and no Link header names a task", 1),
        (b"\n\nHTTP/2 204\n\n", "status 204, and no Link header names a task", 1),
        (b"HTTP/1.1 200 OK\r\nlink:\r\n\r\n", "status 200, and no Link header names a task", 1),
        (b"HTTP/1.1 100 Continue\n\nHTTP/1.1 200 OK\n\n", "status 200, and no Link header names a task", 1),
        (b"HTTP/1.0 200 Connection established\n\nHTTP/2 401 \n\n", "status 401 is not a success: no task is named", 0),
        (
            b"HTTP/2 401 \nserver: x\n\nHTTP/2 200\n\n",
            "1 of 2 responses: status 200, and no Link header names a task",
            1,
        ),
        (b"HTTP/2 202 \n\n", "status 202, but no Location names its task: hand in its body with --body", 0),
        (b"HTTP/2 202 \nx-request-id: 1\n\n", "status 202, but no Location names its task", 0),
        (b"HTTP/2 503\n\nHTTP/2 503\n\nHTTP/2 200\n\n", "2 of 3 responses: status 503 is not a success", 1),
    ],
)
def test_a_valid_dump_that_names_no_task_is_noted(data: bytes, words: str, counts: int) -> None:
    intake = from_headers(data)
    assert (intake.recordings, intake.unreadable, intake.without_task) == ((), (), counts)
    assert words in intake.notes[0]


def test_a_response_without_a_task_is_noted_beside_others() -> None:
    good = f"HTTP/1.1 200 OK\r\n{LINK}\r\n\r\n"
    intake = from_headers(f"{good}HTTP/2 500\r\n\r\nHTTP/2 302\r\nlocation: /x\r\n\r\n{good}".encode())
    assert ids(intake) == ["a"]
    assert intake.notes == ("the headers: 1 of 4 responses: status 500 is not a success: no task is named",)


CURL_V = """*   Trying 127.0.0.1:443...
> GET /rcm/eligibility/v1 HTTP/2
> accept: */*
>
< HTTP/2 200
< {link}
{{ [155 bytes data]
< x-optum-trace-id: t
<{end}
* Connection #0 to host left intact
{{"id": "no"}}
"""

WGET_S = """--2026-05-02 12:00:00--  https://h/x
HTTP request sent, awaiting response...
  HTTP/1.1 200 OK
  {link}
  x-optum-trace-id: t
Length: 12 [application/json]
Saving to: 'x'
"""


@pytest.mark.parametrize(
    "text",
    [
        CURL_V.format(link=LINK, end=" "),
        CURL_V.format(link=LINK, end="").replace("\n", "\r\n"),
        CURL_V.format(link=LINK, end=" ").replace("\n", "\r"),
        WGET_S.format(link=LINK),
        WGET_S.format(link=LINK).replace("  ", "    "),
        f"  HTTP/1.1 200 OK\n  {LINK}\n  x-optum-trace-id: t\n",
        f"HTTP/1.1 200 OK\r{LINK}\rx-optum-trace-id: t\r\r",
    ],
)
@pytest.mark.parametrize("encoding", ["latin-1", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_dumps_of_other_tools_and_machines(text: str, encoding: str) -> None:
    intake = from_headers(text.encode(encoding))
    assert [(one.id, one.trace_id) for one in intake.recordings] == [("a", "t")]
    assert (intake.unreadable, intake.notes) == ((), ())


@pytest.mark.parametrize(
    "text", [CURL_V[: CURL_V.index("x-optum")], CURL_V[: CURL_V.index("{link}") + 4], WGET_S[: WGET_S.index("-trace")]]
)
def test_a_dump_of_another_tool_that_is_cut(text: str) -> None:
    assert len(from_headers(text.replace("{link}", LINK).encode()).unreadable) == 1


@pytest.mark.parametrize("status", ["100 Continue", "103 Early Hints", "200 Connection established"])
def test_a_response_that_never_came(status: str) -> None:
    begun = f"HTTP/1.1 {status}\r\n\r\n".encode()
    with pytest.raises(BadData, match="no final response"):
        from_headers(begun)
    intake = from_headers(f"HTTP/1.1 200 OK\r\n{LINK}\r\n\r\n".encode() + begun)
    assert ids(intake) == ["a"]
    assert [item.raw for item in intake.unreadable] == [f"HTTP/1.1 {status}"]


@pytest.mark.parametrize(
    "line",
    [
        f"Links: <{CD}/b>; rel=related",
        f"content-location: {CD}/b",
        f"link <{CD}/b>; rel=related",
        f" <{CD}/b>; rel=related",
        "x: https:\\/\\/h\\/coverage-discovery\\/b",
        "x: coverage-discovery%2Fb",
    ],
)
def test_what_mentions_a_discovery_and_yields_no_id_is_kept(line: str) -> None:
    for before in ("", f"HTTP/1.1 200 OK\r\n{LINK}\r\n\r\n"):
        intake = from_headers(f"{before}HTTP/1.1 200 OK\r\nserver: x\r\n{line}\r\nset-cookie: secret\r\n\r\n".encode())
        assert ids(intake) == (["a"] if before else [])
        (lost,) = intake.unreadable
        assert line.strip() in lost.raw.lower() or line.strip() in lost.raw or line.partition(": ")[2] in lost.raw
        assert "secret" not in lost.raw


def test_a_dump_that_is_cut_off_is_read_as_far_as_it_goes() -> None:
    whole = f'HTTP/1.1 200 OK\r\n{LINK}, <{CD}/bcdef>; rel="related"\r\nlocation: {CD}/ghijk\r\n\r\n'.encode()
    for length in range(len(b"HTTP/1.1 200 OK\r\n"), len(whole) + 1):
        intake = from_headers(whole[:length])
        assert set(ids(intake)) <= {"a", "bcdef", "ghijk"}, whole[:length]
    assert ids(intake) == ["a", "bcdef", "ghijk"]
    cut = from_headers(whole[: whole.index(b"def>")])
    assert ids(cut) == ["a"]
    assert [item.raw for item in cut.unreadable] == [f"<{CD}/bc"]
    cut = from_headers(whole[:-2])
    assert ids(cut) == ["a", "bcdef", "ghijk"]
    (lost,) = cut.unreadable
    assert lost.reason == "the headers: cut off within the headers of its last response: tasks may be missing"
    assert lost.raw.startswith("HTTP/1.1 200 OK\nlink: ")
    cut = from_headers(whole[: whole.index(b"ijk")])
    assert [item.raw for item in cut.unreadable] == [f"{CD}/gh"]
    cut = from_headers(f"HTTP/1.1 202 Accepted\r\nlocation:\r\n {CD}/gh".encode())
    assert [item.raw for item in cut.unreadable] == [f"{CD}/gh"]


def test_a_header_that_is_none_hides_no_other() -> None:
    data = dump("HTTP/1.1 200 OK", " folded onto nothing", "no header", "\x00: \x00", LINK, "date: never", "")
    assert from_headers(data).recordings == (Recording("a", "headers", "Nightly"),)


@given(
    st.binary(max_size=200)
    | st.lists(st.sampled_from((b"HTTP/1.1 200 OK", b"\r\n", b"\n", b" ", LINK.encode(), b"x"))).map(b"".join)
)
def test_any_octets_are_read_or_refused(data: bytes) -> None:
    try:
        from_headers(b"HTTP/1.1 200 OK\r\n" + data)
        from_headers(data)
    except BadData:
        assert b"HTTP/1.1 200 OK" not in data.splitlines()[:1]


@pytest.mark.parametrize(
    "unit", ["xHTTP/2 200 ", "HTTP/2 200\n", "HTTP/2 200\na:b\n", "\n", "a", "a:", " c\n", "a:b\n c\n"]
)
def test_large_hostile_dumps_are_read_in_linear_time(unit: str) -> None:
    for begin in ("HTTP/2 200\na: b\n", "HTTP/2 200\ncontent-length: 5\n\n"):
        from_headers((begin + unit * (200_000 // len(unit)) + "\x01").encode())


# --- dates ---


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("Sun, 06 Nov 1994 08:49:37 GMT", 784111777000),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 784111777000),
        ("Sun Nov  6 08:49:37 1994", 784111777000),
        (" sun, 06 nov 1994 08:49:37 gmt ", 784111777000),
        ("Fri, 31-Dec-26 23:59:60 GMT", None),
        ("Thursday, 31-Dec-26 23:59:60 GMT", 1798761599000),
        ("Sun, 31 Feb 2026 08:49:37 GMT", None),
        ("Sun, 06 Nov 1994 08:49:37 +0100", None),
        ("Sun, 06 Növ 1994 08:49:37 GMT", None),
        ("2026-05-01T12:00:00Z", None),
        ("", None),
    ],
)
def test_http_dates(text: str, ms: int | None) -> None:
    assert http_date(text) == ms
