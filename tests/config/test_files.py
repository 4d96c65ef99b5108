"""Which files are read, how they are read, and that every mistake in them is reported with its line."""

import configparser
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.config import ConfigurationMistakes, load
from worker.config.ini import parse

BASE = "[api]\nbase_url = https://api.example.com/rcm/eligibility/v1\n"


@contextmanager
def without_privileges() -> Iterator[Path]:
    """A folder anybody can read, and an effective user whom file modes hold back, also where the tests run as root."""
    user = os.geteuid()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        if user == 0:
            os.chown(folder, 65534, -1)
            os.seteuid(65534)
        try:
            yield folder
        finally:
            os.seteuid(user)


def ini(path: Path, text: str | bytes, mode: int = 0o644) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(mode)
    return str(path)


def mistakes(explicit: str | None, environ: dict[str, str]) -> list[str]:
    with pytest.raises(ConfigurationMistakes) as caught:
        load(explicit, environ)
    assert caught.value.exit_code == 78
    assert caught.value.hint
    assert caught.value.message == "\n".join(map(str, caught.value.mistakes))
    return caught.value.message.split("\n")


def test_the_places_are_searched_in_order(tmp_path: Path) -> None:
    named = ini(tmp_path / "named.ini", "[polling]\nburst = 1\n")
    by_variable = ini(tmp_path / "variable.ini", "[polling]\nburst = 2\n")
    ini(tmp_path / "xdg/cdpoll/cdpoll.ini", "[polling]\nburst = 3\n")
    ini(tmp_path / "home/.config/cdpoll/cdpoll.ini", "[polling]\nburst = 4\n")
    environ = {
        "HOME": str(tmp_path / "home"),
        "XDG_CONFIG_HOME": str(tmp_path / "xdg"),
        "CDPOLL_CONFIG": by_variable,
    }
    assert load(named, environ).polling.burst == 1
    assert load(None, environ).polling.burst == 2
    assert load(None, environ | {"CDPOLL_CONFIG": ""}).polling.burst == 3
    assert load(None, {"HOME": environ["HOME"]}).polling.burst == 4


def test_the_working_directory_is_never_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ini(tmp_path / "cdpoll/cdpoll.ini", "[polling]\nburst = 1\n")
    ini(tmp_path / "cdpoll.ini", "[polling]\nburst = 1\n")
    monkeypatch.chdir(tmp_path)
    (line,) = mistakes(None, {"XDG_CONFIG_HOME": "."})
    assert line.startswith("no configuration: looked at /etc/cdpoll/cdpoll.ini;")


def test_nothing_at_all_names_the_places_and_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationMistakes) as caught:
        load(None, {"XDG_CONFIG_HOME": str(tmp_path)})
    assert f"{tmp_path}/cdpoll/cdpoll.ini, then /etc/cdpoll/cdpoll.ini" in caught.value.message
    assert "cdpoll sandbox" in caught.value.hint


def test_a_named_file_must_be_there(tmp_path: Path) -> None:
    ini(tmp_path / "cdpoll/cdpoll.ini", BASE)
    environ = {"XDG_CONFIG_HOME": str(tmp_path), "CDPOLL_POLLING_BURST": "7"}
    gone = tmp_path / "gone.ini"
    expected = [f"{gone}: cannot be read (no such file or directory); put it there, or name another"]
    assert mistakes(str(gone), environ) == expected
    assert mistakes(None, environ | {"CDPOLL_CONFIG": str(gone)}) == expected
    assert mistakes(str(tmp_path), environ) == [f"{tmp_path}: cannot be read (is a directory); name the file itself"]


def test_a_file_that_may_not_be_read_is_not_passed_over() -> None:
    with without_privileges() as folder:
        ini(folder / "cdpoll/cdpoll.ini", BASE, mode=0)
        (line,) = mistakes(None, {"XDG_CONFIG_HOME": str(folder), "CDPOLL_POLLING_BURST": "7"})
        assert line.startswith(f"{folder}/cdpoll/cdpoll.ini: cannot be read (permission denied); {folder}")
        assert " with mode 0000, and this process runs as " in line
        assert line.endswith(": let this user read it")


def test_a_folder_that_may_not_be_entered_is_named() -> None:
    with without_privileges() as folder:
        ini(folder / "cdpoll/cdpoll.ini", BASE)
        folder.joinpath("cdpoll").chmod(0)
        (line,) = mistakes(None, {"XDG_CONFIG_HOME": str(folder)})
        assert f"{folder}/cdpoll/cdpoll.ini (Permission denied), then " in line
        folder.joinpath("cdpoll").chmod(0o700)


