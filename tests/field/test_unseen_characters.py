"""Control characters, marks of the direction of writing and markup in values from outside: in no list do they steer a
terminal, and JSON has them in escapes."""

import json
import os
import pty
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.bent_sftp import Bend, BentDrop
from tests.support.cdpoll_process import House
from tests.support.numbered_patients import numbered_batch
from tests.support.scripted_vendor import ScriptedVendor, task

# ESC, a line end, a tab, BEL, C1 CSI, DEL, right-to-left override and isolate, marks, a tag, and markup of rich.
ODD = "\x1b]0;x\x07\n\t\x9b31m\x7f\u202e\u2066\u200e\u200f\u2028\U000e0041[red]x[/red]"
UNSEEN = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\U000e0000-\U000e007f]")
BAD = f"coverage-discovery/{ODD}"


def shown(house: House, *args: str) -> str:
    return house.cdpoll(*args).text


def escaped(text: str) -> None:
    assert not UNSEEN.search(text), ascii(text)


def test_lists_and_stories_of_tasks(tmp_path: Path, scripted: ScriptedVendor) -> None:
    scripted.say = lambda asked, peer: task(asked.id, "success", name=ODD, correlationId=ODD)
    house = House(tmp_path, **scripted.keys())
    house.cdpoll("record", "one", "--ref", ODD, "--correlation-id", ODD, check=0)
    house.cdpoll("run", "--until-idle", check=0)
    for args in (["tasks"], ["show", "one"]):
        text = shown(house, *args)
        escaped(text)
        assert "\\x1b]0;x\\x07\\n\\t\\x9b31m\\x7f\\u202e\\u2066" in text
        assert "[red]x[/red]" in text
        as_json = shown(house, *args, "--json")
        escaped(as_json)
        found = json.loads(as_json)
        assert found.get("tasks", [found])[0]["refs"] == [ODD]
    assert len(shown(house, "tasks").splitlines()) == 2  # with the line of headings


def test_what_could_not_be_read(tmp_path: Path) -> None:
    house = House(tmp_path)
    ended = house.cdpoll("record", "--json", "--location", BAD, "--ref", ODD, check=65)
    escaped(ended.text)
    escaped(ended.err)
    text = shown(house, "unreadable", "list")
    escaped(text)
    assert len(text.splitlines()) == 3
    as_json = shown(house, "unreadable", "list", "--json")
    escaped(as_json)
    (item,) = json.loads(as_json)["unreadable"]
    assert (item["raw"], item["ref"]) == (BAD, ODD)
    escaped(shown(house, "status"))


def test_names_of_files(tmp_path: Path, bend: Bend) -> None:
    name = ODD.replace("/", "") + ".x12"
    drop = BentDrop({name: b"no x12", "good" + name: numbered_batch(1), "cut" + name: numbered_batch(2)[:-20]})
    house = House(tmp_path, **bend(drop).keys())
    for args in (["ingest"], ["files"], ["quarantine", "list"], ["quarantine", "show", "f2"], ["status"]):
        for more in ([], ["--json"]):
            ended = house.cdpoll(*args, *more)
            escaped(ended.text)
            escaped(ended.err)
    (waiting,) = house.cdpoll("quarantine", "list", "--json").json["files"]
    assert "[red]x" in waiting["name"]


def test_a_body_on_a_terminal(tmp_path: Path, scripted: ScriptedVendor) -> None:
    raw = b'{"id": "one", "status": "success", "name": "\xc2\x9b31m\xe2\x80\xae"}'
    head = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(raw)
    scripted.say = lambda asked, peer: head + raw
    house = House(tmp_path, **scripted.keys())
    house.record("one")
    house.cdpoll("run", "--until-idle", check=0)
    assert house.cdpoll("show", "one", "--body", check=0).out.rstrip().endswith(raw)
    ours, theirs = pty.openpty()
    line = house.line("show", "one", "--body")
    subprocess.run(line, stdout=theirs, stdin=subprocess.DEVNULL, env=house.environment(), check=True, timeout=60)
    os.close(theirs)
    said = b""
    while not said.rstrip().endswith(b"}"):
        said += os.read(ours, 65536)
    os.close(ours)
    assert json.loads(said.splitlines()[-1]) == json.loads(raw)
    assert b"\\u009b31m\\u202e" in said


@pytest.mark.parametrize("path", ["no\x1b[2Jwhere\nelse.x12"])
def test_an_error_that_names_a_file(tmp_path: Path, path: str) -> None:
    ended = House(tmp_path).cdpoll("ingest", path, check=65)
    assert ended.err == "cdpoll: no\\x1b[2Jwhere\\nelse.x12: No such file or directory\n"
