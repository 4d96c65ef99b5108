"""``cdpoll callback-secret``: where the secret goes, what is printed, and what is not."""

import json
import os
import stat
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.support.cdpoll_process import House
from tests.support.users import User, call_as, let_all_run

SECRET = r"[0-9a-f]{64}"


@pytest.fixture
def house(tmp_path: Path) -> House:
    """The configuration names a file for both secrets; neither is there."""
    made = House(tmp_path)
    named = {"client_secret": "pair/secret", "previous_secret": "pair/former"}
    (tmp_path / "pair").mkdir()
    made.write(
        callback_client_id="cdpoll-hospital",
        callback_public_url="https://callbacks.example.com/optum",
        **{f"callback_{key}": f"{{file {tmp_path / path}}}" for key, path in named.items()},
    )
    return made


def held(house: House, name: str) -> str | None:
    path = house.folder / "pair" / name
    return path.read_text().strip() if path.exists() else None


def told(house: House, *args: str) -> Any:
    return house.cdpoll("callback-secret", "--json", *args, check=0).json


def test_the_first_secret_goes_into_the_file_that_the_configuration_names(house: House) -> None:
    ended = house.cdpoll("callback-secret", check=0)
    secret = held(house, "secret")
    assert secret
    assert stat.S_IMODE((house.folder / "pair/secret").stat().st_mode) == 0o600
    assert secret not in ended.text + ended.err
    for line in (
        "token URL      https://callbacks.example.com/optum/oauth2/token",
        "callback URL   https://callbacks.example.com/optum/coverage-discovery/callback",
        "client id      cdpoll-hospital",
    ):
        assert line in ended.text
    assert "In the configuration" not in ended.text
    assert "systemctl reload cdpoll-callback" in ended.text


def test_a_secret_that_is_there_is_not_replaced(house: House) -> None:
    first = told(house)
    secret = held(house, "secret")
    refused = house.cdpoll("callback-secret", check=65)
    assert "--rotate changes it" in refused.err
    assert held(house, "secret") == secret
    assert first["secret"] is None


def test_a_change_keeps_the_former_one_until_it_is_retired(house: House) -> None:
    assert told(house, "--show")["secret"] == held(house, "secret")
    first = held(house, "secret")
    changed = told(house, "--rotate")
    assert (held(house, "former"), changed["previous_file"]) == (first, str(house.folder / "pair/former"))
    assert held(house, "secret") != first
    assert house.cdpoll("callback-secret", "--rotate", check=65).err.endswith("cdpoll callback-secret --retire\n")
    assert told(house, "--retire")["previous_file"] is None
    assert held(house, "former") is None
    assert "no former secret" in house.cdpoll("callback-secret", "--retire", check=65).err


def test_it_is_shown_where_that_is_asked_for(house: House) -> None:
    told(house)
    secret = held(house, "secret")
    assert secret
    shown = house.cdpoll("callback-secret", "--show", check=0)
    assert f"client secret  {secret}" in shown.text
    assert secret not in house.cdpoll("callback-secret", "--rotate", check=0).text
    assert secret != held(house, "secret")


def test_what_the_configuration_lacks_is_told(house: House) -> None:
    house.write(callback_client_id="", callback_previous_secret="", callback_client_secret="")
    path = house.folder / "elsewhere"
    made = told(house, "--write", str(path))
    client_id, reference = made["configuration"]
    assert client_id == f"client_id = {made['vendor']['client_id']}"
    assert reference == f"client_secret = {{file {path}}}"
    assert told(house, "--write", str(path), "--rotate")["configuration"] == [
        f"client_secret = {{file {path}}}",
        f"previous_secret = {{file {path}-before}}",
    ]
    assert "name the file with --write" in house.cdpoll("callback-secret", check=78).err


def test_a_credential_lies_beside_the_configuration_and_needs_a_restart(house: House) -> None:
    (house.folder / "credentials").mkdir(0o700)
    house.write(
        callback_client_secret="{credential callback-secret}",
        callback_previous_secret="{credential callback-secret-before}",
    )
    made = told(house)
    assert made["file"] == str(house.folder / "credentials/callback-secret")
    assert made["configuration"] == []
    assert made["next"][0].startswith("systemctl restart cdpoll-callback")
    assert told(house, "--rotate")["previous_file"] == str(house.folder / "credentials/callback-secret-before")
    house.write(callback_client_secret="", callback_previous_secret="")
    assert told(house, "--retire")["configuration"] == ["client_secret = {credential callback-secret}"]


