"""``cdpoll ingest`` and ``cdpoll files`` as a script sees them: JSON, exit codes, and no needless configuration."""

import contextlib
import hashlib
import json
import os
import pty
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.bent_sftp import Bend, BentDrop
from tests.support.cdpoll_process import DEADLINE, House, until
from tests.support.sshd import ME, Sshd
from tests.support.x12_samples import ACTIVE, a_set, group, interchange, subscriber

KEYS = {
    "name", "sha256", "state", "interchanges", "transaction_sets", "subscribers", "matched", "candidates", "unmatched",
    "quarantined_sets", "warnings", "reason",
}  # fmt: skip


@pytest.fixture
def house(tmp_path: Path) -> House:
    """An installation with nothing but a place for the database."""
    found = House(tmp_path)
    found.config.write_text(f"[store]\npath = {found.database}\n")
    return found


def batch(*members: str, **options: str) -> str:
    sets = [a_set(subscriber(ACTIVE, member=one), control=f"{n:04d}") for n, one in enumerate(members)]
    return interchange(group(*sets), **options)  # type: ignore[arg-type]


def put(house: House, name: str, content: str) -> str:
    path = house.folder / name
    path.write_text(content)
    return str(path)


def test_sets_of_another_kind_are_told(house: House) -> None:
    both = interchange(group(a_set()), group(a_set([], code="999"), code="FA"))
    said = house.cdpoll("ingest", put(house, "both.x12", both)).out.decode()
    assert said.endswith("1 unmatched; 1 set of another kind, not kept\n")


def test_the_report_of_every_file(house: House) -> None:
    text = interchange(group(a_set(count="9"), a_set(control="0002")[:-1], a_set(control="0003")))
    whole, cut = put(house, "whole.x12", text), put(house, "cut.x12", batch("A")[:-30])
    odd, other = put(house, "odd.json", "{}"), put(house, "a.999", interchange(group(a_set([], code="999"), code="FA")))
    said = house.cdpoll("ingest", "--json", whole, cut, odd, other, whole, check=1).json["files"]
    assert all(set(one) >= KEYS for one in said)
    assert [(one["name"], one["state"]) for one in said] == [
        ("whole.x12", "ingested"),
        ("cut.x12", "incomplete"),
        ("odd.json", "quarantined"),
        ("a.999", "skipped"),
        ("whole.x12", "known"),
    ]
    first = said[0]
    assert first["sha256"] == hashlib.sha256(text.encode()).hexdigest()
    assert [first[key] for key in ("interchanges", "transaction_sets", "subscribers", "unmatched")] == [1, 2, 2, 2]
    assert first["quarantined_sets"] == 1
    assert {tuple(sorted(warning)) for warning in first["warnings"]} == {("code", "message", "segment")}
    assert [warning["code"] for warning in first["warnings"]] == ["se_count", "se_missing"]
    assert [one["reason"] is None for one in said] == [True, False, False, False, True]
    text = house.cdpoll("files", check=0, COLUMNS="70").text
    assert re.match(
        r"number  read at \(UTC\) +file\nf1      2\d{3}-\d\d-\d\d \d\d:\d\d:\d\d  whole.x12: ingested, ", text
    )
    assert max(len(line) for line in text.splitlines()) <= 70
    listed = house.cdpoll("files", "--json", check=0).json["files"]
    assert [(one["name"], one["state"]) for one in listed] == [(one["name"], one["state"]) for one in said[:4]]
    status = house.status()["files"]
    assert status["last_at"] is not None
    assert {key: status[key] for key in ("ingested", "quarantined", "incomplete", "skipped")} == dict.fromkeys(
        ("ingested", "quarantined", "incomplete", "skipped"), 1
    )
    assert {"code": "quarantined", "count": 2} in [
        {key: one[key] for key in ("code", "count")} for one in house.status()["problems"]
    ]


