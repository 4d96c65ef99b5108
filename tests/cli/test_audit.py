"""What is done by hand, and each reading of patient data for machines, stands in the table ``acts`` and the journal."""

import os
import pwd
import re
import sqlite3
import syslog
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import get_args
from unittest.mock import ANY

import click
import pytest

from cli import journal
from cli.main import call, cli
from cli.who import who
from tests.support.cdpoll_process import ROOT, House
from tests.support.database import DONE, NOW, conclude
from tests.support.scripted_way import REFUSED, Delivering, ScriptedWay, answering
from tests.support.x12_samples import a_file, a_set
from worker.store.opening import SCHEMA_VERSION, open_store
from worker.store.state.acts import Action

REF = "REF-OF-A-PATIENT"
BROKEN = "CREATE TRIGGER broken BEFORE INSERT ON acts BEGIN SELECT raise(ABORT, 'broken'); END"

# How a reader prints for machines. A reader that has one of these decides about it below.
FOR_MACHINES = ("--json", "--csv", "--body", "--bytes")

# What each command that changes something notes, in this order; of each reader, what a form for machines notes.
NOTED: list[tuple[str, list[str], list[tuple[str, str | None]]]] = [
    ("callback-secret", ["--write", "s"], [("made the callback secret", None)]),
    ("callback-secret", ["--write", "s"], []),
    ("callback-secret --json", ["--write", "s", "--show"], [("showed the callback secret", None)]),
    ("callback-secret", ["--write", "s", "--rotate"], [("changed the callback secret", None)]),
    ("callback-secret", ["--write", "s", "--retire"], [("removed the former callback secret", None)]),
    ("abandon", ["b", "e", "nowhere"], [("abandoned", "b"), ("abandoned", "e")]),
    ("retry", ["b"], [("retried", "b")]),
    ("poll", ["b"], [("asked for a poll", "b")]),
    ("problems ack", ["abandoned"], [("acknowledged", "abandoned (1)")]),
    ("deliveries retry", ["1"], [("restarted a way", "mirth"), ("retried deliveries", "mirth 1")]),
    ("deliveries skip", ["1"], [("skipped deliveries", "mirth 1")]),
    ("deliveries replay", ["--from", "1", "--to", "9"], [("replayed deliveries", "mirth 1")]),
    (
        "ingest",
        ["good.x12", "odd.json", "cut.x12"],
        [
            ("began to ingest", "3 files"),
            ("ingested", "f1 (ingested)"),
            ("ingested", "f2 (quarantined)"),
            ("ingested", "f4 (incomplete)"),
        ],
    ),
    ("ingest", ["cut.x12", "--as-is"], [("began to ingest", "1 file"), ("ingested as is", "f5 (ingested)")]),
    ("quarantine show --bytes", ["f2"], [("showed bytes", "f2")]),
    ("quarantine retry", ["f2", "f9"], [("retried in quarantine", "f2")]),
    ("quarantine drop", ["f2", "f9"], [("dropped from quarantine", "f2")]),
    ("unreadable list --json", [], [("listed unreadable", None)]),
    ("unreadable drop", ["1"], [("dropped unreadable", "1")]),
    ("unreadable drop", ["--all"], [("dropped unreadable", "2-3")]),
    ("lookups list --json", [], [("listed lookups", None)]),
    ("lookups drop", ["1"], [("dropped lookups", "1")]),
    ("lookups drop", ["--ended"], [("dropped lookups", "2")]),
    ("expected list --json", [], [("listed expected answers", None)]),
    ("expected drop", ["1", "9"], [("dropped expected answers", "1")]),
    ("expected drop", ["--all"], [("dropped expected answers", "2-3")]),
    ("tasks --json", ["--ref", REF], [("listed tasks", None)]),
    ("tasks --csv", [], [("listed tasks", None)]),
    ("tasks --json", ["--review"], [("listed tasks", None)]),
    ("show --json", ["--ref", REF], [("showed task", "a")]),
    ("show --body", ["a"], [("showed body", "a")]),
    ("show --body", ["a", "--json"], [("showed body", "a")]),
    ("found --json", ["--ref", REF], [("listed coverage", None)]),
    ("found --csv", ["--since", "2026-01-01"], [("listed coverage", "since 2026-01-01T00:00:00Z")]),
    ("export", [], [("exported", "behind 0")]),
    ("export", ["--format", "csv", "--cursor", "billing"], [("exported", "behind 0, cursor billing")]),
    ("db snapshot", ["copy.db"], [("began a snapshot", None), ("took a snapshot", None)]),
    ("db verify-restore", ["copy.db"], [("found a snapshot good", ANY)]),
    ("db migrate", [], [("migrated the database", f"schema {SCHEMA_VERSION - 1} to {SCHEMA_VERSION}")]),
    ("db migrate", [], []),
    ("db rebind", ["--yes"], [("rebound the database", ANY)]),
    ("db rebind", [], []),
    (
        "purge",
        ["--older-than", "36500d", "--yes"],
        [("began a purge", "older than 36500 d"), ("purged", "older than 36500 d: 0 tasks")],
    ),
    ("purge", ["--older-than", "36500d"], []),
    ("db move", ["--to", "moved.db"], [("moved the database", ANY)]),
    ("db move", ["--undo", "--yes"], [("took a moved database back", ANY)]),
]

