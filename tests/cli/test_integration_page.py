"""docs/integration.md lists the keys of JSON lines, and every key that a command prints with ``--json``."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from cli.main import cli
from sandbox.server import Sandbox
from tests.support.cdpoll_process import NOWHERE, ROOT, House
from tests.support.database import NOW, conclude
from tests.support.scripted_way import REFUSED, Delivering, ScriptedWay, answering
from tests.support.submitting import Submitting, check
from tests.support.x12_samples import ACTIVE, a_file, a_set, subscriber
from worker.clock import Clock
from worker.core.intake.line_keys import ABOUT, NAMING
from worker.core.vendor.callback import Delivery
from worker.rounds.ingest.deriving import derive_missing
from worker.store.opening import open_store
from worker.store.tasks.bodies import keep_callback

PAGE = (ROOT / "docs" / "integration.md").read_text()


def keys_of(text: str) -> list[str]:
    """What stands in backticks in the first column of the tables."""
    rows = [line.split(" | ")[0] for line in text.splitlines() if line.startswith("| `")]
    return [key for row in rows for key in re.findall(r"`([^`]+)`", row)]


SECTIONS = {part.partition("\n")[0]: keys_of(part) for part in PAGE.split("\n### cdpoll ")[1:]}


def commands(group: click.Group, before: str = "") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, f"{before}{name} ")
        else:
            yield before + name, command


def paths(value: Any, at: str = "") -> Iterator[str]:
    """Every key within, as the page writes it."""
    if isinstance(value, dict):
        for key, inner in value.items():
            path = f"{at}.{key}" if at else key
            yield path
            yield from paths(inner, path)
    elif isinstance(value, list):
        for inner in value:
            yield from paths(inner, f"{at}[]")


def missing(name: str, printed: Any) -> set[str]:
    """The keys that were printed and are not in the table of the command."""
    known = SECTIONS[name]
    opaque = tuple(key.removesuffix("…") for key in known if key.endswith("…"))
    found = {path for path in paths(printed) if not (opaque and path.startswith(opaque))}
    return found - {*known}


# What the house below does not come to: a drop on a server, and commands that refuse.
NOT_PRINTED = (
    "status drop.",
    "status callbacks.",
    "status spool.",
    "support failed_polls[",
    "support tasks[",
    "poll refused",
    "quarantine drop refused",
)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    """One with a concluded task, an abandoned and a pending one, batch files, and something of each sort to look at."""
    found = House(tmp_path_factory.mktemp("house"))
    found.cdpoll("record", "a", "b", "c", "e", "x/y", "--ref", "R", check=65)
    found.cdpoll("record", "--lookup", "c-1", check=0)
    awaited = b'{"trace_number": "T1", "ref": "R", "member_id": "M1"}'
    found.cdpoll("record", "--jsonl", "-", stdin=awaited, check=0)
    found.rows("UPDATE tasks SET failures = 1, last_error = 'http_503' WHERE id = 'e'")
    found.rows(
        "INSERT INTO daemons (name, host, pid, version, started_at, beat_at) VALUES ('cdpoll', 'h', 1, '1', 1, 1)"
    )
    path: dict[str, Any] = {
        "id": "p",
        "name": "Medicare",
        "transaction": {"status": "eligible", "x12-271": a_file(a_set())},
    }
    bare = {"name": "RTCOB", "transaction": {"status": "eligible"}}
    unsearched = {"name": "HMO", "transaction": {"status": "payer_unavailable"}}
    body = {
        "id": "a",
        "status": "success",
        "discoveryPaths": {"successful": [path, bare], "unsuccessful": [unsearched]},
    }
    failed = {"id": "c", "status": "failure", "discoveryPaths": {"unsuccessful": [unsearched]}}
    with open_store(found.database) as store:
        conclude(store, body)
        conclude(store, failed, seq=3)
        while derive_missing(store, NOW):
            pass
        with store.write():
            keep_callback(store, "not_json", Delivery(b"{"), NOW)
        Delivering(store, ScriptedWay(answering({2: REFUSED})), NOW).until_idle()
    found.write(backfill_every="1h")
    found.ways = {"mirth": {"kind": "directory", "path": str(found.folder / "out")}}
    found.write()
    return found


def files(house: House) -> list[str]:
    good = a_file(a_set(subscriber(ACTIVE)), a_set([("EB", "1")], control="0002"))
    contents = {"good.x12": good, "odd.json": "{}", "cut.x12": good[:-30]}
    for name, content in contents.items():
        (house.folder / name).write_text(content)
    return [str(house.folder / name) for name in contents]


def submitted(folder: Path) -> set[str]:
    """What is printed of a 207 with an item that was refused, and of a check with a link that cannot be read."""
    folder.mkdir()
    with Sandbox(Clock(), faults="link_unreadable") as sandbox:
        by = Submitting(folder, sandbox)
        printed = [by.told(check(1), check=1), by.told(check(2, "MINUTES-MIXED"), "--discovery", check=1)]
    assert [missing("submit", one) for one in printed] == [set(), set()]
    return {path for one in printed for path in paths(one)}


def test_each_command_prints_what_the_page_lists(house: House) -> None:
    calls: list[list[str]] = [
        ["record", "d", "no/id"],
        ["abandon", "b", "b2"],
        ["retry", "b", "a"],
        ["abandon", "b"],
        ["ingest", *files(house)],
        ["ingest", "--dry-run", *files(house)],
        ["files"],
        ["quarantine", "list"],
        ["quarantine", "show", "f2", "--bytes"],
        ["quarantine", "show", "s2"],
        ["quarantine", "show", "c1"],
        ["quarantine", "retry", "f2"],
        ["quarantine", "drop", "f2"],
        ["unreadable", "list"],
        ["lookups", "list"],
        ["expected", "list"],
        ["backfill", "--from", "1h"],
        ["deliveries", "list"],
        ["deliveries", "retry", "2", "99"],
        ["deliveries", "skip", "2", "99"],
        ["deliveries", "replay", "--from", "1", "--to", "9"],
        ["status"],
        ["tasks"],
        ["tasks", "--review"],
        ["found"],
        ["show", "a", "--benefits", "--body"],
        ["support", "e"],
        ["callback-check", NOWHERE, "--client-id", "c", "--secret-file", str(house.folder / "secret")],
        ["support", "--overdue"],
        ["callback-secret", "--write", str(house.folder / "callback-secret")],
        ["show", "b"],
        ["config", "show"],
        ["config", "check"],
        ["doctor"],
        ["db", "path"],
        ["db", "integrity"],
        ["db", "migrate"],
        ["db", "rebind", "--yes"],
        ["db", "snapshot", str(house.folder / "copy.db")],
        ["db", "verify-restore", str(house.folder / "copy.db")],
        ["db", "move", "--to", str(house.folder / "moved.db")],
        ["db", "move", "--undo", "--yes"],
        ["problems", "list"],
        ["problems", "acts"],
        ["poll", "d"],
        ["purge", "--older-than", "3650d"],
    ]
    there = [name for name, _ in commands(cli)]
    seen: dict[str, set[str]] = {}
    house.cdpoll("abandon", "b")
    house.cdpoll("problems", "ack", "abandoned")
    for args in calls:
        name = next((one for one in (" ".join(args[:2]), args[0]) if one in there), None)
        if name is None:
            continue  # no such command; that all there are were called is seen at the end
        printed = house.cdpoll(*args, "--json").json
        assert missing(name, printed) == set(), name
        seen.setdefault(name, set()).update(paths(printed))
    house.write(polling_burst="many")
    assert missing("config check", house.cdpoll("config", "check", "--json", check=78).json) == set()
    house.write(polling_burst="5")
    house.database.rename(house.folder / "away.db")
    assert missing("db forget", house.cdpoll("db", "forget", "--yes", "--json").json) == set()
    seen["submit"] = submitted(house.folder / "submitting")
    with_json = {name for name, one in commands(cli) if any("--json" in option.opts for option in one.params)}
    assert with_json <= seen.keys() | {"db forget"}
    seen["config check"].update(key for key in SECTIONS["config check"] if key.startswith("mistakes["))
    never = [
        f"{name} {key}"
        for name in seen
        for key in SECTIONS[name]
        if key.rstrip("[]…") not in seen[name] and key not in seen[name]
    ]
    assert [one for one in never if not one.startswith(NOT_PRINTED)] == []
    assert with_json <= SECTIONS.keys()


def test_the_keys_of_json_lines_are_those_of_the_page() -> None:
    section = PAGE.split("\n## ")[1]
    assert keys_of(section) == [*NAMING, *ABOUT]


def test_an_undocumented_key_would_be_seen() -> None:
    assert missing("db path", {"database": "x", "size": 1, "more": [{"a": 1}]}) == {"size", "more", "more[].a"}
    assert missing("show", {"body": "x", "found": [{"anything": 1}]}) == set()


def test_the_readme_leads_to_the_page() -> None:
    assert "(docs/integration.md)" in Path(ROOT / "README.md").read_text()