def test_the_environment_alone_is_enough() -> None:
    config = load(None, {"CDPOLL_API_BASE_URL": "https://h.example/x", "CDPOLL_POLLING_BURST": " 9 "})
    assert config.api is not None
    assert config.api.base_url == "https://h.example/x"
    assert config.polling.burst == 9
    assert config.source is None
    assert config.files == ()
    assert str(config.places["polling", "burst"]) == "environment variable CDPOLL_POLLING_BURST"


def test_later_overrides_earlier(tmp_path: Path) -> None:
    main = ini(tmp_path / "main.ini", "[polling]\nburst = 1\nmax_in_flight = 1\nmax_interval = 1h\nalert_after = 1h\n")
    ini(tmp_path / "conf.d/10.ini", "[polling]\nmax_in_flight = 2\nmax_interval = 2h\nalert_after = 2h\n")
    ini(tmp_path / "conf.d/20.ini", "[polling]\nmax_interval = 3h\nalert_after = 3h\n")
    ini(tmp_path / "conf.d/.20.ini.swp.ini", "[polling]\nburst = 99\n")
    ini(tmp_path / "conf.d/30.ini.bak", "[polling]\nburst = 99\n")
    config = load(main, {"CDPOLL_POLLING_ALERT_AFTER": "4h", "CDPOLL_POLLING_BURST": ""})
    polling = config.polling
    hour = 3_600_000
    assert (polling.burst, polling.max_in_flight) == (1, 2)
    assert (polling.max_interval_ms, polling.alert_after_ms) == (3 * hour, 4 * hour)
    assert config.source == tmp_path / "main.ini"
    assert config.files == (tmp_path / "main.ini", tmp_path / "conf.d/10.ini", tmp_path / "conf.d/20.ini")
    assert str(config.places["polling", "burst"]) == f"{main}:2"
    assert str(config.places["polling", "max_interval"]) == f"{tmp_path}/conf.d/20.ini:2"
    assert str(config.places["polling", "cadence"]) == "default"


def test_a_relative_file_name_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ini(tmp_path / "a.ini", BASE)
    monkeypatch.chdir(tmp_path)
    assert load("a.ini", {}).source == tmp_path / "a.ini"


def test_all_mistakes_come_at_once_in_order(tmp_path: Path) -> None:
    main = ini(
        tmp_path / "main.ini",
        b"stray = 1\n"
        b"[api]\n"
        b"base_url = https://h.example/v1\n"
        b"timout = 5s\n"
        b"burst = 5\n"
        b"timeout = 3m\n"
        b"timeout = 4s\n"
        b"; caf\xe9\n"
        b"[pollling]\n"
        b"burst = what\n"
        b"[log\n"
        b"level = what\n"
        b"[store]\n"
        b"just words\n"
        b"= 5\n"
        b"path =\n"
        b"[api]\n"
        b"scope =\xc2\xa0x\n"
        b"[polling]\n"
        b"schedule = learnt\n"
        b"burst = 5 # the default\n",
    )
    sections = (
        "alert, api, backfill, callback, deliver.NAME, doctor, local, log, polling, retention, sftp, spool, store, "
        "support"
    )
    other = ini(tmp_path / "conf.d/x.ini", "[log]\nlevel = loud\n[DEFAULT]\nburst = 1\n[xyz]\n")
    environ = {
        "CDPOLL_POLLING_BURTS": "5",
        "CDPOLL_NOTHING_LIKE_IT_WAS_EVER_SEEN": "",
        "CDPOLL_POLLING_MAX_INTERVAL": "6 hours",
    }
    assert mistakes(main, environ) == [
        f"{main}:1: a setting before the first section; write its [section] line above it",
        f"{main}:4: [api] timout: unknown key; did you mean timeout?",
        f"{main}:5: [api] burst: unknown key here; it belongs into [polling]",
        f'{main}:6: [api] timeout: "3m" is out of range; write 1s to 110s',
        f"{main}:7: [api] timeout: set in line 6 already; write it once",
        f"{main}:8: [api]: not UTF-8 text; save the file as UTF-8",
        f"{main}:9: [pollling]: unknown section; did you mean polling?",
        f"{main}:11: not a section line; write [section] alone on its line",
        f"{main}:14: [store]: neither a [section] nor a setting; write key = value",
        f"{main}:15: [store]: neither a [section] nor a setting; write key = value",
        f"{main}:16: [store] path: empty; write a value, or leave the line out",
        f"{main}:17: [api]: the section began in line 2 already; write it once",
        f"{main}:18: [api]: holds the invisible character U+00A0; write plain characters and blanks",
        f'{main}:20: [polling] schedule: "learnt" is not known here; did you mean learned?',
        f"{main}:21: [polling] burst: a comment after the value; write comments on lines of their own",
        f'{other}:2: [log] level: "loud" is not known here; write one of debug, error, info, warning',
        f"{other}:3: unknown section; write one of {sections}",
        f"{other}:5: unknown section; write one of {sections}",
        "environment variable CDPOLL_POLLING_MAX_INTERVAL: [polling] max_interval: "
        '"6 hours" is not a duration; write a number with a unit, as in 30s, 5m or 6h',
        "environment variable CDPOLL_…: sets no known key; unset it (`env | grep -o ^CDPOLL_[^=]*` lists the names)",
        "environment variable CDPOLL_POLLING_BURTS: sets no known key; did you mean CDPOLL_POLLING_BURST?",
    ]


