"""Who may do what with a database on a server: each role by the real commands, and what it may not is refused."""

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.support.cdpoll_process import ROOT, Ended, House
from tests.support.postgres import Cluster
from tests.support.spool_folder import make_spool
from worker.store.patient_data import HOLDS

MADE = ROOT / "packaging/postgresql/roles.sql"
ROLES = ("owner", "daemon", "recorder", "reader", "views")
VIEWS = {"tasks_overview", "found_coverage", "batch_answers", "kept_results", "published"}
NUMBERS = count(1)
LINK = '</rcm/eligibility/v1/coverage-discovery/{}>; rel="related"'


def statements(file: Path) -> list[str]:
    lines = [line.partition("--")[0] for line in file.read_text().splitlines()]
    return [one.strip() for one in "\n".join(lines).split(";") if one.strip()]


@pytest.fixture(scope="module")
def guarded() -> Iterator[Cluster]:
    """A server with the roles."""
    with Cluster() as cluster:
        for one in statements(MADE):
            if one.startswith("CREATE ROLE"):
                cluster.run(one)
        yield cluster


@pytest.fixture
def database(guarded: Cluster) -> str:
    name = f"test{next(NUMBERS)}"
    for one in statements(MADE):
        if not one.startswith("CREATE ROLE"):
            guarded.run(one.replace("DATABASE cdpoll", f"DATABASE {name}"))
    return name


class ByRole:
    """An installation whose commands can be given by each of the roles."""

    def __init__(self, house: House, cluster: Cluster, database: str) -> None:
        self.house, self._cluster, self.database = house, cluster, database

    def run(self, role: str, *args: str, check: int | None = 0, stdin: bytes = b"") -> Ended:
        url = self._cluster.url(database=self.database).replace("cdpoll@", f"cdpoll_{role}@")
        self.house.write(store_url=url, store_daemon="east")
        return self.house.cdpoll(*args, check=check, stdin=stdin)

    def refused(self, role: str, *args: str, stdin: bytes = b"") -> None:
        done = self.run(role, *args, check=74, stdin=stdin)
        assert "permission denied" in done.err
        assert "docs/postgresql.md says under roles" in done.err
        assert done.out == b""

    def ask(self, sql: str) -> list[tuple[object, ...]]:
        return self._cluster.run(sql, database=self.database)


@pytest.fixture
def site(guarded: Cluster, database: str, tmp_path: Path) -> ByRole:
    """With tables, and one task that has found coverage."""
    made = ByRole(House(tmp_path), guarded, database)
    made.run("owner", "db", "migrate")
    return made


def test_the_owner_makes_the_tables_and_the_daemon_does_the_work(site: ByRole) -> None:
    site.run("daemon", "record", "a", "--ref", "r")
    site.run("daemon", "run", "--once", check=69)  # there is no vendor
    assert site.ask("SELECT reason FROM api") != [(None,)]
    for command in (["abandon", "a"], ["retry", "a"], ["poll", "a"], ["purge", "--older-than", "1d", "--yes"]):
        site.run("daemon", *command, check=None)


