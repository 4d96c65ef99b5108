"""The demo: the main job from end to end, with nothing simulated but the vendor.

It starts the sandbox and the real daemon as a process of its own, submits real-time checks, records the raw response
headers of each, and watches the database until every task has reached a known end. Then it holds what cdpoll stored
against what the sandbox knows to be true.
"""

import http.client
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sandbox import examples
from sandbox.batch import write_batch
from sandbox.server import Sandbox
from sandbox.settings import config_text
from worker.clock import Clock
from worker.core.errors import StorageFailed, VendorUnreachable
from worker.core.instant import iso

# An hour of the vendor's takes half a second.
SPEED = 7200.0

# Checks recorded by one `cdpoll record`.
CHECKS_PER_RECORD = 20

# A bad day at the vendor, in a few seconds. What is spoiled is spoiled for some polls only: every task has an end.
FAULTS = (
    "429:1=1x@/coverage-discovery/@3h-,503=2%@/coverage-discovery/,404=2%@/coverage-discovery/,"
    "expired=3x@/coverage-discovery/@2h-,wrong_id=3x,html=1%@/coverage-discovery/,cut=1%@/coverage-discovery/,"
    "drip:10h=2x@/coverage-discovery/"
)

# How long a demo may take before it is called stuck; it takes a few seconds.
PATIENCE_MS = 120_000

# What the patients' checks lead to, in turn: most tasks take seconds, some minutes, a few many hours.
COURSES = (
    *("ONE-SECONDS",) * 9,
    *("ONE-MINUTES",) * 4,
    *("TWO-SECONDS",) * 2,
    "TWO-MINUTES",
    "ONE-HOURS",
    "ONE-SECONDS-UNSEARCHED",
    "NONE-ELIGIBLE",
    "THREE-SECONDS",
)


@dataclass(slots=True)
class Picture:
    """What the demo shows while it runs."""

    checks: int
    submitted: int = 0
    recorded: int = 0
    pending: int = 0
    success: int = 0
    failure: int = 0
    paused: str | None = None
    phase: str = "starting"


@dataclass(frozen=True, slots=True)
class Batch:
    """The batch file that was read in: sets written and read, answers joined to a task, the command's exit code."""

    path: Path
    written: int
    read: int
    matched: int
    code: int


@dataclass(frozen=True, slots=True)
class Ending:
    """What the demo came to."""

    picture: Picture
    unaccounted: list[str]  # one line for each thing that is not as it should be
    found: Counter[str]  # paths that found coverage, by name
    waits: list[int]  # from the check to the stored result, in ms
    polls: int
    requests: Counter[str]  # answers the sandbox gave, by kind
    batch: Batch
    folder: Path
    database: Path
    example: str  # the id of a task that found coverage
    took: int