A_SCREEN = "for people, on a screen"
NO_PATIENT = "prints nothing of a patient, and changes nothing"
OWN = "a database of its own, with invented patients"
DAEMON = "the work of the daemon, which it does by itself"

# The others, each with the reason.
NOT_NOTED = {
    **dict.fromkeys(("demo", "sandbox"), OWN),
    **dict.fromkeys(("run", "deliver", "backfill", "backfill --json"), DAEMON),
    **dict.fromkeys(("record", "record --json", "record --body"), "systems do it; the task's history has it"),
    **dict.fromkeys(("submit", "submit --json"), "systems do it; the history of its tasks has it"),
    **dict.fromkeys(("tasks", "show", "found", "unreadable list", "lookups list", "expected list"), A_SCREEN),
    **{
        form: NO_PATIENT
        for name in ("status", "problems list", "problems acts", "files", "quarantine list", "quarantine show")
        for form in (name, f"{name} --json")
    },
    **{
        form: NO_PATIENT
        for name in (
            "deliveries list",
            "doctor",
            "callback-check",
            "support",
            "config show",
            "config check",
            "db path",
            "db integrity",
        )
        for form in (name, f"{name} --json")
    },
    "config example": NO_PATIENT,
    "hook": NO_PATIENT,
    "serve local": NO_PATIENT,
    "serve callback": "the work of a service; the history of each task has what came of it",
    **dict.fromkeys(("db forget", "db forget --json"), "the journal alone has it: there may be no database"),
}


def forms(group: click.Group, before: str = "") -> Iterator[str]:
    """Each command, and each with an option that prints for machines."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from forms(command, f"{before}{name} ")
        elif command is not None:
            options = {option for parameter in command.params for option in parameter.opts}
            yield from (before + name, *(f"{before}{name} {option}" for option in FOR_MACHINES if option in options))


def test_each_command_has_decided_what_it_notes() -> None:
    noted = {name for name, _, _ in NOTED}
    undecided = {form for form in forms(cli) if form not in NOT_NOTED and form not in noted}
    # A command that changes something notes the same in each form.
    assert {form for form in undecided if re.sub(r" --\w+$", "", form) not in noted} == set()
    assert {*noted, *NOT_NOTED} <= {*forms(cli)}
    assert noted.isdisjoint(NOT_NOTED)


@pytest.fixture
def house(tmp_path: Path) -> House:
    made = House(tmp_path)
    made.record("a")
    return made


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the commands that are called in this process hand to the journal."""
    heard: list[str] = []
    monkeypatch.setattr(syslog, "syslog", lambda _priority, line: heard.append(line))
    return heard


