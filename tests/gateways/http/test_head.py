"""Heads whose form is wrong: what has no meaning is dropped, and where the body ends is never guessed."""

import httpcore
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.examples import examples
from tests.support.loopback import Asked, Peer, Serve, always, answer, code_of, get, head
from worker.gateways.http.client import HttpClient
from worker.gateways.http.head import HEAD_CAP_BYTES, WELL_FORMED, mended

BODY = b'{"id": "x"}'
LENGTH = f"content-length: {len(BODY)}".encode()


def written(*lines: bytes, status: bytes = b"HTTP/1.1 200 OK") -> bytes:
    return b"".join(line + b"\r\n" for line in (status, *lines, b""))


HARMLESS = {
    "no colon": b"garbage",
    "no colon, with blanks": b"this line is no header",
    "no name": b": value",
    "a blank in the name": b"X Powered By: x",
    "a blank before the colon": b"X-Powered-By : x",
    "a name that is not ASCII": b"X-Caf\xc3\xa9: x",
    "a delimiter in the name": b"X@y(z): x",
    "NUL": b"X-Nul: a\0b",
    "a vertical tab": b"X-Tab: a\x0bb",
    "a bare CR": b"X-Cr: a\rb",
    "a control character": b"X-Ctl: a\x01b",
    "DEL": b"X-Del: a\x7fb",
    "a value that is not ASCII": b"X-Latin: caf\xe9",
    "folded": b"X-Long: a\r\n b\r\n\tc",
    "folded after what is dropped": b"garbage\r\n and more",
    "very long": b"X-Policy: " + b"y" * 90_000,
    "a control character, and long": b"X-Policy: \x02" + b"y" * 90_000,
    "a proxy's own": b"HTTP/1.1 200 Connection established",
}


@pytest.mark.parametrize("line", HARMLESS.values(), ids=HARMLESS)
def test_a_line_without_meaning_costs_no_answer(serve: Serve, client: HttpClient, line: bytes) -> None:
    for lines in ((line, LENGTH), (LENGTH, line), (b"x-a: b", LENGTH, b"x-c: d", line, line)):
        server = serve(always(written(*lines) + BODY))
        assert [get(client, server.url).body for _ in range(2)] == [BODY, BODY]
        assert server.connections == 1


def test_a_fold_under_the_status_line_is_dropped(serve: Serve, client: HttpClient) -> None:
    assert get(client, serve(always(written(b" x: y", b"\tcontent-length: 2", LENGTH) + BODY)).url).body == BODY


def test_what_is_dropped_takes_nothing_with_it(serve: Serve, client: HttpClient) -> None:
    lines = (b"garbage", b"X-A: 1", b"X-B : 2", b"X-C: 3\r\n 4", b"Content-Type: text/x", b"Content-Type: text/x")
    answered = get(client, serve(always(written(*lines, LENGTH) + BODY)).url)
    assert [answered.headers[name] for name in ("x-a", "x-b", "x-c")] == ["1", "2", "3 4"]


STATUS_LINES = [
    b"HTTP/1.1 200",
    b"HTTP/1.1 200 ",
    b"HTTP/1.1  200  OK",
    b"http/1.1 200 ok",
    b"HTTP/2 200 OK",
    b"HTTP/1.1 200 O\0K",
    b"\r\nHTTP/1.1 200 OK",
    b"\n\n\nHTTP/1.1 200 OK",
]


@pytest.mark.parametrize("status", STATUS_LINES)
def test_a_status_line_in_another_form_is_one(serve: Serve, client: HttpClient, status: bytes) -> None:
    assert get(client, serve(always(written(LENGTH, status=status) + BODY)).url).body == BODY


def test_lines_may_end_in_lf_alone(serve: Serve, client: HttpClient) -> None:
    said = written(b"garbage", LENGTH).replace(b"\r\n", b"\n") + BODY
    assert get(client, serve(always(said)).url).body == BODY


CHUNKS = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
SURE = {
    "chunked twice": ((b"Transfer-Encoding: chunked", b"transfer-encoding: Chunked"), CHUNKS),
    "chunked, chunked": ((b"Transfer-Encoding: chunked, chunked",), CHUNKS),
    "identity, chunked": ((b"Transfer-Encoding: identity, chunked",), CHUNKS),
    "chunked and nothing": ((b"Transfer-Encoding: chunked,", b"Transfer-Encoding:"), CHUNKS),
    "chunked, folded": ((b"Transfer-Encoding:\r\n chunked",), CHUNKS),
    "chunked, a blank before the colon": ((b"Transfer-Encoding : chunked",), CHUNKS),
    "identity": ((b"Transfer-Encoding: identity", LENGTH), BODY),
    "the length twice": ((LENGTH, LENGTH), BODY),
    "the length twice on a line": ((LENGTH + b", 11",), BODY),
    "the length with a nought": ((b"Content-Length: 011", LENGTH), BODY),
    "the length, a blank before the colon": ((b"Content-Length : 11",), BODY),
    "the length between blanks": ((b"Content-Length: \t 11 \t",), BODY),
}


@pytest.mark.parametrize(("lines", "body"), SURE.values(), ids=SURE)
def test_equal_words_on_the_length_count_once(
    serve: Serve, client: HttpClient, lines: tuple[bytes, ...], body: bytes
) -> None:
    server = serve(always(written(*lines) + body))
    assert [get(client, server.url).body for _ in range(2)] == [BODY, BODY]
    assert server.connections == 1


DOUBTFUL = {
    "chunked and a length": ((b"Transfer-Encoding: chunked", b"Content-Length: 4"), CHUNKS),
    "a length and chunked": ((b"Content-Length: 11", b"Transfer-Encoding: chunked"), CHUNKS),
    "a plus": ((b"Content-Length: +11",), BODY),
}


