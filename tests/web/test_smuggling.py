"""Requests whose length or lines two readers may understand differently: each is refused, and what follows is not read.

In every one of them stands a second request and a word; neither the answer to the one nor the other in the log may be
seen.
"""

from collections.abc import Iterator

import pytest

from tests.support.served_app import ServedApp, served_app

SECOND = b"GET /healthz?PLANTED HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST /take HTTP/1.1\r\nHost: localhost\r\nX-Word: PLANTED\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
LENGTH = b"Content-Length: 5\r\n"
NO_CHUNKS = b"\r\n0\r\n\r\n" + SECOND

REFUSED: dict[str, bytes] = {
    "length and chunks": POST + LENGTH + CHUNKED + NO_CHUNKS,
    "chunks and length": POST + CHUNKED + LENGTH + NO_CHUNKS,
    "chunks, and a length of nothing": POST + CHUNKED + b"Content-Length: 0\r\n" + NO_CHUNKS,
    "chunks folded into the next line": POST + b"Transfer-Encoding:\r\n chunked\r\n" + LENGTH + NO_CHUNKS,
    "a header folded": POST + b"X-Other: a\r\n\tPLANTED\r\n" + LENGTH + b"\r\nabcde" + SECOND,
    "a coding like chunked": POST + b"Transfer-Encoding: xchunked\r\n" + NO_CHUNKS,
    "a coding like chunked, with a length": POST + b"Transfer-Encoding: xchunked\r\n" + LENGTH + NO_CHUNKS,
    "chunked in quotes": POST + b'Transfer-Encoding: "chunked"\r\n' + NO_CHUNKS,
    "chunked twice": POST + CHUNKED + CHUNKED + NO_CHUNKS,
    "chunked, then identity": POST + CHUNKED + b"Transfer-Encoding: identity\r\n" + NO_CHUNKS,
    "identity alone": POST + b"Transfer-Encoding: identity\r\n" + NO_CHUNKS,
    "gzip alone": POST + b"Transfer-Encoding: gzip\r\n" + NO_CHUNKS,
    "gzip, then chunked": POST + b"Transfer-Encoding: gzip, chunked\r\n" + NO_CHUNKS,
    "gzip, then chunked, in two headers": POST + b"Transfer-Encoding: gzip\r\n" + CHUNKED + NO_CHUNKS,
    "a coding that is empty": POST + b"Transfer-Encoding:\r\n" + NO_CHUNKS,
    "chunked behind a vertical tab": POST + b"Transfer-Encoding: \x0bchunked\r\n" + NO_CHUNKS,
    "chunked by HTTP/1.0": POST.replace(b"1.1", b"1.0") + CHUNKED + NO_CHUNKS,
    "a blank before the colon": POST + b"Transfer-Encoding : chunked\r\n" + NO_CHUNKS,
    "a blank before the colon of the length": POST + b"Content-Length : 5\r\n\r\nabcde" + SECOND,
    "a blank before a header's name": POST + b" Transfer-Encoding: chunked\r\n" + NO_CHUNKS,
    "two lengths": POST + LENGTH + b"Content-Length: 0\r\n\r\nabcde" + SECOND,
    "the same length twice": POST + LENGTH + LENGTH + b"\r\nabcde" + SECOND,
    "two lengths in one header": POST + b"Content-Length: 5, 5\r\n\r\nabcde" + SECOND,
    "a length with a sign": POST + b"Content-Length: +5\r\n\r\nabcde" + SECOND,
    "a negative length": POST + b"Content-Length: -1\r\n\r\nabcde" + SECOND,
    "a length in hexadecimal": POST + b"Content-Length: 0x5\r\n\r\nabcde" + SECOND,
    "a length with an underscore": POST + b"Content-Length: 1_0\r\n\r\nabcdefghij" + SECOND,
    "a length in other digits": POST + b"Content-Length: \xb2\r\n\r\nab" + SECOND,
    "a length that is empty": POST + b"Content-Length:\r\n\r\n" + SECOND,
    "lines that end with LF": (POST + LENGTH).replace(b"\r\n", b"\n") + b"\nabcde" + SECOND,
    "one line that ends with LF": POST + b"X-Other: a\n" + CHUNKED + NO_CHUNKS,
    "one line that ends with CR": POST + b"X-Other: a\r" + CHUNKED + NO_CHUNKS,
    "a request line that ends with LF": b"POST /take?PLANTED HTTP/1.1\nHost: localhost\r\n\r\n" + SECOND,
    "a NUL in a header": POST + b"X-Other: a\x00PLANTED\r\n\r\n" + SECOND,
    "a NUL in a header's name": POST + b"X-Oth\x00er: a\r\n\r\n" + SECOND,
    "a header without a colon": POST + b"PLANTED\r\n\r\n" + SECOND,
    "a header without a name": POST + b": PLANTED\r\n\r\n" + SECOND,
    "no host": b"GET /take?PLANTED HTTP/1.1\r\nX-Other: a\r\n\r\n" + SECOND,
    "two hosts": POST + b"Host: PLANTED.example\r\n" + LENGTH + b"\r\nabcde" + SECOND,
    "two kinds of content": POST + 2 * b"Content-Type: text/plain\r\n" + LENGTH + b"\r\nabcde" + SECOND,
    "a chunk with a sign": POST + CHUNKED + b"\r\n+5\r\nabcde\r\n0\r\n\r\n" + SECOND,
    "a chunk in 0x": POST + CHUNKED + b"\r\n0x5\r\nabcde\r\n0\r\n\r\n" + SECOND,
    "a chunk longer than it says": POST + CHUNKED + b"\r\n2\r\nPLANTED\r\n0\r\n\r\n" + SECOND,
    "a chunk's line that ends with LF": POST + CHUNKED + b"\r\n5\nabcde\r\n0\r\n\r\n" + SECOND,
    "a chunk that ends with LF": POST + CHUNKED + b"\r\n5\r\nabcde\n0\r\n\r\n" + SECOND,
    "LF in a chunk's extension": POST + CHUNKED + b"\r\n5;a=PLANTED\n\r\nabcde\r\n0\r\n\r\n" + SECOND,
    "CR in a chunk's extension": POST + CHUNKED + b"\r\n5;a\rb=PLANTED\r\nabcde\r\n0\r\n\r\n" + SECOND,
    "a chunk's extension without an end": POST + CHUNKED + b"\r\n5;" + 9000 * b"P" + b"\r\nabcde\r\n0\r\n\r\n" + SECOND,
    "a length among the trailers": POST + CHUNKED + b"\r\n0\r\nContent-Length: 9\r\n\r\n" + SECOND,
    "an absolute target": b"POST http://PLANTED.example/take HTTP/1.1\r\nHost: localhost\r\n\r\n" + SECOND,
    "a target that is a host": b"CONNECT PLANTED.example:443 HTTP/1.1\r\nHost: localhost\r\n\r\n" + SECOND,
    "a target that is a star": b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n" + SECOND,
    "a target with a blank": b"POST /take PLANTED HTTP/1.1\r\nHost: localhost\r\n\r\n" + SECOND,
    "a target that is not ASCII": b"POST /t\xe4ke?PLANTED HTTP/1.1\r\nHost: localhost\r\n\r\n" + SECOND,
    "HTTP/0.9": b"GET /healthz?PLANTED\r\n\r\n" + SECOND,
    "a version with a blank": b"GET /healthz HTTP/1.1 \r\nHost: localhost\r\n\r\n" + SECOND,
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SECOND,
    "a method in small letters": b"post /take?PLANTED HTTP/1.1\r\nHost: localhost\r\n\r\n" + SECOND,
    "PROXY before the request": b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" + POST + LENGTH + b"\r\nabcde" + SECOND,
    "another expectation": POST + LENGTH + b"Expect: PLANTED\r\n\r\nabcde" + SECOND,
    "a long request line": b"GET /" + 5000 * b"P" + b" HTTP/1.1\r\nHost: localhost\r\n\r\n" + SECOND,
    "a long header": POST + b"X-Other: " + 5000 * b"P" + b"\r\n\r\n" + SECOND,
    "many headers": POST + b"".join(b"X-Other-%d: PLANTED\r\n" % n for n in range(60)) + b"\r\n" + SECOND,
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedApp]:
    with served_app(tmp_path_factory.mktemp("served")) as found:
        yield found


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_and_the_connection_ends(served: ServedApp, name: str) -> None:
    answer = served.ask(REFUSED[name])  # until the server ends the connection
    assert answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 501 ")), answer
    assert b"\nHTTP/1.1 " not in answer
    assert b"200 OK" not in answer