def test_all_well_is_0_and_nothing_readable_65(house: House) -> None:
    good = put(house, "good.x12", batch("A"))
    assert house.cdpoll("ingest", good, check=0).text.startswith("good.x12: ingested, 1 transaction set, ")
    again = house.cdpoll("ingest", good, check=0).text
    assert again.startswith("good.x12: known: the same content came in before, so nothing was added\n")
    dry = house.cdpoll("ingest", "--dry-run", good, check=0).text
    assert dry == "good.x12: known already: the same content came in before, so nothing would be added\n"
    ended = house.cdpoll("ingest", str(house.folder / "nowhere"), str(house.folder), check=65)
    assert "nowhere: No such file or directory" in ended.err
    assert "Is a directory" in ended.err
    assert house.cdpoll("ingest", str(house.folder / "nowhere"), good, check=1).text.startswith("good.x12: known")


def test_what_came_in_is_told_before_a_disk_that_cannot_be_written_ends_it(house: House) -> None:
    good = put(house, "good.x12", batch("A"))
    house.database.parent.mkdir(exist_ok=True)
    (house.database.parent / "quarantine").touch()
    ended = house.cdpoll("ingest", "--json", good, str(house.folder / "nowhere"), put(house, "odd", "{}"), check=74)
    assert [(one["name"], one["state"]) for one in ended.json["files"]] == [("good.x12", "ingested")]
    assert "nowhere: No such file" in ended.err
    assert house.cdpoll("ingest", good, check=0).text.startswith("good.x12: known")


def test_what_is_said_holds_no_patient_data(house: House) -> None:
    broken = interchange(group(a_set(subscriber(ACTIVE, last="SECRETNAME", member="SECRETID"))[:-1]))
    cut = put(house, "cut.x12", batch("SECRETID")[:-30])
    ended = house.cdpoll("ingest", put(house, "broken.x12", broken), cut, check=1)
    said = ended.text + ended.err + house.cdpoll("files", check=0).text + house.cdpoll("status", check=0).text
    said += house.cdpoll("quarantine", "list", check=0).text + house.cdpoll("files", "--json", check=0).text
    assert "SECRET" not in said


def test_a_name_does_nothing_to_the_terminal(house: House) -> None:
    good = put(house, "a\x1b[2J\nb.x12", interchange(group(a_set(), a_set(control="0002")[:-1])))
    said = house.cdpoll("ingest", good, put(house, "c\x1b\rd.x12", "HELLO"), check=1).text
    said += house.cdpoll("files", check=0).text + house.cdpoll("quarantine", "list", check=0).text
    said += house.cdpoll("quarantine", "show", "f2", check=0).text
    assert said.count("a\\x1b[2J\\nb.x12") == 3
    assert said.count("c\\x1b\\rd.x12") == 4


def test_a_dry_run_writes_nothing(house: House) -> None:
    path = put(house, "a.x12", batch("A"))
    said = house.cdpoll("ingest", "--dry-run", "--json", path, check=0).json["files"]
    assert said[0]["dry_run"] is True
    assert house.cdpoll("ingest", "--dry-run", path, check=0).text.startswith("a.x12: would be ingested, 1 transaction")
    assert [(one["state"], one["unmatched"]) for one in said] == [("ingested", 1)]
    assert house.rows("SELECT count(*) FROM files") == [(0,)]


