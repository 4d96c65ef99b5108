"""``cdpoll run`` as a process: its modes and exit codes, its signals, and what it says to systemd and to the log."""

import os
from collections import Counter
from pathlib import Path

import pytest

from sandbox.server import Sandbox
from tests.support.cdpoll_process import House, begin, until
from tests.support.held_vendor import HeldVendor


def record_due(house: House, *ids: str) -> None:
    house.record(*ids)
    house.rows("UPDATE tasks SET due_at = 1")


def looks(sandbox: Sandbox) -> Counter[str]:
    """How often each task was asked for."""
    return Counter(path.rpartition("/")[2] for method, path, _ in sandbox.log if method == "GET")


# --- modes and exit codes


def test_until_idle_concludes_everything_and_ends_with_0(house: House, sandbox: Sandbox) -> None:
    ids = begin(sandbox, 12)
    house.record(*ids)
    house.cdpoll("run", "--until-idle", check=0)
    assert house.status()["tasks"] == {"pending": 0, "due": 0, "concluded": 12, "abandoned": 0}
    assert house.value("SELECT count(*) FROM results") == 12
    assert looks(sandbox) == Counter(ids)
    assert house.value("SELECT stopped_at IS NOT NULL FROM daemons") == 1


def test_once_looks_once_at_what_is_due(house: House, sandbox: Sandbox) -> None:
    never, done = begin(sandbox, 1, "SBX-NEVER"), begin(sandbox, 2, first=1)
    record_due(house, *never, *done)
    house.cdpoll("run", "--once", check=0)
    assert looks(sandbox) == Counter([*never, *done])
    assert house.rows("SELECT state, count(*) FROM tasks GROUP BY state") == [("concluded", 2), ("pending", 1)]


def test_once_with_nothing_to_do(house: House, sandbox: Sandbox) -> None:
    house.cdpoll("run", "--once", check=0)
    assert sandbox.log == []


@pytest.mark.parametrize(
    ("faults", "code"),
    [
        ("token_refused", 77),
        ("forbidden@GET", 77),
        ("invalid_product@GET", 77),
        ("token_down", 69),
        ("503@/coverage-discovery", 69),
        ("reset@/coverage-discovery@GET", 69),
        ("429:60@/coverage-discovery", 75),
        ("404@/coverage-discovery", 0),
    ],
)
def test_the_end_of_once_tells_why(house: House, sandbox: Sandbox, faults: str, code: int) -> None:
    record_due(house, *begin(sandbox, 2))
    sandbox.set_faults(faults)
    house.cdpoll("run", "--once", check=code)
    assert house.rows("SELECT state FROM tasks") == [("pending",)] * 2


def test_once_finds_out_whether_a_single_refused_task_is_about_us(house: House, sandbox: Sandbox) -> None:
    record_due(house, *begin(sandbox, 1))
    sandbox.set_faults("forbidden@GET")
    house.cdpoll("run", "--once", check=77)
    assert house.value("SELECT failures FROM tasks") == 0


def test_once_ends_with_75_when_the_budget_of_the_day_is_spent(house: House, sandbox: Sandbox) -> None:
    house.write(polling_daily_budget="3")
    record_due(house, *begin(sandbox, 4))
    house.cdpoll("run", "--once", check=75)
    asked = sum(looks(sandbox).values())
    assert asked == 3, "that a token was needed, too, is known too late"
    assert house.rows("SELECT state, count(*) FROM tasks GROUP BY state") == [("concluded", 3), ("pending", 1)]
    house.cdpoll("run", "--once", check=75)
    assert sum(looks(sandbox).values()) == asked
    house.rows("UPDATE tasks SET due_at = recorded_at + 3600000 WHERE state = 'pending'")
    house.cdpoll("run", "--once", check=0)


def test_once_where_nobody_listens_is_69(tmp_path: Path) -> None:
    house = House(tmp_path)
    record_due(house, "a")
    house.cdpoll("run", "--once", check=69)


@pytest.mark.parametrize("mode", [[], ["--once"]])
@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"api_base_url": "", "api_client_id": "", "api_client_secret": "", "api_timeout": ""}, "base_url"),
        ({"api_client_id": ""}, "client_id"),
        ({"api_client_secret": "{env NOT_THERE_AT_ALL}"}, "NOT_THERE_AT_ALL"),
        ({"polling_burst": "some"}, "burst"),
    ],
)
def test_a_configuration_that_cannot_work_is_78(house: House, mode: list[str], keys: dict[str, str], said: str) -> None:
    house.write(**keys)
    assert said in house.cdpoll("run", *mode, check=78).err