def test_each_command_notes_what_it_does_and_nothing_of_a_patient(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(house.folder)
    house.cdpoll("record", "a", "b", "e", "x/y", "y/z", "z/x", "--ref", REF, check=65)
    house.rows("DELETE FROM refs WHERE task <> 1")
    house.cdpoll("record", "--lookup", "c-1", check=0)
    house.cdpoll("record", "--lookup", "c-2", check=0)
    house.rows("UPDATE lookups SET state = 'expired'")
    awaited = "".join(f'{{"trace_number": "T{n}", "ref": "{REF}", "member_id": "M{n}"}}\n' for n in (1, 2, 3))
    house.cdpoll("record", "--jsonl", "-", stdin=awaited.encode(), check=0)
    with open_store(house.database) as store:
        conclude(store, DONE)
        Delivering(store, ScriptedWay(answering({1: REFUSED})), NOW).until_idle()
    house.ways = {"mirth": {"kind": "directory", "path": str(house.folder / "out")}}
    house.write()
    Path("good.x12").write_text(a_file(a_set()))
    Path("odd.json").write_text("{}")
    Path("cut.x12").write_text(a_file(a_set(control="7"))[:-30])
    for name, args, wanted in NOTED:
        if name == "db migrate" and wanted:
            house.rows(f"PRAGMA user_version = {SCHEMA_VERSION - 1}")
        if name == "db rebind" and wanted:
            house.rows("INSERT OR REPLACE INTO meta (key, value) VALUES ('api_origin', 'https://before.example')")
        (before,) = house.rows("SELECT count(*) FROM acts")[0]
        ended = house.cdpoll(*name.split(), *args)
        noted = house.rows("SELECT act, object FROM acts ORDER BY seq LIMIT -1 OFFSET ?", before)
        assert noted == wanted, (name, args, ended)
    rows = house.rows("SELECT who, act, object FROM acts")
    assert {one[0] for one in rows} == {who()}
    assert not [one for one in rows if re.search(rf"{REF}|x12|json|x/y", str(one))]


def test_what_is_for_people_is_not_noted(house: House) -> None:
    for command in (["show", "a"], ["found"], ["tasks"], ["unreadable", "list"], ["status", "--json"]):
        house.cdpoll(*command, check=0)
    house.cdpoll("abandon", "nowhere", check=65)
    house.cdpoll("unreadable", "drop", "--all", check=0)
    assert house.rows("SELECT * FROM acts") == []


@pytest.mark.parametrize("command", [["show", "a", "--body"], ["found", "--csv"], ["tasks", "--json"]])
def test_a_reading_that_cannot_be_noted_is_done_with_a_warning_and_told_to_the_journal(
    house: House, command: list[str], lines: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    house.rows(BROKEN)
    assert call(["--config", str(house.config), *command]) == 0
    said = capsys.readouterr()
    assert said.out
    assert "warning: this could not be written into the table of acts" in said.err
    assert len(lines) == 1


def test_without_a_row_nothing_is_exported_nor_done(house: House, lines: list[str]) -> None:
    house.rows(BROKEN)
    assert house.cdpoll("export", check=74).out == b""
    copy = house.folder / "copy.db"
    for command in (["export"], ["abandon", "a"], ["db", "snapshot", str(copy)]):
        assert call(["--config", str(house.config), *command]) == 74
    assert house.value("SELECT state FROM tasks") == "pending"
    assert not copy.exists()
    assert lines == []


def test_the_journal_is_told_what_was_committed(house: House, lines: list[str]) -> None:
    config = ["--config", str(house.config)]
    house.rows("CREATE TRIGGER late BEFORE INSERT ON history BEGIN SELECT raise(ABORT, 'late'); END")
    assert call([*config, "abandon", "a"]) == 74
    assert (house.rows("SELECT * FROM acts"), lines) == ([], [])
    house.rows("DROP TRIGGER late")
    assert call([*config, "abandon", "a"]) == 0
    assert call([*config, "show", "a", "--body"]) == 0
    assert lines == [f"audit: {who()!r}: abandoned: a", f"audit: {who()!r}: showed body: a"]


def test_the_journal_alone_has_that_a_database_was_forgotten(house: House, lines: list[str]) -> None:
    house.database.unlink()
    assert call(["--config", str(house.config), "db", "forget", "--yes"]) == 0
    assert lines == [f"audit: {who()!r}: forgot the database"]


def test_no_object_can_begin_a_line_of_the_journal(house: House, lines: list[str]) -> None:
    journal.tell_journal("audit: 'ann': abandoned: a\nsshd: root")
    assert lines == ["audit: 'ann': abandoned: a\\nsshd: root"]


def test_the_page_lists_each_action() -> None:
    section = (ROOT / "docs/operations.md").read_text().partition("\n## The audit\n")[2].partition("\n## ")[0]
    listed = re.findall(r"`([^`]+)`", " ".join(re.findall(r"^\| (.+?) \|", section, re.MULTILINE)))
    assert sorted(listed) == sorted(get_args(Action))


def test_a_database_of_the_version_before_keeps_its_acts(house: House) -> None:
    with closing(sqlite3.connect(house.database)) as conn, conn:
        (sql,) = conn.execute("SELECT sql FROM sqlite_master WHERE name = 'acts'").fetchone()
        older = re.sub(r"(act TEXT NOT NULL),.*\)", r"\1)", sql, flags=re.DOTALL)
        assert older != sql
        conn.execute("PRAGMA writable_schema = ON")
        conn.execute("UPDATE sqlite_master SET sql = ? WHERE name = 'acts'", [older])
        conn.execute("PRAGMA writable_schema = RESET")
        conn.execute("INSERT INTO acts (at, who, act) VALUES (1, 'ann', 'abandoned 2 tasks: a, b')")
        conn.execute("PRAGMA user_version = 26")
    house.cdpoll("db", "migrate", check=0)
    assert house.rows("SELECT who, act, object FROM acts ORDER BY seq") == [
        ("ann", "abandoned 2 tasks: a, b", None),
        (who(), "migrated the database", f"schema 26 to {SCHEMA_VERSION}"),
    ]
    with pytest.raises(sqlite3.IntegrityError, match="only added"):
        house.rows("UPDATE acts SET object = 'a'")
    assert house.cdpoll("db", "integrity", check=0)


@pytest.mark.parametrize(
    ("uid", "sudo", "named"),
    [
        (0, "ann", "ann"),
        (0, None, "root"),
        (1, "ann", "daemon (sudo by ann)"),
        (1, "daemon", "daemon"),
        (1, "n" * 100_000, f"daemon (sudo by {'n' * 64})"),
        (1, None, "daemon"),
        (4_000_000, None, "4000000"),
    ],
)
def test_who_is_the_person(uid: int, sudo: str | None, named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert pwd.getpwuid(1).pw_name == "daemon"
    monkeypatch.setattr(os, "getuid", lambda: uid)
    monkeypatch.delenv("SUDO_USER", raising=False)
    if sudo is not None:
        monkeypatch.setenv("SUDO_USER", sudo)
    assert who() == named
