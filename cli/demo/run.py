"""The demo: the main job from end to end, with nothing simulated but the vendor.

It starts the sandbox and the real daemon as a process of its own, submits real-time checks, records the raw response
headers of each, and watches the database until every task has reached a known end. Then it compares what
cdpoll stored with what the sandbox knows to be true.
"""

import json
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

from cli.demo.checks import fetch_token, submit
from cli.demo.ending import Batch, Ending, Picture, answers, compare, read_picture
from cli.demo.process import Daemon, command
from cli.own_folder import make_own_folder
from cli.sandbox_files import write_files
from sandbox import examples
from sandbox.account import Account
from sandbox.batch import write_batch
from sandbox.server import Sandbox
from worker.clock import Clock
from worker.config import StoreSection, load_store
from worker.core.errors import StorageFailed, TryLater
from worker.store.db.store import Store
from worker.store.opening import open_store

# An hour of the vendor's takes half a second.
SPEED_FACTOR = 7200.0

# Checks recorded by one `cdpoll record`.
CHECKS_PER_RECORD = 20

# A bad day at the vendor, in a few seconds. Each fault strikes some polls only, so every task has an end.
FAULTS = (
    "429:1=1x@/coverage-discovery/@3h-,503=2%@/coverage-discovery/,404=2%@/coverage-discovery/,"
    "expired=3x@/coverage-discovery/@2h-,wrong_id=3x,html=1%@/coverage-discovery/,cut=1%@/coverage-discovery/,"
    "drip:10h=2x@/coverage-discovery/"
)

# How long a demo may take before it is called stuck; it takes a few seconds.
PATIENCE_MS = 120_000


@dataclass
class Demo:
    """One run. ``folder`` must not exist; ``show`` is called with the picture, several times a second."""

    folder: Path
    checks: int
    show: Callable[[Picture], None]
    clock: Clock
    named: set[str] = field(default_factory=set)

    def run(self) -> Ending:
        """Everything from the empty folder to the ending. Raises CdpollError when it cannot even begin."""
        began = self.clock.now()
        self._make_folder()
        account = Account(expires_in_s=60 * SPEED_FACTOR)
        with ExitStack() as stack:
            vendor = stack.enter_context(Sandbox(self.clock, speed=SPEED_FACTOR, faults=FAULTS, account=account))
            configs = self._write_configs(vendor, stack)
            where = load_store(str(configs[0]), {}).config.store
            picture = Picture(self.checks)
            with ExitStack() as running:
                daemons = [running.enter_context(Daemon(one, one.with_name("daemon.log"))) for one in configs]
                token = fetch_token(vendor)
                with ThreadPoolExecutor(4, "checks") as pool:
                    submitting = pool.submit(self._submit_all, vendor, token, configs, picture)
                    self._watch(picture, where, daemons, submitting.done)
                    submitting.result()
            picture.phase = "reading a batch file of the same answers"
            self.show(picture)
            batch = self._ingest(vendor, configs[0])
            picture.phase = "done"
            self.show(picture)
            with open_store(where.place) as store:
                tasks = compare(vendor, store, self.clock.now())
            return Ending(
                picture=picture,
                tasks=tasks,
                unaccounted=[*self._failures(daemons, batch), *tasks.wrong],
                requests=answers(vendor.requests),
                batch=batch,
                config=configs[0],
                database=where.place.name,
                took_ms=self.clock.now() - began,
                more=self._more(),
            )

    def _make_folder(self) -> None:
        make_own_folder(self.folder.parent)
        make_own_folder(self.folder, new=True)

    def _write_configs(self, vendor: Sandbox, stack: ExitStack) -> list[Path]:
        """One for each daemon."""
        # A drip is cut off at the request's deadline; two seconds of it are enough to see.
        return [write_files(vendor, self.folder, self.folder / "cdpoll.db", runs="once", timeout="2s")]

    def _meanwhile(self, picture: Picture, daemons: Sequence[Daemon]) -> None:
        """Called time and again while the daemons poll."""

    def _more(self) -> list[tuple[str, str]]:
        """Further lines of the table at the end."""
        return []

    def _submit_all(self, vendor: Sandbox, token: str, configs: Sequence[Path], picture: Picture) -> None:
        lock = threading.Lock()

        def check(first: int) -> None:
            batch = range(first, min(first + CHECKS_PER_RECORD, self.checks))
            dumps = [submit(vendor, token, n, examples.COURSES[n % len(examples.COURSES)]) for n in batch]
            lines = [json.dumps({"headers": dump, "ref": f"ACCT{n:06d}"}) for n, dump in zip(batch, dumps, strict=True)]
            config = configs[first // CHECKS_PER_RECORD % len(configs)]
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

    def _watch(
        self, picture: Picture, where: StoreSection, daemons: Sequence[Daemon], submitted: Callable[[], bool]
    ) -> None:
        tick = threading.Event()
        until = self.clock.monotonic() + PATIENCE_MS
        with ExitStack() as stack:
            store: Store | None = None
            while self.clock.monotonic() < until and any(one.running for one in daemons):
                done = submitted()
                if store is None:
                    with suppress(StorageFailed, TryLater):  # a daemon makes it
                        store = stack.enter_context(open_store(where.place))
                if store is not None:  # also of one that was opened just now: all may have been submitted before
                    read_picture(store, picture)
                self.show(picture)
                self._meanwhile(picture, daemons)
                if done and store is not None and picture.pending == 0:
                    return
                self.clock.wait(tick, 100)

    def _failures(self, daemons: Sequence[Daemon], batch: Batch) -> list[str]:
        """What went wrong besides the tasks."""
        wrong = [
            f"the daemon ended with {one.returncode}: see {one.log}"
            for one in daemons
            if one.returncode not in (0, None)
        ]
        if batch.code != 0 or batch.read != batch.written:
            wrong.append(f"{batch.path}: {batch.read} of {batch.written} sets read, exit code {batch.code}")
        return wrong
