"""What `cdpoll doctor` finds of the database, of the processes that work on it, and of its files."""

import os
import sqlite3
import stat
from pathlib import Path

import pytest

from cli.doctor import database as checks
from cli.doctor import files as modes
from cli.doctor import services
from cli.doctor.configuration import as_handed, with_credentials
from cli.doctor.finding import Finding
from tests.cli.doctor.looking import doctor
from tests.support.cdpoll_process import House
from worker.build import VERSION
from worker.clock import Clock
from worker.config import WebhookSection, load_store
from worker.gateways.machine import Disk
from worker.gateways.units import unit_of
from worker.store.db.sqlite import SqliteStore, wal_is_safe
from worker.store.opening import open_store
from worker.store.state.daemon import beat


@pytest.fixture
def house(tmp_path: Path) -> House:
    """Nothing but a database that a timer works on."""
    made = House(tmp_path, api_base_url="", api_client_id="", api_client_secret="", api_timeout="", store_runs="once")
    made.record("a")
    return made


def looking(house: House) -> list[Finding]:
    """What the checks of the database find, in this process."""
    return list(checks.database(load_store(str(house.config), {}), Clock()))


def looked(house: House, check: str) -> Finding:
    (found,) = [one for one in looking(house) if one.check == check]
    return found


def passed(house: House, version: str, *, ago_ms: int = 0) -> None:
    """A daemon of that version, which is this process, has made a pass."""
    with open_store(house.database) as store, store.write():
        at = Clock().now() - ago_ms
        beat(store, pid=os.getpid(), version=version, started_at=at, now=at, token_expires_at=None)


def test_one_that_is_whole(house: House) -> None:
    found = doctor(house)
    assert (found.failed, found.not_checked) == (set(), set())
    assert [found.one(check)["level"] for check in ("database", "journal", "integrity", "daemon", "problem")] == [
        "OK"
    ] * 5


def test_one_that_is_gone(house: House) -> None:
    house.database.unlink()
    found = doctor(house)
    assert found.failed == {"configuration", "database"}
    assert "is gone" in found.one("database")["words"]
    assert "db forget" in found.one("database")["cure"]
    assert {"integrity", "journal", "daemon"} <= found.not_checked


@pytest.mark.parametrize("content", [b"", b"no database at all" * 100])
def test_one_that_is_empty_or_another_file(house: House, content: bytes) -> None:
    house.database.write_bytes(content)
    assert "database" in doctor(house).failed


def test_one_with_a_damaged_page(house: House) -> None:
    house.record(*(f"task-{n}" for n in range(300)))
    pages = bytearray(house.database.read_bytes())
    size = int.from_bytes(pages[16:18], "big")
    root = house.value("SELECT rootpage FROM sqlite_master WHERE name = 'tasks'")
    # A page of the table's tree, below its root: its cells are lost.
    leaf = int.from_bytes(pages[(root - 1) * size + 8 : (root - 1) * size + 12], "big")
    pages[(leaf - 1) * size + 3 : (leaf - 1) * size + 5] = b"\0\1"
    house.database.write_bytes(pages)
    found = doctor(house)
    assert "integrity" in found.failed
    assert "restore" in str([one["cure"] for one in found.findings if one["level"] == "FAIL"])


def test_a_text_that_was_damaged(house: House) -> None:
    house.rows("UPDATE tasks SET correlation_id = CAST(x'ff' AS TEXT)")
    found = doctor(house)
    assert found.failed == {"integrity"}
    assert "cannot be decoded" in found.one("integrity")["words"]


def test_one_that_is_busy(house: House) -> None:
    with open_store(house.database) as store, store.write():
        found = doctor(house)
    assert found.code in (0, 1)
    assert not [one for one in found.findings if "fault in cdpoll" in one["words"]]


