"""What the doctor says of the callbacks: service, secret, certificate, and the way that the vendor takes."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.doctor.callback import Callbacks
from cli.doctor.configuration import as_handed
from cli.doctor.finding import Finding
from tests.cli.doctor.looking import Doctor, doctor
from tests.support.authority import Authority
from tests.support.callback_front import front
from tests.support.callback_world import SECRET
from tests.support.cdpoll_process import House, until
from tests.support.loopback import Certificate, closed_port
from tests.support.served import served
from worker.clock import Clock
from worker.config import Examined

CHECKS = ("service", "secret", "dns", "tcp", "token", "delivery")

Look = Callable[..., Doctor]
Finds = Callable[[], dict[str, Finding]]


@pytest.fixture
def house(tmp_path: Path) -> House:
    """Callbacks and nothing else; no daemon is expected."""
    made = House(tmp_path, None, api_base_url="", api_client_id="", api_client_secret="", api_timeout="")
    secret = tmp_path / "of-callbacks"
    secret.write_text(SECRET)
    secret.chmod(0o600)
    made.write(
        store_runs="once",
        callback_client_id="vendor",
        callback_client_secret=f"{{file {secret}}}",
        callback_previous_secret=f"{{file {tmp_path / 'former'}}}",
    )
    made.record("a")
    return made


@pytest.fixture
def look(house: House, tmp_path: Path) -> Look:
    """Programs of the names stand for those of systemd, which tests have none of."""
    folder = tmp_path / "bin"
    folder.mkdir()

    def looks(address: str = "", active: str = "inactive", wanted: str = "disabled", ntp: str = "yes") -> Doctor:
        told = f"ActiveState={active}\nUnitFileState={wanted}\nListen={address} (Stream)"
        said = f"case $* in *callback*) echo '{told}';; esac\n"
        for name, script in (("systemctl", said), ("timedatectl", f"echo NTPSynchronized={ntp}\n")):
            (folder / name).write_text(f"#!/bin/sh\n{script}")
            (folder / name).chmod(0o755)
        return doctor(house, PATH=f"{folder}:{os.environ['PATH']}")

    return looks


@pytest.fixture
def finds(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Finds:
    """What is found of callbacks alone, in this process, where no systemd answers."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def found() -> dict[str, Finding]:
        def read() -> Examined:
            return as_handed(str(house.config), {}, tmp_path)

        config = read().config
        assert config is not None
        return {one.check: one for one in Callbacks(config, read, Clock()).checks()}

    return found


def of_callbacks(found: Doctor) -> dict[str, str]:
    """The level of each line about them."""
    return {
        one["check"].removeprefix("callback_"): one["level"] for one in found.findings if "callback_" in one["check"]
    }


def test_both_endpoints_are_tried_through_their_public_address(house: House, look: Look) -> None:
    with served(house, what="callback") as process:
        until(lambda: b"Booting worker" in process.log.read_bytes(), "a worker process", process.process)
        house.write(callback_public_url=process.url)
        before = house.rows("SELECT (SELECT count(*) FROM tasks), (SELECT count(*) FROM bodies)")
        found = look(f"127.0.0.1:{process.port}", "active", "enabled")
        assert found.failed == set()
        # It is this machine, and no name.
        assert of_callbacks(found) == {**dict.fromkeys(CHECKS, "OK"), "dns": "WARN"}
        assert found.one("clock")["level"] == "OK"
        assert house.rows("SELECT (SELECT count(*) FROM tasks), (SELECT count(*) FROM bodies)") == before
    assert SECRET not in str(found.picture)


@pytest.mark.parametrize(
    ("state", "level", "words", "cure"),
    [
        (("active", "enabled"), "OK", "the endpoints answer at", ""),
        (("active", "disabled"), "WARN", "not after a restart", "systemctl enable --now cdpoll-callback.socket"),
        (("inactive", "enabled"), "FAIL", "does not listen", "systemctl start cdpoll-callback.socket"),
        (("inactive", "disabled"), "WARN", "systemd does not start them again", "systemctl enable --now"),
    ],
)
def test_the_service(look: Look, house: House, state: tuple[str, str], level: str, words: str, cure: str) -> None:
    (house.folder / "front").mkdir()
    with front(house.folder / "front") as ours:
        address = ours.url.partition("//")[2]
        house.write(callback_listen=address)
        found = look(address, *state).one("callback_service")
    assert (found["level"], words in found["words"]) == (level, True), found
    assert cure in (found["cure"] or "")