def test_the_api_of_another_environment_is_78(house: House) -> None:
    house.cdpoll("run", "--once", check=0)
    house.write(api_base_url="https://other.example/rcm/eligibility/v1")
    ended = house.cdpoll("run", check=78)
    assert "https://other.example" in ended.err
    assert house.value("SELECT value FROM meta WHERE key = 'api_origin'").startswith("http://127.0.0.1:")


def test_a_store_that_cannot_be_made_is_74(house: House) -> None:
    (house.folder / "file").write_text("")
    house.write(store_path=str(house.folder / "file" / "cdpoll.db"))
    house.cdpoll("run", check=74)


def test_a_second_daemon_is_75_and_the_first_goes_on(house: House, sandbox: Sandbox) -> None:
    with house.start() as daemon:
        daemon.ready()
        for mode in ([], ["--once"]):
            assert "already works on" in house.cdpoll("run", *mode, check=75).err
        house.record(*begin(sandbox, 1))
        until(lambda: house.value("SELECT count(*) FROM results"), "a result", daemon.process)
        assert daemon.stopped() == 0


def test_ids_recorded_while_it_idles_are_noticed(house: House, sandbox: Sandbox) -> None:
    with house.start() as daemon:
        daemon.ready()
        for n in range(3):
            house.record(*begin(sandbox, 1, first=n))
            until(lambda: house.value("SELECT count(*) FROM results") > n, "its result", daemon.process)  # noqa: B023
        assert daemon.stopped() == 0


# --- signals


def test_sigterm_lets_a_slow_answer_come_and_saves_it(house: House, sandbox: Sandbox) -> None:
    record_due(house, *begin(sandbox, 1))
    with HeldVendor(sandbox) as vendor, house.start() as daemon:
        vendor.wait_for(requests=1)
        daemon.terminate()
        daemon.hear("STOPPING=1")
        assert house.value("SELECT count(*) FROM results") == 0
        vendor.let_go()
        assert daemon.end() == 0
    assert house.value("SELECT state FROM tasks") == "concluded"
    assert house.value("SELECT count(*) FROM results") == 1


def test_sigterm_sends_nothing_new(house: House, sandbox: Sandbox) -> None:
    house.write(polling_max_in_flight="2")
    record_due(house, *begin(sandbox, 6))
    with HeldVendor(sandbox) as vendor, house.start() as daemon:
        vendor.wait_for(requests=2)
        daemon.terminate()
        daemon.hear("STOPPING=1")
        vendor.let_go()
        assert daemon.end() == 0
    assert sandbox.requests["discovery_get", 200] == 2
    assert house.value("SELECT count(*) FROM results") == 2


@pytest.mark.parametrize("mode", ["--until-idle", "--once"])
def test_stopped_before_all_is_done_is_75(house: House, sandbox: Sandbox, mode: str) -> None:
    record_due(house, *begin(sandbox, 1, "SBX-NEVER"))
    with HeldVendor(sandbox) as vendor, house.start(mode) as daemon:
        vendor.wait_for(requests=1)
        daemon.terminate()
        daemon.hear("STOPPING=1")
        vendor.let_go()
        assert daemon.end() == 75


def test_the_second_sigterm_ends_it_at_once(house: House, sandbox: Sandbox) -> None:
    record_due(house, *begin(sandbox, 1))
    with HeldVendor(sandbox) as vendor, house.start() as daemon:
        vendor.wait_for(requests=1)
        daemon.terminate()
        daemon.hear("STOPPING=1")

        def gone() -> bool:
            daemon.terminate()  # within a second it is the same wish
            return daemon.process.poll() is not None

        until(gone, "the end")
        assert daemon.end() == 128 + 15
    assert house.value("SELECT state FROM tasks") == "pending"
    assert house.value("SELECT stopped_at FROM daemons") is None


# --- systemd


def test_what_systemd_hears(house: House, sandbox: Sandbox) -> None:
    house.record(*begin(sandbox, 2))
    with house.start(WATCHDOG_USEC="600000") as daemon:
        daemon.ready()
        assert "pending" in daemon.hear("STATUS=")
        for _ in range(4):
            daemon.hear("WATCHDOG=1")
        assert daemon.stopped() == 0
        heard = daemon.heard_by_now()
    assert heard.count("READY=1") == 1
    assert heard.count("STOPPING=1") == 1
    assert heard.index("READY=1") < heard.index("STOPPING=1")