def test_a_check_that_would_take_long_is_ended(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.store.db.sqlite.CALL_STEPS", 1)

    class Hasty:
        def __init__(self) -> None:
            self.asked = 0

        def monotonic(self) -> int:
            self.asked += 1
            return self.asked * 10_000

    with open_store(house.database) as store:
        found = checks._integrity(store, Hasty(), brief=True)  # type: ignore[arg-type]
        assert (found.level, found.words) == ("WARN", "not checked: the file could not be read through in 1.5 s")
        assert "cdpoll db integrity" in found.cure
        assert store.wrong() == []


def test_a_journal_that_another_process_keeps(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.rows("PRAGMA journal_mode = WAL")
    with open_store(house.database, "wal") as store:
        assert isinstance(store, SqliteStore)
        other = doctor(house).one("journal")
        assert other["level"] == ("OK" if wal_is_safe(sqlite3.sqlite_version_info) else "WARN")
        assert store.journal_mode() == "wal"
        if other["level"] == "WARN":
            assert other["words"] == "the journal mode is wal, and truncate is configured"


def test_the_unit_of_the_service(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command of the name stands for systemd, which tests have none of; this process stands for the daemon."""
    house.write(store_runs="daemon")
    tool = tmp_path / "bin" / "systemctl"
    tool.parent.mkdir()
    monkeypatch.setenv("PATH", f"{tool.parent}:{os.environ['PATH']}")

    def with_unit(check: str, *said: str) -> Finding:
        tool.write_text("#!/bin/sh\n" + "".join(f"echo '{line}'\n" for line in said) + f"exit {0 if said else 1}\n")
        tool.chmod(0o755)
        return looked(house, check)

    dead = ("LoadState=loaded", "ActiveState=failed", "MainPID=0", "WatchdogUSec=3min", "Restart=always")
    assert "(cdpoll.service is failed)" in with_unit("daemon", *dead).words
    assert "(cdpoll.service is not installed)" in with_unit("daemon", "LoadState=not-found").words
    none = with_unit("daemon")
    assert (none.level, "(no systemd answers here)" in none.words) == ("FAIL", True)
    assert with_unit("watchdog").words.startswith("not checked: it needs what daemon")
    passed(house, VERSION)
    live = ("LoadState=loaded", "ActiveState=active", f"MainPID={os.getpid()}")
    assert with_unit("watchdog", *live, "WatchdogUSec=3min", "Restart=always").level == "OK"
    for said, words in (
        ((*live, "WatchdogUSec=0", "Restart=always"), "has no WatchdogSec="),
        ((*live, "WatchdogUSec=3min", "Restart=no"), "has no Restart="),
        (dead, "is not that of cdpoll.service"),
        ((), "not checked: no systemd answers here"),
    ):
        found = with_unit("watchdog", *said)
        assert (found.level, words in found.words, bool(found.cure)) == ("WARN", True, True)
    house.write(store_runs="once")
    assert [one for one in looking(house) if one.check == "watchdog"] == []


def test_a_daemon_of_another_version(house: House) -> None:
    passed(house, "0.0.1")
    told = doctor(house).one("daemon")
    assert told["level"] == "WARN"
    assert "is of version 0.0.1; installed is " in told["words"]


def test_an_installed_daemon_has_the_version_of_its_build(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = "0.0.1+g123456789abc"
    monkeypatch.setattr(services, "VERSION", installed)
    passed(house, installed)
    told = looked(house, "daemon")
    assert told.level == "OK"
    assert "finished its last pass" in told.words


def test_a_daemon_that_is_stuck_is_to_be_restarted_and_not_started(house: House) -> None:
    passed(house, "1", ago_ms=120_000)
    assert doctor(house).one("daemon")["cure"] == "restart it: systemctl restart cdpoll"


def test_a_systemctl_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert unit_of("cdpoll.service") is None


def test_ways_out_and_no_process_that_serves_them(house: House) -> None:
    (house.folder / "out").mkdir()
    house.ways["files"] = {"kind": "directory", "path": str(house.folder / "out")}
    house.write()
    found = doctor(house)
    assert found.failed == {"deliveries"}
    assert "systemctl start cdpoll-deliver" in found.one("deliveries")["cure"]
    with house.deliver() as process:
        process.ready()
        assert doctor(house).one("deliveries")["level"] == "OK"
        process.stopped()


@pytest.mark.parametrize(
    ("keys", "level"),
    [
        ({"polling_requests_per_second": "1"}, "OK"),
        ({"polling_requests_per_second": "1000"}, "WARN"),
        ({"polling_requests_per_second": "0.0001"}, "WARN"),
        ({"polling_requests_per_second": "1", "polling_daily_budget": "20"}, "WARN"),
    ],
)
def test_the_rate_limit_by_what_waits(house: House, keys: dict[str, str], level: str) -> None:
    house.record(*(f"task-{n}" for n in range(9)))
    house.write(
        api_base_url="http://127.0.0.1:9/rcm/eligibility/v1", api_client_id="c", api_client_secret="{env S}", **keys
    )
    assert doctor(house, S="s").one("limits")["level"] == level


def test_the_disk(monkeypatch: pytest.MonkeyPatch, house: House) -> None:
    """The figures of a disk are asked of the machine; here they are told. A read-only one is in tests/field."""

    def told(free_mib: float, *, read_only: bool = False) -> str:
        monkeypatch.setattr(modes, "disk_of", lambda folder: Disk(int(free_mib * 1024 * 1024), read_only))
        (found,) = modes.disk(house.database)
        return f"{found.level} {found.words}"

    assert told(5000).startswith("OK 5,000 MiB free")
    assert told(50).startswith("WARN the disk is nearly full")
    assert told(2).startswith("FAIL the disk is full")
    assert told(5000, read_only=True).startswith("FAIL the file system")
    with house.database.open("ab") as file:
        file.truncate(200 * 1024 * 1024)
    assert told(150).startswith("WARN 150 MiB free")
    monkeypatch.setattr(modes, "disk_of", lambda folder: None)
    assert next(iter(modes.disk(house.database))).level == "FAIL"
    assert next(iter(modes.disk(Path("/nonexistent/a/b/cdpoll.db")))).level == "FAIL"


def test_credentials_of_the_running_service_are_found(tmp_path: Path) -> None:
    handed = tmp_path / "cdpoll.service"
    assert with_credentials({"A": "b"}, handed) == {"A": "b"}
    handed.mkdir()
    assert with_credentials({"A": "b"}, handed) == {"A": "b", "CREDENTIALS_DIRECTORY": str(handed)}
    assert with_credentials({"CREDENTIALS_DIRECTORY": "/x"}, handed) == {"CREDENTIALS_DIRECTORY": "/x"}


def test_each_service_has_credentials_of_its_own(house: House, tmp_path: Path) -> None:
    secret, address = "whsec_" + "x" * 32, "http://127.0.0.1:9/uuid"
    for unit, name, text in (("cdpoll.service", "page", address), ("cdpoll-deliver.service", "hook", secret)):
        (tmp_path / unit).mkdir()
        (tmp_path / unit / name).write_text(text)
    house.ways["hook"] = {"kind": "webhook", "url": "http://127.0.0.1:9/", "secret": "{credential hook}"}
    house.write(alert_ping="{credential page}")
    config = as_handed(str(house.config), {}, tmp_path).config
    assert config is not None
    (way,) = config.deliver
    assert isinstance(way, WebhookSection)
    assert config.alert.ping is not None
    assert (way.secret.reveal(), config.alert.ping.reveal()) == (secret, address)


def test_nothing_is_left_beside_the_database(house: House) -> None:
    before = {path.name: (path.stat().st_mtime_ns, path.stat().st_size) for path in house.database.parent.iterdir()}
    doctor(house)
    after = {path.name: (path.stat().st_mtime_ns, path.stat().st_size) for path in house.database.parent.iterdir()}
    assert after == before
    assert stat.S_IMODE(house.database.stat().st_mode) == 0o600
