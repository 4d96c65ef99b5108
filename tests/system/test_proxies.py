"""The recipes for nginx and Caddy as they stand, but for addresses and certificates, before `cdpoll serve callback`."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.authority import Authority
from tests.support.cdpoll_process import DEADLINE, ROOT, House, until
from tests.support.rehearsing import free_port
from worker.store.opening import open_store

RECIPES = ROOT / "docs" / "proxies"
NAME = "callbacks.example.com"
TOKEN, CALLBACK = "/oauth2/token", "/coverage-discovery/callback"
LET_IN, KEPT_OUT = "127.0.0.5", "127.0.0.6"

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(shutil.which("nginx") is None or shutil.which("caddy") is None, reason="nginx and caddy"),
]


@dataclass(frozen=True, slots=True)
class Place:
    """What is put in the place of a recipe's addresses and paths."""

    folder: Path
    port: int
    behind: int
    certificate: Path
    key: Path

    def recipe(self, name: str) -> str:
        text = (RECIPES / name).read_text()
        for there, here in (
            ("127.0.0.1:9272", f"127.0.0.1:{self.behind}"),
            ("/etc/ssl/callbacks/fullchain.pem", self.certificate),
            ("/etc/ssl/callbacks/privkey.pem", self.key),
        ):
            assert there in text
            text = text.replace(there, str(here))
        return text

    def nginx(self) -> list[str]:
        recipe = self.recipe("nginx.conf").replace("listen 443 ssl", f"listen 127.0.0.1:{self.port} ssl")
        temp = "".join(
            f"{kind}_temp_path {self.folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        own = f"access_log {self.folder}/access.log;\n{temp}{recipe}"
        config = self.folder / "nginx.conf"
        begun = f"daemon off;\nuser root;\npid {self.folder}/pid;\nerror_log {self.folder}/error.log;\n"
        config.write_text(f"{begun}events {{}}\nhttp {{\n{own}}}\n")
        return ["nginx", "-e", f"{self.folder}/error.log", "-c", str(config)]

    def caddy(self) -> list[str]:
        recipe = self.recipe("Caddyfile").replace("{\n\tauto_https", "{\n\tadmin off\n\tauto_https", 1)
        config = self.folder / "Caddyfile"
        config.write_text(re.sub(rf"^{NAME} {{$", f"{NAME}:{self.port} {{", recipe, flags=re.MULTILINE))
        return ["caddy", "run", "--adapter", "caddyfile", "--config", str(config)]


class Proxied:
    """Asks by the proxy, as the vendor does. ``source``: the address that it asks from."""

    def __init__(self, place: Place, authority: Path) -> None:
        self.place, self._authority = place, authority

    def ask(self, path: str, *more: str, source: str = LET_IN) -> tuple[int, str]:
        """The status and the body of an answer; the status is 0 where there is none."""
        told = ["--cacert", str(self._authority), "--resolve", f"{NAME}:{self.place.port}:127.0.0.1"]
        wanted = ["--interface", source, "--max-time", str(DEADLINE), "-w", "\n%{http_code}"]
        url = f"https://{NAME}:{self.place.port}{path}"
        done = subprocess.run(["curl", "-sS", *told, *wanted, *more, url], capture_output=True, text=True)
        body, _, status = done.stdout.rpartition("\n")
        return int(status), body


@contextmanager
def running(folder: Path, name: str, line: list[str], **more: str) -> Iterator["subprocess.Popen[bytes]"]:
    with (folder / f"{name}.log").open("wb") as log:
        env = os.environ | {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)} | more
        process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(DEADLINE)


@pytest.fixture(params=[Place.nginx, Place.caddy], ids=["nginx", "caddy"])
def proxied(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Proxied]:
    begin: Callable[[Place], list[str]] = request.param
    authority = Authority(tmp_path)
    made = authority.certificate("proxy", NAME)
    place = Place(tmp_path, free_port(), free_port(), made.cert, made.key)
    (tmp_path / "callback-secret").write_text("secret-of-callbacks\n")
    house = House(
        tmp_path,
        callback_listen=f"127.0.0.1:{place.behind}",
        callback_client_id="vendor",
        callback_client_secret=f"{{file {tmp_path / 'callback-secret'}}}",
        callback_trusted_proxies="127.0.0.1",
        callback_allow=LET_IN,
    )
    house.database.parent.mkdir()
    open_store(house.database, create=True).close()
    found = Proxied(place, authority.file)
    with ExitStack() as stack:
        behind = stack.enter_context(running(tmp_path, "served", house.line("serve", "callback")))
        before = stack.enter_context(running(tmp_path, "proxy", begin(place)))
        until(lambda: found.ask("/nothing")[0] == 404, "an answer by the proxy", before)
        until(lambda: found.ask(CALLBACK, "-d", "x")[0] == 401, "an answer by cdpoll", behind)
        yield found


def test_the_vendor_delivers_by_it_and_no_one_else_does(proxied: Proxied, tmp_path: Path) -> None:
    given = ("-u", "vendor:secret-of-callbacks", "-d", "grant_type=client_credentials")
    status, told = proxied.ask(TOKEN, *given)
    assert status == 200
    bearer = ("-H", f"Authorization: Bearer {json.loads(told)['access_token']}", "-H", "Content-Type: application/json")
    assert proxied.ask(CALLBACK, *bearer, "-d", '{"id": "PLANTED-1", "status": "pending"}')[0] == 204

    # The true source counts, and not what a client writes of itself.
    for forged in ((), ("-H", f"X-Forwarded-For: {LET_IN}"), ("-H", f"X_Forwarded_For: {LET_IN}")):
        assert proxied.ask(TOKEN, *given, *forged, source=KEPT_OUT)[0] == 403

    # No other path is handed on.
    for path in ("/healthz", "/", "/oauth2/token/", "/oauth2/token/../../healthz", "/metrics"):
        assert proxied.ask(path, "--path-as-is")[0] in (400, 404), path

    # A body up to the limit is; a longer one is refused by the proxy, or by cdpoll.
    body = tmp_path / "body"
    for size, expected in ((25_000_000, 204), (27_000_000, 413)):
        body.write_bytes(b"PLANTED-2 ".ljust(size))
        assert proxied.ask(CALLBACK, *bearer, "--data-binary", f"@{body}")[0] == expected
        refused = ("-H", "Authorization: Bearer wrong", "--data-binary", f"@{body}")
        assert proxied.ask(CALLBACK, *refused)[0] in (401, expected)
    body.unlink()

    # Nothing of a body is in a log, or in a file of the proxy's.
    (tmp_path / "data").rename(tmp_path.with_suffix(".data"))
    holding = [path for path in tmp_path.rglob("*") if path.is_file() and b"PLANTED" in path.read_bytes()]
    assert holding == []