def test_the_daemon_makes_no_table(guarded: Cluster, database: str, tmp_path: Path) -> None:
    site = ByRole(House(tmp_path), guarded, database)
    site.refused("daemon", "record", "a")
    site.refused("daemon", "db", "migrate")
    assert site.ask("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]


def test_no_one_but_the_owner_grants(site: ByRole) -> None:
    for role in ("daemon", "recorder", "reader"):
        site.refused(role, "db", "migrate")


@pytest.mark.parametrize("role", ["daemon", "owner"])
def test_the_audit_is_only_added_to(site: ByRole, role: str) -> None:
    site.run("daemon", "record", "a")
    site.run("daemon", "show", "a", "--json")
    with pytest.raises(Exception, match=r"permission denied|only added"):
        site.ask(f"SET ROLE cdpoll_{role}; DELETE FROM acts")


def test_a_recorder_records_and_is_idempotent(site: ByRole) -> None:
    first = site.run("recorder", "record", "a", "--ref", "r1", "--correlation-id", "c", "--json")
    again = site.run("recorder", "record", "a", "--ref", "r2", "--correlation-id", "c", "--json")
    assert (first.json["recorded"], again.json["known"]) == (["a"], ["a"])
    link = LINK.format("b")
    site.run("recorder", "record", "--link", link, "--ref", "r1")
    site.run("recorder", "record", "--headers", "-", stdin=f"HTTP/1.1 200 OK\r\nLink: {link}\r\n\r\n".encode())
    site.run("recorder", "record", "--headers", "-", stdin=b"HTTP/1.1 200 OK\r\n\r\n")
    site.run("recorder", "record", "--lookup", "lost-1", "--ref", "r3")
    site.run("recorder", "record", "--lookup", "lost-1", "--ref", "r3")
    for _ in range(2):
        site.run("recorder", "record", "--link", "nonsense; coverage-discovery", check=65)
    assert site.ask("SELECT raw, last_at > first_at FROM unreadable") == [("nonsense; coverage-discovery", True)]
    line = {"id": "d", "ref": "r4", "member_id": "M1", "birth_date": "1970-01-01", "trace_number": "T1"}
    site.run("recorder", "record", "--jsonl", "-", stdin=json.dumps(line).encode())
    assert site.ask("SELECT id FROM tasks ORDER BY id") == [("a",), ("b",), ("d",)]
    assert site.ask("SELECT n FROM tallies WHERE name = 'state' AND key = 'pending'") == [(3,)]


def test_a_recorder_gives_a_later_ref_to_what_was_found(site: ByRole) -> None:
    site.run("daemon", "record", "SBX-TWO-MINUTES-FOUND-1")
    site.ask("UPDATE tasks SET state = 'concluded', outcome = 'success', due_at = NULL, concluded_at = 1")
    site.ask(
        "INSERT INTO results (seq, task, source, revision, received_at, body) VALUES (1, 1, 'poll', 1, 1, 'secret')"
    )
    site.run("recorder", "record", "SBX-TWO-MINUTES-FOUND-1", "--ref", "late")
    assert site.ask("SELECT ref FROM outbox") == [("late",)]


def test_a_recorder_reads_nothing_else(site: ByRole) -> None:
    site.run("daemon", "record", "a")
    for command in (
        ["status"],
        ["tasks"],
        ["show", "a"],
        ["found"],
        ["export"],
        ["retry", "a"],
        ["unreadable", "list"],
    ):
        site.refused("recorder", *command)


# What a recorder needs to know an id, a ref and a lookup again.
KNOWN_AGAIN = {("refs", "ref"), ("lookups", "ref"), ("lookups", "correlation_id"), ("lookups", "state")}


def test_a_recorder_may_read_no_column_that_holds_patient_data(site: ByRole) -> None:
    readable = {
        (one.table, one.column)
        for one in HOLDS
        if site.ask(f"SELECT has_column_privilege('cdpoll_recorder', '{one.table}', '{one.column}', 'SELECT')")
        == [(True,)]
    }
    assert readable == KNOWN_AGAIN
    of_views = site.ask(
        "SELECT attrelid::regclass::text, attname FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid"
        " WHERE relkind = 'v' AND relnamespace = 'public'::regnamespace"
        " AND has_column_privilege('cdpoll_recorder', attrelid, attnum, 'SELECT')"
    )
    assert sorted(of_views) == [("kept_results", "seq"), ("kept_results", "task")]


def test_what_a_recorder_may_not_do_is_left_in_the_spool(site: ByRole) -> None:
    """What is compared with answers, or with what is known of a patient."""
    line = {"id": "d", "member_id": "M1", "birth_date": "1970-01-01"}
    site.run("recorder", "record", "--jsonl", "-", stdin=json.dumps(line).encode())
    site.refused("recorder", "record", "--jsonl", "-", stdin=json.dumps(line).encode())
    folder = make_spool(site.house.folder / "spool")
    site.house.write(spool_path=str(folder.parent))
    done = site.run("recorder", "record", "--jsonl", "-", "--json", stdin=json.dumps(line).encode())
    assert done.json["spooled"] == 1
    assert len([one for one in folder.iterdir() if one.name[0] != "."]) == 1


def test_a_reader_reads_and_is_noted(site: ByRole) -> None:
    site.run("daemon", "record", "a", "--ref", "r")
    for command in (
        ["status"],
        ["tasks", "--json"],
        ["show", "a", "--json"],
        ["found", "--json"],
        ["export"],
        ["export", "--cursor", "billing"],
        ["files"],
        ["deliveries", "list"],
        ["problems", "list"],
        ["unreadable", "list"],
        ["quarantine", "list"],
        ["lookups", "list"],
        ["expected", "list"],
    ):
        site.run("reader", *command, check=None if command == ["status"] else 0)
    acts = {act for (act,) in site.ask("SELECT act FROM acts")}
    assert {"listed tasks", "showed task", "listed coverage", "exported"} <= acts


def test_a_reader_changes_nothing_and_takes_no_lock(site: ByRole) -> None:
    site.run("daemon", "record", "a")
    before = site.ask("SELECT * FROM tasks")
    for command in (["record", "b"], ["retry", "a"], ["abandon", "a"], ["purge", "--older-than", "1d", "--yes"]):
        site.refused("reader", *command)
    assert site.ask("SELECT * FROM tasks") == before
    tables = site.ask(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        " AND (has_table_privilege('cdpoll_reader', oid, 'UPDATE, DELETE, TRUNCATE')"
        " OR has_any_column_privilege('cdpoll_reader', oid, 'UPDATE'))"
    )
    assert sorted(tables) == [("cursors",), ("leases",)]
    assert site.ask("SELECT has_table_privilege('cdpoll_reader', 'callback_tokens', 'SELECT')") == [(False,)]


def test_tools_for_reports_see_the_views_alone(site: ByRole) -> None:
    seen = site.ask(
        "SELECT relname FROM pg_class WHERE relkind IN ('r', 'v') AND relnamespace = 'public'::regnamespace"
        " AND has_any_column_privilege('cdpoll_views', oid, 'SELECT, INSERT, UPDATE')"
    )
    assert {name for (name,) in seen} == VIEWS
    for view in VIEWS:
        site.ask(f"SET ROLE cdpoll_views; SELECT * FROM {view}")


def test_a_role_that_came_later_gets_its_rights_by_migrate(guarded: Cluster, site: ByRole) -> None:
    site.ask("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM cdpoll_reader")
    site.refused("reader", "tasks")
    site.run("owner", "db", "migrate")
    site.run("reader", "tasks")


def test_a_stranger_is_let_into_no_database(guarded: Cluster, site: ByRole) -> None:
    guarded.run("CREATE ROLE cdpoll_stranger LOGIN")
    done = site.run("stranger", "status", check=74)
    assert "permission denied for database" in done.err
