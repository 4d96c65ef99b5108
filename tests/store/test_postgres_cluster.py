"""The server of the tests: nothing of it outlives the tests, however they end, and each database is for one of them."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.cdpoll_process import ROOT, until
from tests.support.postgres import Cluster
from worker.store.opening import open_store

# A process that was started in the background ignores SIGINT, and so would its children.
RUN = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from tests.support.postgres import Cluster
with Cluster(tcp=True) as cluster:
    print(cluster.folder, cluster.run("SELECT 1 AS one"), flush=True)
    sys.stdin.readline()
    raise RuntimeError
"""


@pytest.mark.parametrize("end", [None, signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_however_its_process_ends(end: signal.Signals | None) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", RUN],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
        start_new_session=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        folder, _, answer = process.stdout.readline().decode().partition(" ")
        assert answer == "[(1,)]\n"
        server = int((Path(folder) / "data" / "postmaster.pid").read_text().splitlines()[0])
        if end is None:
            process.stdin.write(b"\n")
            process.stdin.flush()
        else:
            os.killpg(process.pid, end)
        assert process.wait()
    until(lambda: not Path(folder).exists(), "its folder is removed")
    until(lambda: not _runs(server), "its server has ended")


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_each_database_is_one_of_its_own_with_the_tables_of_now(cluster: Cluster, path: Path) -> None:
    names = [cluster.databases.new(), cluster.databases.new()]
    try:
        with (
            open_store(cluster.databases.at(path, names[0])) as one,
            open_store(cluster.databases.at(path, names[1])) as other,
        ):
            with one.write():
                one.execute("INSERT INTO meta (key, value) VALUES ('k', 'v')")
            assert other.read("SELECT * FROM meta WHERE key = 'k'") == []
            identities = {
                store.read("SELECT value FROM meta WHERE key = 'identity'")[0]["value"] for store in (one, other)
            }
            assert len(identities) == 2
    finally:
        cluster.databases.leave(names)


def test_what_was_committed_outlives_every_end_of_the_server(cluster: Cluster) -> None:
    name = cluster.databases.new()
    put = "INSERT INTO meta (key, value) VALUES (%s, 'kept')"
    try:
        cluster.run(put, "first", database=name)
        cluster.restart("immediate")
        cluster.run(put, "second", database=name)
        cluster.kill()
        assert not cluster.running
        cluster.start()
        assert cluster.run("SELECT count(*) FROM meta WHERE value = 'kept'", database=name) == [(2,)]
    finally:
        cluster.databases.leave([name])


def test_a_schema_can_be_named(cluster: Cluster) -> None:
    cluster.run("CREATE SCHEMA beside")
    try:
        with cluster.connect(schema="beside") as conn:
            assert conn.execute("SELECT current_schema()").fetchall() == [("beside",)]
    finally:
        cluster.run("DROP SCHEMA beside")
