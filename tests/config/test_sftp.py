"""The section [sftp]: what each key accepts and refuses, and what the keys mean together."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.config.test_files import ini, mistakes
from worker.config import Config, SftpSection, load
from worker.core import ssh
from worker.core.errors import BadConfiguration

ENOUGH = {"HOST": "sftp.example.com", "USERNAME": "me", "INCLUDE": "*271*", "KEY_FILE": "/x/key"}


def loaded(**keys: str) -> Config:
    return load(None, {f"CDPOLL_SFTP_{key.upper()}": text for key, text in (ENOUGH | keys).items()})


def section(**keys: str) -> SftpSection:
    return loaded(**keys).require_sftp()


def refused(**keys: str) -> str:
    (line,) = mistakes(None, {f"CDPOLL_SFTP_{key.upper()}": text for key, text in (ENOUGH | keys).items()})
    return line


def test_an_installation_may_have_nothing_else() -> None:
    config = loaded()
    assert config.api is None
    sftp = config.require_sftp()
    assert sftp.key_file == Path("/x/key")
    assert (sftp.port, sftp.known_hosts, sftp.drop) == (22, Path("/etc/cdpoll/known_hosts"), ".")
    assert (sftp.settle_ms, sftp.every_ms, sftp.after, sftp.move_to) == (30_000, 300_000, "leave", None)
    assert (sftp.include, sftp.exclude, sftp.algorithms) == (("*271*",), None, ssh.MODERN)
    assert not sftp.password
    assert not sftp.key_passphrase
    assert sftp.hold_test is False
    assert not config.warnings


def test_whether_tests_are_held_back() -> None:
    assert section(hold_test="Yes").hold_test is True
    assert section(hold_test="no").hold_test is False
    assert '"perhaps" is neither yes nor no; write one of them' in refused(hold_test="perhaps")


def test_whose_sets_are_taken() -> None:
    assert section().receiver is None
    assert section(receiver="CLINIC, 12345 OTHER").receiver == ("CLINIC", "12345", "OTHER")
    assert "names nothing; write your receiver ids" in refused(receiver=",")


def test_without_the_section_there_is_none() -> None:
    config = load(None, {"CDPOLL_LOG_LEVEL": "info"})
    assert config.sftp is None
    with pytest.raises(BadConfiguration, match=r"\[sftp\] is missing"):
        config.require_sftp()


def test_what_is_required_is_asked_for_at_once(tmp_path: Path) -> None:
    path = ini(tmp_path / "x.ini", "[log]\n\n[sftp]\nport = 23\n")
    found = mistakes(path, {})
    assert [line.partition(f"{path}:3: [sftp]: ")[2].partition(" is missing")[0] for line in found[:3]] == [
        "host",
        "username",
        "include",
    ]
    assert found[3] == f"{path}:3: [sftp]: key_file and password are both missing; write one of them, or both"


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("host", "SFTP.Example.com", "sftp.example.com"),
        ("host", "10.0.0.1", "10.0.0.1"),
        ("host", "::1", "::1"),
        ("host", "[2001:DB8::1]", "2001:db8::1"),
        ("port", "2222", 2222),
        ("drop", "/clearinghouse//outbound/", "/clearinghouse/outbound"),
        ("drop", "/", "/"),
        ("include", "*271*.x12, *271*.zip  A?[0-9]", ("*271*.x12", "*271*.zip", "A?[0-9]")),
        ("exclude", "*.tmp", ("*.tmp",)),
        ("after", "Delete", "delete"),
        ("move_to", "done/", "done"),
    ],
)
def test_accepted(key: str, text: str, value: object) -> None:
    assert getattr(section(**{key: text}), key) == value


@pytest.mark.parametrize(
    ("key", "text", "what"),
    [
        ("host", "sftp://h.example", "not a host name alone"),
        ("host", "me@h.example", "not a host name alone"),
        ("host", "h.example:22", "the port under port"),
        ("host", "127.1", "is not a host name or an address"),
        ("host", "a b", "is not a host name or an address"),
        ("port", "0", "1 to 65535"),
        ("username", "a b", "holds a blank"),
        ("include", ",", "names nothing"),
        ("include", "in/*.x12", "holds a slash"),
        ("drop", "/a/../b", "holds .."),
        ("settle", "30", "is not a duration"),
        ("every", "1s", "write 10s to 7d"),
        ("after", "deleted", "did you mean delete?"),
        ("after", "move", "move_to is missing"),
        ("move_to", ".", "the same folder as drop"),
        ("archive", ".", "the same folder as drop"),
        ("algorithms", "aes256-cbc", "has no sign"),
        ("algorithms", "+aes256-cbcc", "did you mean aes256-cbc?"),
        ("algorithms", "+ssh-rsa", "SHA-1"),
        ("algorithms", "-" + " -".join(ssh.MODERN.macs), "leaves nothing of macs"),
        ("password", "hunter2", "a secret is not taken from here as it is"),
    ],
)
def test_refused(key: str, text: str, what: str) -> None:
    line = refused(**{key: text})
    assert what in line
    assert f"[sftp] {key}: " in line
    assert "hunter2" not in line


def test_a_passphrase_needs_its_key() -> None:
    keys = {f"CDPOLL_SFTP_{key}": text for key, text in ENOUGH.items() if key != "KEY_FILE"}
    keys |= {"CDPOLL_SFTP_KEY_PASSPHRASE": "{env A}", "CDPOLL_SFTP_PASSWORD": "{env B}"}
    (line,) = mistakes(None, keys)
    assert "it belongs to a key" in line
    del keys["CDPOLL_SFTP_KEY_PASSPHRASE"]
    assert load(None, keys).require_sftp().key_file is None


@pytest.mark.parametrize("include", ["*", "*271* **"])
def test_taking_everything_is_a_doubt(include: str) -> None:
    (warning,) = loaded(include=include).warnings
    assert (warning.section, warning.key) == ("sftp", "include")
    assert not loaded(include=include, exclude="*.999").warnings


def test_a_literal_password_in_a_private_file_is_a_doubt(tmp_path: Path) -> None:
    text = "[sftp]\nhost = h.example\nusername = me\ninclude = a*\npassword = hunter2\n"
    config = load(ini(tmp_path / "x.ini", text, 0o600), {})
    assert [(warning.section, warning.key) for warning in config.warnings] == [("sftp", "password")]
    assert "hunter2" not in str(config.warnings) + repr(config)
    assert config.require_sftp().password.reveal() == "hunter2"
    assert "chmod 600" in mistakes(ini(tmp_path / "y.ini", text, 0o644), {})[0]


@given(st.lists(st.tuples(st.sampled_from("+-"), st.sampled_from(sorted(ssh.NAMES))), max_size=6))
def test_algorithms_read_back_as_they_are_shown(changes: list[tuple[str, str]]) -> None:
    try:
        chosen = ssh.changed(tuple(sign + name for sign, name in changes))
    except ValueError:
        return  # everything of a kind was taken away
    assert ssh.changed(tuple(ssh.words_of(chosen).split())) == chosen


def test_what_was_added_comes_last_and_what_was_taken_is_gone() -> None:
    chosen = section(algorithms="+aes256-cbc, -aes128-ctr").algorithms
    assert chosen.ciphers == (*(name for name in ssh.MODERN.ciphers if name != "aes128-ctr"), "aes256-cbc")
    assert chosen.kex == ssh.MODERN.kex