@pytest.mark.parametrize("env", [{}, {"WATCHDOG_USEC": "300000", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "0"}])
def test_no_watchdog_is_fed_that_is_not_ours(house: House, sandbox: Sandbox, env: dict[str, str]) -> None:
    house.record(*begin(sandbox, 1))
    with house.start("--until-idle", **env) as daemon:
        assert daemon.end() == 0
        heard = daemon.heard_by_now()
    assert "READY=1" in heard
    assert "WATCHDOG=1" not in heard


# --- credentials


@pytest.mark.parametrize("faults", ["token_refused", "forbidden@GET"])
def test_refused_credentials_pause_it_until_the_vendor_accepts_them(
    house: House, sandbox: Sandbox, faults: str
) -> None:
    house.record(*begin(sandbox, 3))
    sandbox.set_faults(faults)
    with house.start() as daemon:
        until(lambda: house.rows("SELECT reason FROM api") == [("credentials",)], "the pause", daemon.process)
        until(lambda: house.value("SELECT probes FROM api") >= 3, "some probes", daemon.process)
        assert house.rows("SELECT max(failures) FROM tasks WHERE state = 'pending'") == [(0,)]
        sandbox.set_faults("")
        until(lambda: house.value("SELECT count(*) FROM results") == 3, "the results", daemon.process)
        assert house.status()["api"]["paused"] is False
        assert daemon.stopped() == 0
    (begun,) = [line for line in daemon.logged() if line["event"] == "problem begins"]
    assert (begun["level"], begun["code"]) == ("error", "api_credentials")


def test_a_restart_does_not_sit_out_a_pause_for_credentials(house: House, sandbox: Sandbox) -> None:
    house.record(*begin(sandbox, 1))
    sandbox.set_faults("token_refused")
    house.cdpoll("run", "--once", check=77)
    house.rows("UPDATE api SET resumes_at = resumes_at + 86400000")
    sandbox.set_faults("")
    house.cdpoll("run", "--until-idle", check=0)


# --- what must not leak


def test_no_token_secret_ref_or_patient_is_in_the_log_and_no_token_on_the_disk(house: House, sandbox: Sandbox) -> None:
    house.write(log_level="debug")
    ids = begin(sandbox, 6, "SBX-NOW-FOUND")
    house.cdpoll("record", *ids, "--ref", "MRN-4711", check=0)
    sandbox.set_faults("expired=2x,422=2x,html=2x,revised")
    with house.start() as daemon:
        until(lambda: house.value("SELECT count(*) FROM results") == 6, "six results", daemon.process)
        core = [line for line in Path(f"/proc/{daemon.process.pid}/limits").read_text().splitlines() if "core" in line]
        on_disk = b"".join(path.read_bytes() for path in house.database.parent.iterdir())
        assert daemon.stopped() == 0
    tokens = list(sandbox.vendor.tokens._expiry)
    assert len(tokens) >= 2
    logged = house.log.read_text()
    on_disk += house.database.read_bytes()
    for token in tokens:
        assert token not in logged
        assert token.encode() not in on_disk
    assert sandbox.account.client_secret not in logged
    assert sandbox.account.client_secret.encode() not in on_disk
    assert b"MRN-4711" in on_disk
    for private in ("MRN-4711", "INVENTED", "SBX-NOW", "X12", "discoveryPaths", "127.0.0.1"):
        assert private not in logged
    assert core[0].split()[4:6] == ["0", "0"]


def test_every_line_of_the_log_is_json(house: House, sandbox: Sandbox) -> None:
    house.record(*begin(sandbox, 3))
    sandbox.set_faults("422=1x,503=1x")
    with house.start() as daemon:
        until(lambda: house.value("SELECT count(*) FROM results") == 3, "three results", daemon.process)
        assert daemon.stopped() == 0
    lines = daemon.logged()
    assert [lines[0]["event"], lines[-1]["event"]] == ["started", "stopped"]
    assert all({"event", "level", "timestamp"} <= line.keys() for line in lines)
    assert [line["event"] for line in lines[1:-1]] == ["concluded"] * 3, "a poll that failed once is no line"


def test_no_file_of_ours_can_be_read_by_others(house: House, sandbox: Sandbox) -> None:
    before = os.umask(0)
    try:
        house.record(*begin(sandbox, 1))
        house.cdpoll("run", "--until-idle", check=0)
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in house.database.parent.iterdir()}
    assert {"cdpoll.db", "cdpoll.db.lock"} <= modes.keys()
    assert {name: mode for name, mode in modes.items() if mode & 0o007} == {}
