"""The demo on a PostgreSQL server: two daemons, as on two hosts, of which one is killed midway.

Each has a folder of its own and a name; they share the database alone. Nothing is restarted: what the killed one had
begun is taken up by the other.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from cli.demo.ending import Picture
from cli.demo.postgresql import DemoServer
from cli.demo.process import Daemon
from cli.demo.run import Demo
from cli.own_folder import make_own_folder, write_private
from cli.sandbox_files import write_files
from sandbox.server import Sandbox


@dataclass
class TwoDaemons(Demo):
    """The same run; the second daemon is killed when a third of the checks has its result."""

    version: str = ""
    results_at_kill: int | None = None

    def _write_configs(self, vendor: Sandbox, stack: ExitStack) -> list[Path]:
        server = stack.enter_context(DemoServer())
        self.version = server.version
        configs = []
        for name in ("east", "west"):
            folder = self.folder / name
            make_own_folder(folder)
            config = write_files(vendor, folder, folder / "cdpoll.db", runs="once", timeout="2s")
            keys = f"[store]\nurl = {server.url}\ndaemon = {name}\n"
            write_private(config, config.read_text(encoding="utf-8").replace("[store]\n", keys))
            configs.append(config)
        return configs

    def _meanwhile(self, picture: Picture, daemons: Sequence[Daemon]) -> None:
        results = picture.success + picture.failure
        if self.results_at_kill is None and results * 3 >= self.checks:
            daemons[1].kill()
            self.results_at_kill = results

    def _more(self) -> list[tuple[str, str]]:
        if self.results_at_kill is None:
            return []
        return [
            (f"daemons on one PostgreSQL {self.version}", "2"),
            ("results when one of them was killed (kill -9), and not started again", str(self.results_at_kill)),
        ]
