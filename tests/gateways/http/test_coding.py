"""Bodies packed and unpacked, under headers that tell the truth, half of it, or none."""

import gzip
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.examples import examples
from tests.support.loopback import bomb
from worker.gateways.http.client import BODY_CAP_BYTES
from worker.gateways.http.coding import BadBody, unpacked

JSON = b'{"id": "x", "status": "success"}' + b" " * 100
CAP = BODY_CAP_BYTES


def raw(body: bytes) -> bytes:
    pack = zlib.compressobj(wbits=-15)
    return pack.compress(body) + pack.flush()


def code_of(body: bytes, header: str | None, cap: int = CAP) -> str:
    with pytest.raises(BadBody) as caught:
        unpacked(body, header, cap)
    return str(caught.value)


@pytest.mark.parametrize(
    "header",
    [None, "", " ", "identity", "UTF-8", "utf-8, identity", "none", "None", "binary", "plain", "8bit", "json", ","],
)
def test_a_word_that_is_no_coding_means_none(header: str | None) -> None:
    assert unpacked(JSON, header, CAP) == JSON
    assert unpacked(b"\x0b\x00\xff", header, CAP) == b"\x0b\x00\xff"


@pytest.mark.parametrize("name", ["br", "BR", "zstd", "compress", "x-compress", "utf-8, br", "br, gzip", "gzip, br"])
def test_a_coding_that_is_not_read_is_never_taken_for_plain(name: str) -> None:
    for body in (JSON, gzip.compress(JSON), b"\x1b\x07\x00\xf8\xa5[\xc2"):
        assert code_of(body, name) == "encoding"


PACKED = {
    "gzip": (gzip.compress(JSON), "gzip"),
    "x-gzip": (gzip.compress(JSON), "x-gzip"),
    "in capitals": (gzip.compress(JSON), "GZIP"),
    "gzip with a charset": (gzip.compress(JSON), "gzip, utf-8"),
    "gzip said twice": (gzip.compress(JSON), "gzip, gzip"),
    "gzip done twice": (gzip.compress(gzip.compress(JSON)), "gzip, gzip"),
    "gzip in no header": (gzip.compress(JSON), None),
    "gzip under identity": (gzip.compress(JSON), "identity"),
    "two members": (gzip.compress(JSON[:9]) + gzip.compress(JSON[9:]), "gzip"),
    "an empty member last": (gzip.compress(JSON) + gzip.compress(b""), "gzip"),
    "noughts after it": (gzip.compress(JSON) + b"\0" * 99, "gzip"),
    "a line end after it": (gzip.compress(JSON) + b"\r\n", "gzip"),
    "noughts between members": (gzip.compress(JSON[:9]) + b"\0" + gzip.compress(JSON[9:]), "gzip"),
    "members of many pieces": (b"".join(gzip.compress(bytes([c]) * 1, 0) for c in JSON), "gzip"),
    "zlib": (zlib.compress(JSON), "deflate"),
    "raw deflate": (raw(JSON), "deflate"),
    "deflate under gzip": (gzip.compress(zlib.compress(JSON)), "deflate, gzip"),
    "gzip under the other name": (gzip.compress(JSON), "deflate"),
    "zlib under the other name": (zlib.compress(JSON), "gzip"),
    "plain under gzip": (JSON, "gzip"),
    "plain with a BOM under gzip": (b"\xef\xbb\xbf" + JSON, "gzip"),
    "plain under deflate": (JSON, "deflate"),
    "a plain list under deflate": (b"[1, 2]", "deflate"),
}


@pytest.mark.parametrize(("body", "header"), PACKED.values(), ids=PACKED)
def test_what_is_packed_is_unpacked_and_what_is_plain_is_left(body: bytes, header: str | None) -> None:
    assert unpacked(body, header, CAP).removeprefix(b"\xef\xbb\xbf") in (JSON, b"[1, 2]")


GZIP = gzip.compress(JSON)
BAD = {
    "cut short": (GZIP[:-9], "gzip"),
    "without its checksum": (GZIP[:-8], "gzip"),
    "wrong checksum": (GZIP[:-8] + b"\0" * 8, "gzip"),
    "nothing": (b"", "gzip"),
    "no gzip": (b"<html>", "gzip"),
    "half a second member": (GZIP + GZIP[:12], "gzip"),
    "garbage after it": (GZIP + b"garbage", "gzip"),
    "zlib cut short": (zlib.compress(JSON)[:-5], "deflate"),
    "raw cut short": (raw(JSON)[:-2], "deflate"),
    "no deflate": (b"<html>", "deflate"),
    "many codings": (JSON, "gzip, gzip, gzip, gzip, gzip"),
    "many members": (gzip.compress(b"") * 2000 + GZIP, "gzip"),
}


@pytest.mark.parametrize(("body", "header"), BAD.values(), ids=BAD)
def test_what_cannot_be_unpacked_whole_is_refused(body: bytes, header: str) -> None:
    assert code_of(body, header) == "encoding"


@pytest.mark.parametrize("size", [0, 1000, 70_000, CAP])
def test_the_cap_holds_for_what_comes_out(size: int) -> None:
    plain = b" " * size
    halves = gzip.compress(plain[: size // 2]) + gzip.compress(plain[size // 2 :])
    for body, header in ((gzip.compress(plain), "gzip"), (halves, "gzip"), (raw(plain), "deflate")):
        assert unpacked(body, header, size) == plain
        if size:
            assert code_of(body, header, size - 1) == "too_large"


def test_a_bomb_is_not_unpacked() -> None:
    packed = bomb(b'{"id": "x"}')
    for body, header in ((packed, "gzip"), (packed[10:], "deflate"), (packed, None)):
        tracemalloc.start()
        try:
            assert code_of(body, header) == "too_large"
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 3 * CAP


@examples(300)
@given(st.binary(max_size=300), st.sampled_from([None, "gzip", "deflate", "gzip, deflate", "utf-8"]))
def test_any_bytes_are_unpacked_or_refused(body: bytes, header: str | None) -> None:
    for said in (body, b"\x1f\x8b\x08" + body, b"{" + body):
        try:
            unpacked(said, header, 1000)
        except BadBody:
            continue
