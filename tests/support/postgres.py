"""A real PostgreSQL server of the tests' own, and databases in it that each are for one test.

The server is an ordinary process in a private folder, in memory where there is room. It listens on a Unix socket
there, so that it meets no other server of the machine. It refuses to run as root; root starts it as another user. Where
the Debian package postgresql is missing, the tests that need it say so and are skipped.
``CDPOLL_TEST_POSTGRESQL`` names the folder of the programs of another version.
"""

import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import quote, urlencode

import psycopg
import pytest

from worker.place import DatabasePlace, Server
from worker.store.opening import open_store

IS_ROOT = os.geteuid() == 0
SUPERUSER = "cdpoll"

# No power is cut here, so nothing waits for a disk; what was committed survives a crash of the server alone. Messages
# are in English, as C has them.
SETTINGS = {
    "fsync": "off",
    "dynamic_shared_memory_type": "mmap",  # in the folder, so that it goes with it
    "full_page_writes": "off",
    "autovacuum": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_connections": "60",
    "shared_buffers": "32MB",
    "max_wal_size": "128MB",
    "lc_messages": "C",
}

# Waits until the process of the tests has ended in whatever way, and leaves nothing of the server.
GUARD = """
read -r _
test -s "$1/data/postmaster.pid" && kill -QUIT "$(head -n 1 "$1/data/postmaster.pid")"
for _ in 1 2 3 4 5 6 7 8 9 10; do rm -rf "$1" 2>/dev/null; test -e "$1" || break; sleep 0.2; done
"""

# A server with some tens of databases.
LEAST_ROOM_BYTES = 1 << 30

SIGNALS = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}
Mode = Literal["smart", "fast", "immediate"]


