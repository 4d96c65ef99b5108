"""Answers that other machines on the way have bent: what means the same is read, and nothing else is."""

import gzip
import json
import zlib
from pathlib import Path

import pytest

from tests.support.authority import Authority
from tests.support.cdpoll_process import House
from tests.support.loopback import Asked, Serve, always, answer, head
from tests.support.scripted_vendor import ScriptedVendor, found


def body(asked: Asked, status: str = "success") -> bytes:
    return json.dumps({"id": asked.id, "status": status}).encode()


def chunked(said: bytes, *headers: str) -> bytes:
    return head(200, *headers) + b"%x\r\n%s\r\n0\r\n\r\n" % (len(said), said)


CHUNKED = "Transfer-Encoding: chunked"
READ = {
    "chunked twice": lambda asked: chunked(body(asked), CHUNKED, CHUNKED),
    "a line without a colon": lambda asked: answer(200, body(asked), "garbage", "X y: z", "caf\u00e9: x"),
    "a character set as its coding": lambda asked: answer(200, body(asked), "Content-Encoding: UTF-8"),
    "two gzip members": lambda asked: answer(
        200, gzip.compress(body(asked)[:5]) + gzip.compress(body(asked)[5:]), "Content-Encoding: gzip"
    ),
    "raw deflate": lambda asked: answer(200, zlib.compress(body(asked), wbits=-15), "Content-Encoding: deflate"),
    "a BOM": lambda asked: answer(200, b"\xef\xbb\xbf" + body(asked)),
    "UTF-16": lambda asked: answer(200, body(asked).decode().encode("utf-16")),
    "a status in capitals": lambda asked: answer(200, body(asked, " SUCCESS ")),
    "more than was asked for": lambda asked: answer(200, body(asked)) + answer(200, b'{"id": "id-2"}'),
}


@pytest.mark.parametrize("kind", READ)
def test_what_means_the_same_is_read(tmp_path: Path, scripted: ScriptedVendor, kind: str) -> None:
    scripted.say = lambda asked, peer: READ[kind](asked)
    house = House(tmp_path, **scripted.keys())
    house.record("id-1", "id-2", "id-3")
    house.cdpoll("run", "--until-idle", check=0)
    assert house.status()["tasks"]["concluded"] == 3
    assert [len(json.loads(house.cdpoll("show", f"id-{n}", "--json").out)["paths"]) for n in (1, 2, 3)] == [0, 0, 0]
    assert house.problems() == {}


def test_a_refused_proxy_login_is_named_and_tried_once(tmp_path: Path, serve: Serve) -> None:
    proxy = serve(always(answer(407, b"", 'Proxy-Authenticate: Basic realm="office"')))
    house = House(tmp_path, api_base_url="https://vendor.test/v1", api_proxy=proxy.url)
    house.record("id-1", "id-2", "id-3", "id-4")
    house.rows("UPDATE tasks SET due_at = 1")
    house.cdpoll("run", "--once", check=77)
    assert [asked.method for asked in proxy.asked] == ["CONNECT"]
    assert "proxy refuses the login" in house.problems()["api_credentials"]


def test_a_failure_of_tls_is_named(tmp_path: Path) -> None:
    ours = Authority(tmp_path)
    vendor = ScriptedVendor(ours.certificate("expired", days=(-60, -30)).server())
    vendor.say = found
    with vendor.server:
        house = House(tmp_path, **vendor.keys(api_ca_file=str(ours.file)))
        house.record("id-1")
        house.rows("UPDATE tasks SET due_at = 1")
        house.cdpoll("run", "--once", check=69)
    assert "has expired" in house.problems()["api_unreachable"]
    assert vendor.server.asked == []


def test_an_unknown_status_keeps_its_body_for_a_person_and_waits_an_hour(
    tmp_path: Path, scripted: ScriptedVendor
) -> None:
    scripted.say = lambda asked, peer: answer(200, body(asked, "archived"))
    house = House(tmp_path, **scripted.keys())
    house.record("id-1")
    house.rows("UPDATE tasks SET due_at = 1")
    house.cdpoll("run", "--once", check=0)
    shown = house.cdpoll("show", "id-1", "--body", "--json", check=0).json
    assert (shown["state"], json.loads(shown["body"])["status"]) == ("pending", "archived")
    assert b'"archived"' in house.cdpoll("show", "id-1", "--body", check=0).out
    assert 3_600_000 <= house.value("SELECT due_at - last_poll_at FROM tasks") <= 4_500_000
    assert "unknown_status" in house.problems()

    scripted.say = found
    house.cdpoll("poll", "id-1", check=0)
    shown = house.cdpoll("show", "id-1", "--body", "--json", check=0).json
    assert (shown["state"], json.loads(shown["body"])["status"]) == ("concluded", "success")