def test_a_wrong_value_is_reported_though_another_overrides_it(tmp_path: Path) -> None:
    main = ini(tmp_path / "main.ini", "[polling]\nburst = many\n")
    ini(tmp_path / "conf.d/x.ini", "[polling]\nburst = 3\n")
    assert [line.split(":")[1] for line in mistakes(main, {})] == ["2"]


@pytest.mark.parametrize("data", ["[api]\n".encode("utf-16"), b"[api]\nx\0y = 5\n\0\0"])
def test_a_file_that_is_no_text_is_one_mistake(tmp_path: Path, data: bytes) -> None:
    (line,) = mistakes(ini(tmp_path / "x.ini", data), {})
    assert line.endswith("not a text file; save it as UTF-8 text")


def test_a_file_that_is_far_too_large_is_one_mistake(tmp_path: Path) -> None:
    (line,) = mistakes(ini(tmp_path / "x.ini", b"# filler\n" * 200_000), {})
    assert line.endswith("larger than 1 MiB; is it the right file?")


def test_a_broken_line_is_never_repeated(tmp_path: Path) -> None:
    path = ini(
        tmp_path / "x.ini",
        BASE + "client_secret = hunter2-first-half\n  hunter2-second-half\nhunter2/third+half==\nhunter2 fourth\n",
        mode=0o600,
    )
    lines = mistakes(path, {})
    assert len(lines) == 3
    assert "hunter2" not in "\n".join(lines)


def test_byte_order_mark_carriage_returns_indentation_and_capitals_are_no_mistakes(tmp_path: Path) -> None:
    path = ini(tmp_path / "x.ini", b"\xef\xbb\xbf[polling]\r\n  Burst = 3\r\n  max_in_flight: 2\r\n")
    polling = load(path, {}).polling
    assert (polling.burst, polling.max_in_flight) == (3, 2)


NAME = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
VALUE = st.from_regex(r"[!-~]([ -~]{0,20}[!-~])?", fullmatch=True).filter(lambda v: v[0] not in "#;[=:")
BODY = st.dictionaries(NAME, st.dictionaries(NAME, st.lists(VALUE, min_size=1, max_size=3), max_size=4), max_size=4)


@given(BODY, st.sampled_from(["=", " = ", ": ", ":"]), st.sampled_from(["", "  ", "\t"]), st.booleans())
def test_what_is_well_formed_reads_as_with_the_standard_parser(
    body: dict[str, dict[str, list[str]]], delimiter: str, indent: str, comments: bool
) -> None:
    text = ""
    for section, keys in body.items():
        text += f"[{section}]\n" + "# a comment = 1\n" * comments
        for key, values in keys.items():
            text += f"{indent}{key}{delimiter}" + f"\n{indent}   ".join(values) + "\n" + "\n; another\n" * comments
    standard = configparser.ConfigParser(interpolation=None, default_section="\0", empty_lines_in_values=False)
    standard.read_string(text)
    ours = parse(text.encode(), Path("x"), private=False)
    assert not ours.mistakes
    assert [name for name, _ in ours.headings] == standard.sections()
    assert [(e.section, e.key, e.text) for e in ours.entries] == [
        (section, key, value) for section in standard.sections() for key, value in standard[section].items()
    ]
    lines = text.split("\n")
    for entry in ours.entries:
        assert entry.place.line is not None
        assert lines[entry.place.line - 1].strip().startswith(entry.key)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_without_a_crash(data: bytes) -> None:
    parse(data, Path("x"), private=False)


@given(st.text(st.sampled_from("[]=:#; \t\nab{}\u00a0"), max_size=60))
def test_any_lines_are_read_without_a_crash_and_none_is_lost(text: str) -> None:
    read = parse(text.encode(), Path("x"), private=False)
    seen = {place.line for _, place in read.headings} | {e.place.line for e in read.entries}
    seen |= {m.place.line for m in read.mistakes}
    content = [n for n, line in enumerate(text.split("\n"), 1) if line.strip() and line.strip()[0] not in "#;"]
    if content:
        assert content[0] in seen  # the first line cannot be a continuation, so it must have become something
