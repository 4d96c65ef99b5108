"""Each kind of problem is named by every mouth with its cure, and by none after its end.

The mouths are the log, `status` (and so `--check` and `problems list`), `doctor`, the metrics, the page, the ping and
the command of ``[alert]``. The loop is turned by hand on a clock that stands still.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from cli.doctor.database import database
from tests.support.cdpoll_process import ROOT, House
from tests.support.database import conclude
from tests.support.every_trouble import BACKLOG, DROP_IS_STALE, DROP_IS_WELL, ELSEWHERE, LIVING
from tests.support.loop_by_hand import ByHand, loop_by_hand
from tests.support.polled_bodies import a_body
from tests.support.troubles import FAR, Made
from tests.system.caused import CAUSED
from worker.config import load, load_store
from worker.config.polling import status_rules_of
from worker.core.alerts import Pinged, next_ping
from worker.core.errors import StorageFailed
from worker.core.problems import FAMILIES, KINDS, kind_of
from worker.core.standing import QUIET_MS
from worker.daemon.problem_watch import EVERY_MS
from worker.gateways.machine import Disk
from worker.ownership import Obstacle
from worker.rounds import machine
from worker.store.opening import open_store
from worker.store.state import standing
from worker.store.views import alerts
from worker.store.views import status as view
from worker.store.views.problems import NO_SPACE_BYTES
from worker.web.look import look
from worker.web.metrics import exposition
from worker.web.page import status_page

ROOM = Disk(10**12, False)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    """An installation that has everything, and nothing to do."""
    made = House(tmp_path_factory.mktemp("every"), store_runs="daemon", polling_daily_budget="5000")
    known = made.folder / "known_hosts"
    known.touch()
    key = made.folder / "key"
    key.touch()
    made.write(
        sftp_host="127.0.0.1",
        sftp_username="drop",
        sftp_key_file=str(key),
        sftp_known_hosts=str(known),
        sftp_include="*.x12",
        callback_listen="127.0.0.1:9272",
        spool_path=str(made.folder / "spool"),
        backfill_every="1h",
    )
    made.ways["w"] = {"kind": "directory", "path": str(made.folder)}
    made.write()
    made.record(*(f"t{n}" for n in range(5)))
    with open_store(made.database) as store:
        conclude(store, a_body("t4"), seq=5)
    made.rows("UPDATE tasks SET due_at = ?, reason = 'cadence' WHERE state = 'pending'", FAR)
    made.rows("DELETE FROM outbox")
    made.rows(DROP_IS_WELL)
    made.rows("UPDATE callback_lane SET on_since = 1")
    made.rows("INSERT INTO spool (daemon, looked_at) VALUES ('cdpoll', ?)", FAR)
    return made


@pytest.fixture(scope="module")
def turned(house: House) -> Iterator[ByHand]:
    with loop_by_hand(house) as by_hand:
        by_hand.loop.step()
        assert by_hand.log.lines == []
        yield by_hand


def change(house: House, by_hand: ByHand, sql: str) -> None:
    """Statements, with the present time in them."""
    with closing(sqlite3.connect(house.database, timeout=30)) as conn, conn:
        conn.execute("PRAGMA foreign_keys = ON")
        conn.executescript(sql.replace(":now", str(by_hand.clock.now())))


def turn(by_hand: ByHand, ms: int = EVERY_MS) -> None:
    by_hand.clock.advance(ms)
    by_hand.loop.step()


def said(house: House, by_hand: ByHand) -> dict[str, dict[str, str]]:
    """By mouth, the codes that it names, each with what it says."""
    config, now, store = load(str(house.config), {}), by_hand.clock.now(), by_hand.store
    rules = status_rules_of(config)
    here = machine.machine_of(store)
    picture = view.status(store, now, rules, here)
    found = look(config, now)
    numbers = [line for line in exposition(found, "")[0].decode().splitlines() if line.startswith("cdpoll_problems{")]
    told, _ = alerts.told(store, now, rules, here, alive=True)
    ping = next_ping(Pinged(frozenset()), told, "warning", now)
    lines = [] if ping is None else [line.split(": ", 2) for line in ping[0].body.splitlines() if line.count(": ") > 1]
    checked = [one for one in database(load_store(str(house.config), {}), by_hand.clock) if one.check == "problem"]
    return {
        "status": {one["code"]: one["hint"] for one in picture["problems"]},
        "doctor": dict(one.words.split(": ", 1) for one in checked if one.level != "OK"),
        "metrics": {line.split('"')[1]: "a number" for line in numbers if not line.endswith(" 0.0")},
        "page": {one["code"]: one["hint"] for one in status_page(config, found)["problems"]},
        "ping": {line[1].partition(" ")[0]: line[2] for line in lines},
        "command": {one.problem.code: one.problem.hint for one in told},
    }


def logged(by_hand: ByHand, event: str) -> dict[str, str]:
    return {str(fields["code"]): str(fields.get("hint")) for said, fields in by_hand.log.lines if said == event}


def base(code: str) -> str:
    """As the metrics have it."""
    return next((one for one in FAMILIES if code.startswith(f"{one}_") and code not in KINDS), code)


def test_the_table_has_every_kind() -> None:
    assert {kind_of(code).code for code in LIVING} | ELSEWHERE.keys() == KINDS.keys()
    for place in ELSEWHERE.values():
        path, _, name = place.partition("::")
        assert f"def {name}(" in (ROOT / "tests" / path).read_text(), place


def test_what_is_caused_under_the_units_are_problems() -> None:
    assert {kind_of(one.code).code for one in CAUSED} <= KINDS.keys()
    assert len(CAUSED) == len({one.code for one in CAUSED})


def follows(house: House, by_hand: ByHand, code: str, trouble: Made) -> None:
    by_hand.log.lines.clear()
    change(house, by_hand, trouble.begin)
    for _ in range(2 if kind_of(code).logged_after_ms else 1):
        turn(by_hand)
    turn(by_hand, kind_of(code).lasting_ms or 1)
    turn(by_hand)
    for mouth, told in {**said(house, by_hand), "log": logged(by_hand, "problem begins")}.items():
        assert told.keys() == {base(code) if mouth == "metrics" else code}, mouth
        assert all(told.values()), mouth
    if kind_of(code).unnamed:
        assert "MUELLER" not in str([said(house, by_hand)[mouth] for mouth in ("page", "ping", "command")])
    change(house, by_hand, trouble.end)
    turn(by_hand)
    turn(by_hand, QUIET_MS)
    assert set(map(tuple, said(house, by_hand).values())) == {()}
    assert logged(by_hand, "problem is over").keys() == {code}


@pytest.fixture(autouse=True)
def disk(monkeypatch: pytest.MonkeyPatch) -> list[Disk | None]:
    """What the machine says of the disk: its last entry."""
    found: list[Disk | None] = [ROOM]
    monkeypatch.setattr(machine, "disk_of", lambda _: found[-1])
    return found


@pytest.mark.parametrize("code", LIVING)
def test_each_is_named_with_its_cure_and_ends(house: House, turned: ByHand, code: str) -> None:
    follows(house, turned, code, LIVING[code])


def test_a_drop_that_is_not_read_any_more(house: House, turned: ByHand) -> None:
    turn(turned, 1_200_000)
    follows(house, turned, "sftp_stale", DROP_IS_STALE)


def test_a_backlog(house: House, turned: ByHand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.daemon.poll_lane.PollLane.run", lambda _self, now: now + 60_000)
    follows(house, turned, "backlog", BACKLOG)


@pytest.mark.parametrize(
    ("code", "seen"),
    [
        ("disk_full", Disk(1, False)),
        ("disk_low", Disk(NO_SPACE_BYTES, False)),
        ("disk_read_only", Disk(10**12, True)),
        ("disk_unreadable", None),
    ],
)
def test_what_the_machine_says_of_the_disk(
    house: House, turned: ByHand, code: str, seen: Disk | None, disk: list[Disk | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise StorageFailed("no write")

    turned.log.lines.clear()
    with monkeypatch.context() as patch:
        disk.append(seen)
        if code in ("disk_full", "disk_read_only"):
            patch.setattr(standing, "keep", refuse)
        turn(turned)
        told = said(house, turned)
        del told["doctor"]  # it asks the machine itself
        assert {mouth: {*codes} for mouth, codes in told.items()} == {mouth: {code} for mouth in told}
        assert logged(turned, "problem begins").keys() == {code}
    disk.append(ROOM)
    turn(turned)
    turn(turned, QUIET_MS)
    assert set(map(tuple, said(house, turned).values())) == {()}
    assert logged(turned, "problem is over").keys() == {code}


def test_a_database_that_new_commands_may_not_open(
    house: House, turned: ByHand, monkeypatch: pytest.MonkeyPatch
) -> None:
    shut = Obstacle(house.database, "it has the mode 0000", "as root: chmod ug+rwX it", sure=True)
    turned.log.lines.clear()
    with monkeypatch.context() as patch:
        patch.setattr(machine, "denied", lambda _: shut)
        turn(turned)
        for mouth, told in {**said(house, turned), "log": logged(turned, "problem begins")}.items():
            assert told.keys() == {"database_denied"}, mouth
            assert mouth == "metrics" or "chmod ug+rwX it" in told["database_denied"], mouth
    turn(turned)
    turn(turned, QUIET_MS)
    assert logged(turned, "problem is over").keys() == {"database_denied"}