@pytest.mark.parametrize(("lines", "body"), DOUBTFUL.values(), ids=DOUBTFUL)
def test_after_a_length_in_doubt_the_connection_is_not_used_again(
    serve: Serve, client: HttpClient, lines: tuple[bytes, ...], body: bytes
) -> None:
    server = serve(always(written(*lines) + body))
    assert [get(client, server.url).body for _ in range(2)] == [BODY, BODY]
    assert server.connections == 2


REFUSED = {
    "two lengths": (b"Content-Length: 2", b"Content-Length: 11"),
    "two lengths on a line": (b"Content-Length: 2, 11",),
    "two lengths, folded": (b"Content-Length: 2\r\n 11",),
    "no number": (b"Content-Length: many",),
    "a negative one": (b"Content-Length: -11",),
    "a hexadecimal one": (b"Content-Length: 0xb",),
    "a fraction": (b"Content-Length: 11.0",),
    "an empty one": (b"Content-Length:",),
    "a blank within": (b"Content-Length: 1 1",),
    "too many digits": (b"Content-Length: " + b"1" * 30,),
    "a length and no number": (LENGTH, b"Content-Length: many"),
    "a length without a colon": (b"Content-Length 2", LENGTH),
    "a length with NUL": (b"Content-Length: 2\0", LENGTH),
    "a length with a tab in its name": (b"Content-Length\x0b: 2", LENGTH),
    "chunked with a control character": (b"Transfer-Encoding: \x01chunked", LENGTH),
    "chunked with a tab in its name": (b"Transfer-Encoding\x0b: chunked", LENGTH),
    "chunked by another name": (b"Transfer\xadEncoding: chunked", LENGTH),
    "gzip, chunked": (b"Transfer-Encoding: gzip, chunked",),
    "another coding": (b"Transfer-Encoding: gzip", b"Transfer-Encoding: chunked"),
    "an unknown coding": (b"Transfer-Encoding: xchunked", LENGTH),
}


@pytest.mark.parametrize("lines", REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("more", [(), (b"garbage",)], ids=["alone", "beside garbage"])
def test_where_the_body_ends_is_not_guessed(
    serve: Serve, client: HttpClient, lines: tuple[bytes, ...], more: tuple[bytes, ...]
) -> None:
    def script(asked: Asked, peer: Peer) -> None:
        peer.send(written(*more, *lines) + BODY)
        peer.hold()

    assert code_of(lambda: get(client, serve(script).url)) == "protocol"


def test_interim_answers_are_passed_over_up_to_a_bound(serve: Serve, client: HttpClient) -> None:
    some = head(100) + head(103, "link: </x>", "no colon") + b"HTTP/1.1 102\r\n\r\n" + head(199, "content-length: 9")
    server = serve(always(some + answer(200, BODY)))
    assert [get(client, server.url).body for _ in range(2)] == [BODY, BODY]
    assert server.connections == 1
    assert code_of(lambda: get(client, serve(always(head(100) * 1000 + answer(200, BODY))).url)) == "protocol"


@pytest.mark.parametrize("said", [written(b"garbage", LENGTH), head(100) + written(LENGTH), b"\r\n" + written(LENGTH)])
def test_a_head_may_come_byte_by_byte(serve: Serve, client: HttpClient, said: bytes) -> None:
    def script(asked: Asked, peer: Peer) -> None:
        peer.drip(said, every=0)
        peer.send(BODY)

    server = serve(script)
    assert [get(client, server.url).body for _ in range(2)] == [BODY, BODY]
    assert server.connections == 1


def test_a_head_that_is_cut_short_is_no_answer(serve: Serve, client: HttpClient) -> None:
    def script(asked: Asked, peer: Peer) -> None:
        peer.send(written(b"garbage", LENGTH)[:-2])
        peer.close()

    assert code_of(lambda: get(client, serve(script).url)) == "cut"


NAMES = [b"content-length", b"Content-Length ", b"transfer-encoding", b"Transfer-Encoding\x0b", b"x-a", b"", b" x"]
VALUES = [b"5", b"+5", b"5, 5", b"6", b"chunked", b"chunked, chunked", b"identity", b"gzip", b"", b"a\0b", b"a\rb"]
LINES = st.builds(
    lambda name, colon, value: name + colon + value,
    st.sampled_from(NAMES) | st.binary(max_size=8).filter(lambda name: b"\n" not in name),
    st.sampled_from([b":", b": ", b""]),
    st.sampled_from(VALUES) | st.binary(max_size=8).filter(lambda value: b"\n" not in value),
)


@examples(500)
@given(st.lists(LINES, max_size=6))
def test_a_mended_head_is_well_formed_with_one_length_at_most(lines: list[bytes]) -> None:
    try:
        made = mended(written(*lines))
    except httpcore.RemoteProtocolError:
        return
    assert WELL_FORMED.fullmatch(made)
    assert made.count(b"content-length:") + made.count(b"transfer-encoding:") <= 1
    assert mended(made) == made


@examples(300)
@given(st.binary(max_size=200))
def test_any_bytes_are_mended_or_refused(said: bytes) -> None:
    try:
        mended(said + b"\r\n\r\n")
    except httpcore.RemoteProtocolError:
        return


@pytest.mark.parametrize("unit", [b" a\r\n", b"a\r\n", b"a: b\r\n", b"a:b\r\n c\r\n", b"\t", b"content-length: 5\r\n"])
def test_a_large_hostile_head_is_mended_in_linear_time(unit: bytes) -> None:
    mended(written(unit * (HEAD_CAP_BYTES // len(unit)), b"\0"))
