"""`cdpoll config check` finds what would stop the daemon, before it is started or told to reload."""

import os
from pathlib import Path
from typing import Any

import pytest

from sandbox.server import Sandbox
from sandbox.settings import config_text
from tests.support.cdpoll_process import Ended, House
from tests.support.frozen_clock import FrozenClock

VENDOR = "https://apigw.optum.com/rcm/eligibility/v1"


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def check(house: House, *options: str, credentials: str = "") -> Ended:
    """With the folder of credentials that systemd names, if any."""
    words = ("config", "check", *options)
    return house.cdpoll(*words, CREDENTIALS_DIRECTORY=credentials) if credentials else house.cdpoll(*words)


def mistakes(house: House, credentials: str = "") -> list[str]:
    """What is told as text, which is what is told as JSON."""
    plain = check(house, credentials=credentials)
    found: dict[str, Any] = check(house, "--json", credentials=credentials).json
    assert (found["ok"], plain.code) == ((False, 78) if found["mistakes"] else (True, 0))
    for one in found["mistakes"]:
        assert one["section"] is None or f"[{one['section']}]" in plain.err
        assert one["message"] in plain.err
    return [f"{one['line']} {one['key']}: {one['message']}" for one in found["mistakes"]]


def test_a_right_one_is_told_with_its_reader(house: House) -> None:
    ended = house.cdpoll("config", "check", check=0)
    assert ended.err == ""
    assert ended.text == f"the configuration is right, read as root: {house.config}\n"
    assert not house.database.exists()


def test_a_missing_id_and_secret(house: House) -> None:
    house.write(api_client_id="", api_client_secret="")
    first, second = mistakes(house)
    assert first == "1 None: client_id is missing; write it under [api], as in client_id = your-client-id"
    assert second.startswith("1 None: client_secret is missing; ")


def test_neither_an_api_nor_a_drop(house: House) -> None:
    """Such a machine records, and reads files. Where a daemon is expected, it would not start."""
    house.write(**{key: "" for key in house.values if key.startswith("api_")})
    only = "[api] is missing: this installation can record, and read files that are named, but not poll"
    ended = check(house)
    assert ended.code == 78
    assert ended.err.startswith(f"cdpoll: {house.config}: {only}; write [api], or [sftp] to fetch files; where no ")
    house.write(store_runs="once")
    ended = check(house)
    assert (ended.code, ended.err) == (0, f"warning: {house.config}: {only}\n")
    assert check(house, "--json").json["warnings"][0]["message"] == only


def test_callbacks_alone(house: House, tmp_path: Path) -> None:
    (secret := tmp_path / "callback-secret").write_text("of-the-callbacks")
    alone = {key: "" for key in house.values if key.startswith("api_")}
    house.write(**alone, callback_client_id="vendor", callback_client_secret=f"{{file {secret}}}")
    assert check(house).err == ""
    assert mistakes(house) == []
    secret.write_text("")
    (found,) = mistakes(house)
    assert "client_secret: " in found
    assert "is empty" in found
    house.write(**alone, callback_client_id="", callback_client_secret="", callback_public_url="https://c.example.com")
    (first, _second) = check(house, "--json").json["warnings"]
    assert first["message"].startswith("client_id is missing, so no callback is let in; ")