def test_standard_input_and_pipes(house: House) -> None:
    ended = house.cdpoll("ingest", "--json", "-", stdin=batch("A").encode(), check=0)
    assert [(one["name"], one["state"]) for one in ended.json["files"]] == [("standard input", "ingested")]
    command = " ".join([*house.line("ingest", "--json"), "<(cat)"])
    done = subprocess.run(
        ["bash", "-c", command],
        input=batch("B").encode(),
        capture_output=True,
        env=house.environment(),
        timeout=DEADLINE,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["files"][0]["state"] == "ingested"
    assert list((house.database.parent / "incoming").iterdir()) == []


def test_a_long_file_shows_progress_on_a_terminal_only(house: House) -> None:
    sets = [a_set(subscriber(ACTIVE, ("MSG", str(n % 10) * 450_000)), control=f"{n:04d}") for n in range(12)]
    path = put(house, "long.x12", interchange(group(*sets)))
    master, slave = pty.openpty()
    with os.fdopen(master, "rb", buffering=0) as terminal:
        process = subprocess.Popen(
            house.line("ingest", "--dry-run", "--json", path),
            stdout=subprocess.PIPE,
            stderr=slave,
            env=house.environment(TERM="xterm"),
        )
        os.close(slave)
        shown = b""
        with contextlib.suppress(OSError):  # so a terminal ends when its other side is closed
            while piece := terminal.read(4096):
                shown += piece
        said = process.communicate(timeout=DEADLINE)[0]
    assert process.returncode == 0
    assert b"long.x12" in shown
    assert json.loads(said)["files"][0]["transaction_sets"] == 12
    assert house.cdpoll("ingest", "--dry-run", path, check=0).err == ""


# --- one round over the drop


def configure(house: House, server: Sshd, **keys: str) -> None:
    values = {
        "host": "127.0.0.1",
        "port": str(server.port),
        "username": ME,
        "key_file": str(server.key),
        "known_hosts": str(server.known_hosts),
        "drop": str(server.drop),
        "include": "*.x12",
        "settle": "100ms",
        **keys,
    }
    lines = [f"[store]\npath = {house.database}\n[sftp]", *(f"{key} = {value}" for key, value in values.items())]
    house.config.write_text("\n".join(lines) + "\n")


def test_without_a_path_it_is_one_round_over_the_drop(house: House, server: Sshd) -> None:
    configure(house, server)
    server.put("a.x12", batch("A").encode())
    server.put("a.835", b"not ours")
    said = house.cdpoll("ingest", "--json", check=0).json["files"]
    assert [(one["name"], one["state"]) for one in said] == [("a.x12", "ingested")]
    assert house.cdpoll("ingest", "--json", check=0).json == {"files": []}
    server.put("b.x12", batch("B").encode()[:-30])
    assert [one["state"] for one in house.cdpoll("ingest", "--json", check=1).json["files"]] == ["incomplete"]
    server.put("b.x12", batch("B").encode())
    assert [one["state"] for one in house.cdpoll("ingest", "--json", check=0).json["files"]] == ["ingested"]


def test_files_lists_what_waits_on_the_drop_beside_what_came(house: House, server: Sshd) -> None:
    configure(house, server)
    server.put("a.x12", batch("A").encode())
    assert house.cdpoll("files", check=74).out == b""
    house.cdpoll("ingest", check=0)
    assert house.cdpoll("files", "--json", check=0).json["waiting"] == []
    server.put("b.x12", batch("B").encode()[:-30])
    house.cdpoll("ingest", check=1)
    came, waiting = (house.cdpoll("files", "--json", check=0).json[key] for key in ("files", "waiting"))
    assert [(one["name"], one["state"]) for one in came] == [("a.x12", "ingested"), ("b.x12", "incomplete")]
    (one,) = waiting
    assert one.keys() == {"name", "size", "seen_at", "attempts", "next_at", "error", "why"}
    assert (one["name"], one["error"], one["attempts"]) == ("b.x12", "incomplete", 1)
    text = house.cdpoll("files", check=0).text.splitlines()
    assert text[-2] == "1 file on the drop, as of the last round:"
    assert text[-1].startswith("  b.x12: not fetched: it was cut short; tried again ")
    house.rows("DELETE FROM files")
    house.rows("DELETE FROM remote_files")
    said = house.cdpoll("files", check=0)
    assert (said.text, said.err) == ("", "cdpoll: no file came in yet\n")


def test_what_hinders_a_round_has_its_exit_code(house: House, server: Sshd) -> None:
    assert "[sftp] is missing" in house.cdpoll("ingest", check=78).err
    configure(house, server, port="1")
    house.cdpoll("ingest", check=69)
    assert [one["code"] for one in house.status()["problems"] if one["code"].startswith("sftp_")]
    stranger = house.folder / "known_hosts"
    stranger.write_text("")
    configure(house, server, known_hosts=str(stranger))
    assert "ssh-keyscan" in house.cdpoll("ingest", check=78).err
    configure(house, server, username="nobody-of-that-name")
    house.cdpoll("ingest", check=77)
    configure(house, server, drop=f"{server.drop}/mistyped")
    assert "check drop under [sftp]" in house.cdpoll("ingest", check=78).err
    house.cdpoll("run", "--once", check=78)
    server.put("moved.x12", batch("MOVED").encode())
    configure(house, server, include="moved.x12", after="move", move_to=f"{server.drop}/mistyped")
    ended = house.cdpoll("ingest", "--json", check=78)
    assert [one["state"] for one in ended.json["files"]] == ["ingested"]
    assert "check move_to under [sftp]" in ended.err
    configure(house, server)
    house.cdpoll("ingest", "--dry-run", check=65)


def test_an_incomplete_file_is_taken_as_it_is_where_a_person_names_it(house: House) -> None:
    given = put(house, "cut.x12", batch("A", "B")[:-20])
    assert "--as-is needs a path" in house.cdpoll("ingest", "--as-is", check=2).err
    house.cdpoll("ingest", given, check=1)
    (taken,) = house.cdpoll("ingest", "--as-is", "--json", given, check=0).json["files"]
    assert (taken["state"], taken["as_is"]) == ("ingested", True)
    assert b"taken as it is, although incomplete. The file ends before" in house.cdpoll("files").out
    (listed,) = house.cdpoll("files", "--json").json["files"]
    assert (listed["as_is"], listed["reason"]) == (True, taken["reason"])


def test_after_a_refused_login_a_script_waits_and_a_person_at_a_terminal_does_not(tmp_path: Path, bend: Bend) -> None:
    drop = BentDrop()
    drop.password_good = False
    house = House(tmp_path, **bend(drop).keys())
    assert "refused user with the password" in house.cdpoll("ingest", check=77).err
    for command in (("ingest",), ("run", "--once")):
        waits = house.cdpoll(*command, check=77)
        assert "the server refused our login; the next attempt is at 20" in waits.err
    assert drop.logins == 1
    terminal, keyboard = pty.openpty()
    ended = subprocess.run(
        house.line("ingest"), stdin=keyboard, capture_output=True, env=house.environment(), timeout=DEADLINE
    )
    os.close(terminal)
    os.close(keyboard)
    assert (ended.returncode, drop.logins) == (77, 2)


def test_no_name_is_told_from_a_folder(house: House) -> None:
    good = put(house, "good.x12", batch("A"))
    assert house.cdpoll("ingest", "", check=65).err == (
        "cdpoll: the name of a file is empty: was a variable of the shell not set?\n"
    )
    assert "was a variable" in house.cdpoll("ingest", "", good, check=1).err


def test_a_pipe_that_is_waited_for_is_named(house: House) -> None:
    pipe = house.folder / "pipe"
    os.mkfifo(pipe)
    said = house.folder / "said"
    line = house.line("ingest", str(pipe))
    with said.open("w") as err, subprocess.Popen(line, stderr=err, stdout=subprocess.PIPE, text=True) as running:
        try:
            until(
                lambda: f"{pipe} is a pipe: it is read once something writes into it" in said.read_text(), "the words"
            )
            pipe.write_text(batch("A"))
            out, _ = running.communicate(timeout=DEADLINE)
        finally:
            running.kill()
    assert (running.returncode, out[:30]) == (0, "pipe: ingested, 1 transaction ")