def test_nothing_of_them_is_in_the_log(served: ServedApp) -> None:
    for question in REFUSED.values():
        served.ask(question)
    said = served.said()
    assert "Invalid request from ip=127.0.0.1" in said
    for planted in ("PLANTED", "PPPP", "healthz", "/take", "Traceback"):
        assert planted not in said


def test_what_is_whole_is_answered_also_two_at_once(served: ServedApp) -> None:
    post = POST + CHUNKED + b"\r\n5;a=b\r\nabcde\r\n0\r\n\r\n"
    last = SECOND.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    answer = served.ask(post + POST + LENGTH + b"\r\nabcde" + last)
    assert answer.count(b"5 bytes by http for None\n") == 2
    assert answer.endswith(b"ok\n")


@pytest.mark.parametrize("name", ["Script_Name", "Path_Info", "Content_Length", "X_Forwarded_For"])
def test_no_header_passes_for_what_the_server_says(served: ServedApp, name: str) -> None:
    answer = served.ask(POST + f"{name}: /healthz\r\n".encode() + LENGTH + b"Connection: close\r\n\r\nabcde")
    assert answer.endswith(b"5 bytes by http for None\n")


def test_a_body_that_ends_early_is_no_body(served: ServedApp) -> None:
    for question in (
        POST + b"Content-Length: 500\r\n\r\nPLANTED",
        POST + CHUNKED + b"\r\n50\r\nPLANTED",
        POST + CHUNKED + b"\r\n5\r\nabcde\r\n",
    ):
        with served.connect() as connection:
            connection.sendall(question)
            connection.shutdown(1)
            assert connection.recv(65536).startswith(b"HTTP/1.1 400 ")
    assert "PLANTED" not in served.said()