def test_a_mistake_of_writing_hides_none_that_is_found_by_trying(house: House, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    house.write(
        api_timeout="200s",
        api_proxy="proxy:8080",
        api_client_secret="{file /tmp}",
        api_ca_file=str(tmp_path / "ca.pem"),
        sftp_username="u",
        sftp_include="*.x12",
        sftp_settle="soon",
        sftp_key_file="/nonexist/key",
        polling_cadence="soon",
        polling_min_interval="1h",
        polling_max_interval="5m",
        store_path="/nonexist/dir/c.db",
    )
    found = {line.partition(":")[0].split()[1] for line in mistakes(house)}
    assert found == {
        "timeout", "proxy", "cadence", "min_interval", "None", "settle", "client_secret", "ca_file", "key_file", "path"
    }  # fmt: skip
    house.write(sftp_host="sftp.example.com", sftp_known_hosts="/nonexist/hosts")
    assert "known_hosts" in [line.partition(":")[0].split()[1] for line in mistakes(house)]


def test_what_stands_under_a_misspelt_heading_is_not_missing(house: House) -> None:
    text = house.config.read_text()
    house.config.write_text(text.replace("[api]", "[apii]"))
    assert [line.partition(";")[0] for line in mistakes(house)] == ["1 None: unknown section"]


def test_a_file_that_cannot_be_read_may_hold_what_is_missing(house: House, tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "x.ini").write_bytes("[api]\nclient_id = c\n".encode("utf-16"))
    house.write(api_client_id="", store_path="/nonexist/dir/c.db", api_client_secret="{file /tmp}")
    assert [line.partition(":")[0] for line in mistakes(house)] == ["1 None", "3 client_secret"]


def test_every_line_says_who_speaks_and_where(house: House) -> None:
    house.write(api_client_id="", api_timeout="soon", store_path="/nonexist/dir/c.db")
    *lines, hint = check(house).err.splitlines()
    assert [line.startswith(f"cdpoll: {house.config}:") for line in lines] == [True] * 3
    assert hint == "        read as root; `cdpoll config example` explains every key"
    assert "#[sftp]" in house.cdpoll("config", "example", check=0).text


@pytest.mark.parametrize("path", ["/nonexist/dir/cdpoll.db", "/nonexist/a/b/cdpoll.db", "/proc/cdpoll.db"])
def test_a_database_that_cannot_be_made(house: House, path: str) -> None:
    house.write(store_path=path)
    (line,) = mistakes(house)
    assert "path: the database cannot be made: " in line
    assert f"{Path(path).parent if path.startswith('/proc') else Path(path).parent.parent}" in line
    assert house.cdpoll("record", "a").code == 74


def test_trying_leaves_nothing_behind(house: House, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    check(house)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_secret_that_cannot_be_used(house: House) -> None:
    house.write(api_client_secret=f"{{file {house.folder}/gone}}", api_proxy="{env CDPOLL_X}", api_base_url=VENDOR)
    gone, proxy = mistakes(house)
    assert gone.startswith(f"4 client_secret: {house.folder}/gone cannot be used: no such file or directory; put the ")
    assert proxy.startswith("6 proxy: the environment variable CDPOLL_X is not set; ")
    (house.folder / "gone").write_text("hunter2\nhunter3\n")
    assert "hunter" not in house.cdpoll("config", "check", "--json").text


@pytest.mark.parametrize("folder", ["", "/nonexistent"])
def test_a_credential_cannot_be_checked_where_the_service_does_not_run(house: House, folder: str) -> None:
    """Nor in the commands of ExecReload=: systemd sets the variable there, and shows them no such folder."""
    house.write(api_client_secret="{credential client_secret}")
    ended = check(house, credentials=folder)
    assert ended.err.startswith(f"note: cannot be checked here, only where the service runs: {house.config}:4: [api] ")
    found = check(house, "--json", credentials=folder).json
    assert [one["key"] for one in found["unchecked"]] == ["client_secret"]
    (house.folder / "credentials").mkdir()
    (line,) = mistakes(house, str(house.folder / "credentials"))
    assert "credentials/client_secret cannot be used: no such file or directory; see LoadCredential=" in line


def test_a_file_of_certificates_that_is_none(house: House) -> None:
    house.write(api_ca_file=str(house.folder / "ca.pem"))
    assert "ca.pem: no such file or directory; name a PEM file that this user can read" in mistakes(house)[0]
    (house.folder / "ca.pem").write_text("no certificate")
    assert "ca.pem: holds no PEM certificate" in mistakes(house)[0]


def test_the_files_of_the_drop(house: House) -> None:
    house.write(
        sftp_host="sftp.example.com",
        sftp_username="u",
        sftp_include="*.x12",
        sftp_key_file=str(house.folder / "key"),
        sftp_known_hosts=str(house.folder / "known_hosts"),
    )
    (house.folder / "key").write_text("no key")
    key, hosts = mistakes(house)
    assert "is not a private key; name the file that ssh-keygen made" in key
    assert "known_hosts cannot be read (no such file or directory); fill it with: ssh-keyscan" in hosts


def test_the_database_of_another_origin(house: House) -> None:
    house.record("a")
    house.write(api_base_url=VENDOR)
    (line,) = mistakes(house)
    assert line.startswith(f"2 base_url: the database {house.database} belongs to http://127.0.0.1:9, and")


def test_a_database_that_cannot_be_used(house: House) -> None:
    house.record("a")
    house.database.write_bytes(b"")
    (line,) = mistakes(house)
    assert f"path: {house.database}" in line
    assert "restore" in line


def test_the_misprinted_host_gets_no_secret(house: House) -> None:
    for host, right in (("apigw", "apigw.optum.com"), ("sandbox-apigw", "sandbox-apigw.optum.com")):
        house.write(api_base_url=f"https://{host}-optum.com/rcm/eligibility/v1")
        assert mistakes(house) == [
            f"2 base_url: {host}-optum.com is a misprint of a page of the vendor's; the host is {right}"
        ]
        assert right in house.cdpoll("run", "--once", check=78).err
    house.write(api_base_url=VENDOR, api_token_url="https://apigw-optum.com/t")
    assert mistakes(house)[0].startswith("6 token_url: apigw-optum.com is a misprint")


@pytest.mark.parametrize("prefix", ["/medicalnetwork/eligibility/v3", "", "/rcm/eligibility/v1/coverage-discovery"])
def test_a_prefix_that_is_not_this_apis(house: House, prefix: str) -> None:
    house.write(api_base_url=f"https://apigw.optum.com{prefix}")
    (line,) = mistakes(house)
    assert line.startswith("2 base_url: the prefix is not that of Coverage Discovery; end it with /rcm/eligibility/v1")
    house.write(api_base_url=f"https://gateway.example.com{prefix}")
    warning = house.cdpoll("config", "check", check=0).err
    assert warning.startswith(f"warning: {house.config}:2: [api] base_url: ")
    assert "/rcm/eligibility/v1" in warning
    house.write(api_base_url="https://gateway.example.com/optum/rcm/eligibility/v1")
    assert house.cdpoll("config", "check", check=0).err == ""


def test_the_configuration_of_the_sandbox_is_silent(house: House) -> None:
    with Sandbox(FrozenClock()) as vendor:
        house.config.write_text(config_text(vendor, str(house.database), str(house.folder / "secret")))
    assert house.cdpoll("config", "check", check=0).err == ""


def test_only_root_reads_as_another(house: House) -> None:
    if os.geteuid() == 0:
        assert "there is no user nosuchuser" in house.cdpoll("config", "check", "--user", "nosuchuser", check=2).err
    else:
        assert "only root" in house.cdpoll("config", "check", "--user", "root", check=2).err