@dataclass(slots=True)
class Demo:
    """One run. ``folder`` must not exist; ``show`` is called with the picture, several times a second."""

    folder: Path
    checks: int
    show: Callable[[Picture], None]
    clock: Clock = field(default_factory=Clock)
    faults: str = FAULTS
    named: set[str] = field(default_factory=set)

    def run(self) -> Ending:
        """Everything from the empty folder to the ending. Raises CdpollError when it cannot even begin."""
        began = self.clock.now()
        self._make_folder()
        with Sandbox(self.clock, speed=SPEED, faults=self.faults, expires_in=60 * SPEED) as vendor:
            config = self._write_config(vendor)
            picture = Picture(self.checks)
            with self._daemon(config) as daemon:
                token = fetch_token(vendor)
                with ThreadPoolExecutor(4, "checks") as pool:
                    submitting = pool.submit(self._submit_all, vendor, token, config, picture)
                    self._watch(picture, daemon, submitting.done)
                    submitting.result()
            picture.phase = "reading a batch file of the same answers"
            self.show(picture)
            batch = self._ingest(vendor, config)
            picture.phase = "done"
            self.show(picture)
            return self._ending(vendor, picture, batch, daemon.returncode, self.clock.now() - began)

    @property
    def database(self) -> Path:
        return self.folder / "cdpoll.db"

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, mode=0o700)
        except OSError as error:
            raise StorageFailed(f"{self.folder}: {error.strerror}", "name another folder with --dir") from error

    def _write_config(self, vendor: Sandbox) -> Path:
        config = self.folder / "cdpoll.ini"
        # A drip is cut off at the request's deadline; two seconds of it are enough to see.
        text = config_text(vendor, str(self.database)).replace("timeout = 10s", "timeout = 2s")
        with os.fdopen(os.open(config, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(text)
        return config

    def _daemon(self, config: Path) -> "Process":
        return Process(config, self.folder / "daemon.log")

    def _submit_all(self, vendor: Sandbox, token: str, config: Path, picture: Picture) -> None:
        lock = threading.Lock()

        def check(first: int) -> None:
            batch = range(first, min(first + CHECKS_PER_RECORD, self.checks))
            dumps = [submit(vendor, token, n, COURSES[n % len(COURSES)]) for n in batch]
            lines = [json.dumps({"headers": dump, "ref": f"ACCT{n:06d}"}) for n, dump in zip(batch, dumps, strict=True)]
            done = command(config, "record", "--jsonl", "-", "--json", given="\n".join(lines).encode())
            if done.returncode != 0:
                raise StorageFailed(f"record ended with {done.returncode}: {done.stderr.decode(errors='replace')}")
            answer = json.loads(done.stdout)
            with lock:
                self.named.update(answer["recorded"], answer["known"])
                picture.submitted += len(batch)
                picture.recorded = len(self.named)

        picture.phase = "submitting checks, recording what their Link headers name"
        with ThreadPoolExecutor(2, "check") as pool:
            list(pool.map(check, range(0, self.checks, CHECKS_PER_RECORD)))
        picture.phase = "polling until every task has reached its end"

    def _ingest(self, vendor: Sandbox, config: Path) -> Batch:
        """Have the vendor drop what it answered as a batch of X12 271s, and read it in."""
        path = self.folder / "batch-271.x12"
        written = write_batch(vendor, path)
        done = command(config, "ingest", str(path), "--json")
        try:
            (report,) = json.loads(done.stdout)["files"]
        except ValueError:
            report = {"transaction_sets": 0, "matched": 0}
        return Batch(path, written, report["transaction_sets"], report["matched"], done.returncode)

    def _watch(self, picture: Picture, daemon: "Process", submitted: Callable[[], bool]) -> None:
        tick = threading.Event()
        until = self.clock.monotonic() + PATIENCE_MS
        while self.clock.monotonic() < until and daemon.running:
            done = submitted()
            read_picture(self.database, picture)
            self.show(picture)
            if done and picture.pending == 0:
                return
            self.clock.wait(tick, 100)

    def _ending(self, vendor: Sandbox, picture: Picture, batch: Batch, code: int | None, took: int) -> Ending:
        with sqlite3.connect(f"file:{self.database}?mode=ro", uri=True) as db:
            rows = db.execute(
                "SELECT id, state, outcome, polls, concluded_at,"
                " (SELECT count(*) FROM results WHERE results.task = tasks.seq AND source = 'poll') FROM tasks"
            ).fetchall()
            found = db.execute(
                "SELECT path, count(*) FROM found_coverage WHERE source = 'poll' GROUP BY path"
            ).fetchall()
        db.close()
        truth = {task.id: task for task in vendor.tasks}
        now = self.clock.now()
        wrong = [] if code == 0 else [f"the daemon ended with {code}: see {self.folder / 'daemon.log'}"]
        if batch.code != 0 or batch.read != batch.written:
            wrong.append(f"{batch.path}: {batch.read} of {batch.written} sets read, exit code {batch.code}")
        wrong += [f"{i}: named by the vendor, but not recorded" for i in truth.keys() - {row[0] for row in rows}]
        waits = []
        for task_id, state, outcome, _, concluded_at, results in rows:
            task = truth.get(task_id)
            if task is None:
                wrong.append(f"{task_id}: recorded, but never named by the vendor")
            elif state != "concluded" or results != 1 or outcome != task.status_at(now):
                wrong.append(f"{task_id}: {state} {outcome}, {results} results; the vendor says {task.status_at(now)}")
            else:
                waits.append(concluded_at - task.start)
        return Ending(
            picture=picture,
            unaccounted=wrong,
            found=Counter(dict(found)),
            waits=waits,
            polls=sum(row[3] for row in rows),
            requests=answers(vendor.requests),
            batch=batch,
            folder=self.folder,
            database=self.database,
            example=next((row[0] for row in rows if row[2] == "success"), "ID"),
            took=took,
        )


class Process:
    """The daemon as a process of its own; leaving the block asks it to end, and waits."""

    def __init__(self, config: Path, log: Path) -> None:
        self._log = log.open("wb")
        self._process = subprocess.Popen(_line(config, "run"), stdout=self._log, stderr=self._log, env=_environment())
        self.returncode: int | None = None

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self.returncode = self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self.returncode = self._process.wait()
        self._log.close()


def _line(config: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "cli", "--config", str(config), *words]


def _environment() -> dict[str, str]:
    # `-m cli` must find this very cdpoll, and no setting of the caller's may reach into the demo.
    home = str(Path(__file__).parent.parent)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CDPOLL_")}
    return kept | {"PYTHONPATH": home}


def command(config: Path, *words: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """One cdpoll command, run as anybody would."""
    return subprocess.run(_line(config, *words), input=given, capture_output=True, env=_environment(), check=False)


def fetch_token(vendor: Sandbox) -> str:
    """A token for the demo's own checks; in real life that is the business of the system that makes them."""
    status, _, body = _post(vendor.token_url, {}, vendor.credentials())
    if status != 200:
        raise VendorUnreachable(f"the sandbox's token endpoint answered {status}")
    return str(json.loads(body)["access_token"])


def submit(vendor: Sandbox, token: str, n: int, words: str) -> str:
    """One real-time check; the response's headers as `curl -D -` writes them. Raises VendorUnreachable."""
    bearer = {"authorization": f"Bearer {token}", "x-optum-correlation-id": f"demo-{n:06d}"}
    status, headers, _ = _post(vendor.base_url, bearer, examples.real_time_request(n, 1, words))
    if status != 200:
        raise VendorUnreachable(f"the sandbox answered a real-time check with {status}")
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join(lines) + "\r\n\r\n"


def _post(url: str, headers: Mapping[str, str], document: Any) -> tuple[int, list[tuple[str, str]], bytes]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=30)
    try:
        connection.request(
            "POST", parts.path, json.dumps(document).encode(), {"content-type": "application/json", **headers}
        )
        response = connection.getresponse()
        return response.status, response.getheaders(), response.read()
    finally:
        connection.close()


def read_picture(database: Path, picture: Picture) -> None:
    """Update ``picture`` from the database, as any reader may: read-only, in short statements."""
    if not database.exists():
        return
    try:
        db = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=5)
        try:
            rows = db.execute("SELECT state, outcome, count(*) FROM tasks GROUP BY state, outcome").fetchall()
            (picture.paused,) = db.execute("SELECT reason FROM lane").fetchone()
        finally:
            db.close()
    except sqlite3.OperationalError:
        return  # not made yet, or busy: the next reading will do
    counts = {(state, outcome): n for state, outcome, n in rows}
    picture.pending = counts.get(("pending", None), 0)
    picture.success = counts.get(("concluded", "success"), 0)
    picture.failure = counts.get(("concluded", "failure"), 0)


def answers(requests: Mapping[tuple[str, int], int]) -> Counter[str]:
    """The sandbox's counts of what the daemon met, in words."""
    said: Counter[str] = Counter()
    for (operation, status), n in requests.items():
        if operation in ("discovery_get", "token"):
            name = "token" if operation == "token" else "poll"
            said[f"{name} answered {status}" if status else f"{name} reset"] += n
    return said


def fresh_folder(base: Path, now: int) -> Path:
    """A folder of its own for each demo, named for the moment."""
    return base / re.sub(r"[-:.]", "", iso(now))