class Cluster:
    """A server. It is started when it is made; use it as a context manager, or :meth:`close` it.

    ``tcp``: it listens on a port of loopback too. ``settings`` go before those of all. ``log`` is what it said so far.
    """

    def __init__(self, *, tcp: bool = False, **settings: str) -> None:
        self._programs = programs()
        self.port = _free_port() if tcp else 5432
        self.tcp = tcp
        self.log: list[str] = []
        self._settings = SETTINGS | {"listen_addresses": "127.0.0.1" if tcp else ""} | settings
        self._process: subprocess.Popen[str] | None = None
        self._drain: threading.Thread | None = None
        self.databases = Databases(self)
        # The name of a socket has 107 characters at most.
        self.folder = Path(tempfile.mkdtemp(prefix="cdpoll-pg-", dir=_roomy()))
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", GUARD, "guard", str(self.folder)], stdin=subprocess.PIPE, start_new_session=True
        )
        try:
            if IS_ROOT:
                user = _other_user()
                os.chown(self.folder, user.pw_uid, user.pw_gid)
            self._make()
        except BaseException:
            self.close()
            raise

    def _make(self) -> None:
        options = ["--no-sync", "-U", SUPERUSER, "-A", "trust", "-E", "UTF8", "--no-locale", "--no-instructions"]
        self._data_by("initdb", options)
        self.start()
        with self.connect("postgres") as conn:
            conn.execute("CREATE DATABASE cdpoll")

    def _data_by(self, program: str, options: list[str]) -> None:
        command = [str(self._programs / program), "-D", str(self.folder / "data"), *options]
        made = subprocess.run(command, capture_output=True, text=True, cwd="/", **_as_other())
        assert made.returncode == 0, made.stderr

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the server, and remove all it has."""
        self.databases.close()
        if self.running:
            self.stop("immediate")
        self._guard.communicate()

    @property
    def running(self) -> bool:
        return self._process is not None

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        assert self._process is None
        command = [str(self._programs / "postgres"), "-D", str(self.folder / "data"), "-k", str(self.folder)]
        command += ["-p", str(self.port)]
        for name, value in self._settings.items():
            command += ["-c", f"{name}={value}"]
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd="/",
            start_new_session=True,  # Ctrl-C is for the tests
            **_as_other(),
        )
        ready = threading.Event()

        def drain() -> None:
            assert process.stderr is not None
            with process.stderr as lines:
                for line in lines:
                    self.log.append(line)
                    if "ready to accept" in line:  # a standby: read-only ones
                        ready.set()
            ready.set()

        self._process, self._drain = process, threading.Thread(target=drain, daemon=True)
        self._drain.start()
        ready.wait()
        if process.poll() is not None:
            self._ended()
            pytest.fail("PostgreSQL did not start: " + "".join(self.log[-20:]))

    def stop(self, mode: Mode = "fast") -> None:
        """End it: ``smart`` waits until all have left, ``fast`` rolls back what they do, ``immediate`` is a crash."""
        assert self._process is not None
        self._process.send_signal(SIGNALS[mode])
        self._ended()

    def restart(self, mode: Mode = "fast") -> None:
        self.stop(mode)
        self.start()

    def kill(self) -> None:
        """Kill it and all that it has started, as when its machine loses power. It can be started again."""
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        self._process.kill()
        for child in map(int, children):
            # They end by themselves too, as soon as they see that it is gone.
            try:
                os.kill(child, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self._ended()

    def _ended(self) -> None:
        assert self._process is not None
        assert self._drain is not None
        self._process.wait()
        self._drain.join()  # its last backend holds the pipe
        self._process = None

    def url(self, schema: str = "public", *, database: str = "cdpoll", **options: str) -> str:
        """How to connect to it; what is made there without a schema is made in ``schema``."""
        place = f"127.0.0.1:{self.port}" if self.tcp else ""
        more = {} if self.tcp else {"host": str(self.folder), "port": str(self.port)}
        more |= {"options": f"-csearch_path={schema}"} | options
        return f"postgresql://{SUPERUSER}@{place}/{quote(database)}?{urlencode(more, quote_via=quote)}"

    def connect(self, database: str = "cdpoll", schema: str = "public") -> psycopg.Connection[tuple[Any, ...]]:
        """A connection of the superuser, beside those of cdpoll; each statement is a transaction."""
        return psycopg.connect(self.url(schema, database=database), autocommit=True)

    def run(self, sql: str, *params: object, database: str = "cdpoll") -> list[tuple[Any, ...]]:
        """What one statement of the superuser answers."""
        with self.connect(database) as conn:
            done = conn.execute(sql, params or None)
            return done.fetchall() if done.description else []


class Standby(Cluster):
    """Follows ``primary``, whose setting ``wal_level`` is ``replica``, until it is promoted."""

    def __init__(self, primary: Cluster, **settings: str) -> None:
        self._primary = primary
        super().__init__(tcp=primary.tcp, wal_level="replica", max_wal_senders="5", **settings)

    def _make(self) -> None:
        options = ["-h", str(self._primary.folder), "-p", str(self._primary.port), "-U", SUPERUSER]
        self._data_by("pg_basebackup", [*options, "-R", "--no-sync", "--checkpoint=fast"])
        self.start()

    def promote(self) -> None:
        """It takes writes from now on."""
        self.run("SELECT pg_promote()")


class Databases:
    """Databases of a cluster with the tables of cdpoll in them, each for one test.

    Each is a copy of a template: that takes a fourth of the time of making all tables in a schema of its own, and
    leaves less behind.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._numbers = count(1)
        self._left: list[str] = []
        self._conn: psycopg.Connection[tuple[Any, ...]] | None = None

    def close(self) -> None:
        if self._conn is not None:
            self._conn.close()

    def _run(self, sql: str) -> None:
        if self._conn is not None:
            try:
                self._conn.execute(sql)
                return
            except psycopg.OperationalError:  # a test has stopped the server
                self._conn.close()
        self._conn = self._cluster.connect("postgres")
        self._conn.execute(sql)

    def _make_templates(self) -> None:
        self._run("CREATE DATABASE empty")
        self._run("CREATE DATABASE made")
        with open_store(self.at(Path("/nowhere/cdpoll.db"), "made"), create=True):
            pass

    def new(self, template: str = "made") -> str:
        """The name of a fresh one: with all tables, without any (``empty``), or as another one is."""
        number = next(self._numbers)
        if number == 1:
            self._make_templates()
        # A session takes some time to end after its client has gone, and the server would wait for it.
        for name in self._left:
            self._run(f"DROP DATABASE {name} (FORCE)")
        self._left.clear()
        name = f"test{number}"
        self._run(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        if template == "made":
            fresh = "UPDATE meta SET value = replace(gen_random_uuid()::TEXT, '-', '') WHERE key = 'identity'"
            self._cluster.run(fresh, database=name)
        return name

    def leave(self, names: Sequence[str]) -> None:
        """They are needed no more."""
        self._left += names

    def at(self, path: Path, database: str, **changes: Any) -> DatabasePlace:
        """A place in such a database, with this host's own files beside ``path``. The tests' clock counts there."""
        url = self._cluster.url(database=database)
        usual: dict[str, Any] = {"url": lambda: url, "shown": f"postgresql:///{database}", "daemon": "host-a"}
        return DatabasePlace(path, server=Server(**(usual | {"tells_time": False} | changes)))


def programs() -> Path:
    """The folder of initdb and postgres."""
    told = os.environ.get("CDPOLL_TEST_POSTGRESQL")
    if told:
        return Path(told)
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: _number(path.parts[-3]))
    if found:
        return found[-1].parent
    elsewhere = shutil.which("postgres")
    if elsewhere is None:
        pytest.skip("the Debian package postgresql is missing")
    return Path(elsewhere).resolve().parent


def _roomy() -> Path | None:
    """Where to put the server: to copy a database takes twice as long on a disk."""
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and shutil.disk_usage(memory).free >= LEAST_ROOM_BYTES
    return memory if roomy else None


def _number(version: str) -> int:
    digits = re.match(r"\d+", version)
    return int(digits.group()) if digits else 0


def _other_user() -> pwd.struct_passwd:
    names = [user.pw_name for user in pwd.getpwall()]
    return pwd.getpwnam("postgres" if "postgres" in names else "nobody")


def _as_other() -> dict[str, Any]:
    if not IS_ROOT:
        return {}
    user = _other_user()
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