def test_a_service_that_does_not_answer(house: House, look: Look) -> None:
    with closed_port() as url:
        address = url.partition("//")[2]
        house.write(callback_listen=address)
        stuck, missing = look(address, "active", "enabled"), look(address)
    assert "do not answer there" in stuck.one("callback_service")["words"]
    assert "journalctl -u cdpoll-callback" in stuck.one("callback_service")["cure"]
    assert "nothing answers at" in missing.one("callback_service")["words"]
    assert {"callback_service"} == stuck.failed == missing.failed


def test_a_secret_that_cannot_be_read(house: House, finds: Finds) -> None:
    (house.folder / "former").write_text("the-former")
    assert "is let in too" in finds()["callback_secret"].words
    with closed_port() as url:
        house.write(callback_public_url=url, callback_client_secret="{file nowhere}")
        found = finds()
    assert found["callback_secret"].level == "FAIL"
    assert all(found[check].words.startswith("not checked") for check in ("callback_token", "callback_delivery"))
    house.write(callback_client_secret="{credential callback-secret}")
    assert "systemd hands it to cdpoll-callback.service" in finds()["callback_secret"].words
    house.write(callback_client_secret="", callback_previous_secret="")
    assert "callback-secret` makes it" in finds()["callback_secret"].cure


def test_the_credentials_are_those_of_the_service(house: House, tmp_path: Path) -> None:
    house.write(callback_client_secret="{credential callback-secret}")
    handed = tmp_path / "handed" / "cdpoll-callback.service"
    handed.mkdir(parents=True)
    (handed / "callback-secret").write_text(SECRET)
    config = as_handed(str(house.config), {}, handed.parent).config
    assert config is not None
    assert config.callback is not None
    assert config.callback.client_secret.reveal() == SECRET


def test_without_a_public_address_that_is_said(finds: Finds) -> None:
    found = finds()["callback_public"]
    assert (found.level, found.words.startswith("not checked")) == ("WARN", True)
    assert "write there" in found.cure


def test_what_fails_on_the_way(house: House, finds: Finds) -> None:
    with closed_port() as url:
        house.write(callback_public_url=url)
        found = finds()
    assert found["callback_tcp"].level == "FAIL"
    assert found["callback_tcp"].cure.endswith("run `cdpoll callback-check` elsewhere")
    for check in ("callback_tls", "callback_token", "callback_delivery"):
        assert found[check].words.startswith("not checked")
    house.write(callback_public_url="https://no-such-name.invalid")
    assert finds()["callback_dns"].level == "FAIL"


def test_certificate_and_key(house: House, finds: Finds, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    good, other = authority.certificate("good"), authority.certificate("other")
    for made, level, words in [
        (good, "OK", "fit, and expire in"),
        (Certificate(good.cert, other.key), "FAIL", "is not the key of"),
        (authority.certificate("soon", days=(-1, 20)), "WARN", "expire in"),
        (authority.certificate("over", days=(-9, -1)), "FAIL", "has expired"),
        (Certificate(tmp_path / "nowhere.pem", good.key), "FAIL", "no such file"),
    ]:
        house.write(callback_tls_certificate=str(made.cert), callback_tls_key=str(made.key))
        found = finds()["callback_certificate"]
        assert (found.level, words in found.words) == (level, True), found


def test_a_clock_that_no_one_keeps(look: Look) -> None:
    found = look(ntp="no").one("clock")
    assert (found["level"], "timedatectl" in found["cure"]) == ("WARN", True)
    assert look(ntp="").one("clock")["words"].startswith("it is not kept")


def test_without_callbacks_nothing_is_told_of_them(house: House, look: Look) -> None:
    house.write(**{key: "" for key in house.values if key.startswith("callback_")})
    assert of_callbacks(look()) == {}