def test_one_that_is_encrypted_is_not_replaced_by_a_plain_one(house: House) -> None:
    (house.folder / "credentials").mkdir(0o700)
    (house.folder / "credentials/callback-secret.cred").write_text("sealed")
    house.write(callback_client_secret="{credential callback-secret}")
    for args in ([], ["--show"], ["--rotate"]):
        ended = house.cdpoll("callback-secret", *args, check=65)
        assert "callback-secret.cred holds the secret, encrypted; nothing was changed" in ended.err
        assert "systemd-creds decrypt" in ended.err
    assert [one.name for one in (house.folder / "credentials").iterdir()] == ["callback-secret.cred"]


def test_it_needs_no_configuration(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.config.unlink()
    os.environ.pop("CDPOLL_CONFIG", None)
    refused = house.cdpoll("callback-secret", check=78).err
    assert str(house.config) in refused
    assert "--write" in refused
    made = house.cdpoll("callback-secret", "--write", str(tmp_path / "s"), "--json", check=0).json
    assert made["configuration"][1] == f"client_secret = {{file {tmp_path / 's'}}}"


@pytest.mark.parametrize(
    ("keys", "args", "code", "said"),
    [
        ({"client_secret": "{env SECRET_OF_OURS}"}, [], 78, "{env SECRET_OF_OURS} is not in a file"),
        ({"client_secret": "{credential x}"}, [], 78, "{credential x} is not in a file"),
        ({}, ["--rotate"], 65, "no secret that could be changed"),
        ({}, ["--rotate", "--retire"], 2, "exclude each other"),
        ({}, ["--write", "nowhere/secret"], 74, "make the folder first"),
        ({}, ["--write", "pair"], 74, "Is a directory"),
        ({"previous_secret": "{file pair/secret}"}, [], 78, "name the same file"),
    ],
)
def test_what_cannot_be_done_says_why_and_changes_nothing(
    house: House, keys: dict[str, str], args: list[str], code: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(house.folder)
    house.write(**{f"callback_{key}": text for key, text in keys.items()})
    ended = house.cdpoll("callback-secret", *args, check=code)
    assert said in ended.err
    assert list((house.folder / "pair").iterdir()) == []


def test_each_act_is_noted_without_the_secret(house: House) -> None:
    house.record("a")
    for args in ([], ["--show"], ["--rotate"], ["--retire", "--show"]):
        told(house, *args)
    assert house.rows("SELECT act, object FROM acts ORDER BY seq") == [
        ("made the callback secret", None),
        ("showed the callback secret", None),
        ("changed the callback secret", None),
        ("removed the former callback secret", None),
        ("showed the callback secret", None),
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root works as several users")
def test_the_secret_of_a_file_is_the_services_own(monkeypatch: pytest.MonkeyPatch) -> None:
    with TemporaryDirectory() as name:  # the folders of pytest are root's alone
        folder = Path(name)
        folder.chmod(0o755)
        let_all_run(folder, monkeypatch)
        house = House(folder)
        house.write(callback_client_secret=f"{{file {folder / 'of-callbacks'}}}", callback_client_id="c")
        house.config.chmod(0o644)
        house.database.parent.mkdir()
        os.chown(house.database.parent, 4711, 4712)
        told(house)
        found = (folder / "of-callbacks").stat()
        assert (found.st_uid, stat.S_IMODE(found.st_mode)) == (4711, 0o600)
        errors = folder / "errors"
        errors.touch()
        errors.chmod(0o666)
        assert call_as(User(4713, 4713), ["--config", str(house.config), "callback-secret", "--rotate"], errors) == 74
        assert "run this as root" in errors.read_text()


def test_the_json_is_one_object(house: House) -> None:
    assert json.loads(house.cdpoll("callback-secret", "--json", check=0).out).keys() == {
        *("did", "file", "previous_file", "secret", "configuration", "vendor", "next")
    }
