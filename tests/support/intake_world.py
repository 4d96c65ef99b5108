"""The app of `cdpoll serve local` over a database, asked by hand: how ids come in."""

import json
from pathlib import Path
from typing import Any

from werkzeug.test import TestResponse

from tests.support.kept_log import KeptLog
from worker.config import Config, load
from worker.store.opening import open_store
from worker.web.intake.serving import app_of, token_of

NOW = 1_800_000_000_000
A, B, C = (f"{letter * 8}-87ee-11ee-b9d1-0242ac120002" for letter in "abc")


def link(task_id: str) -> str:
    return f'</coverage-discovery/{task_id}>; title="coverage discovery - Default"; rel="related"'


class IntakeWorld:
    """The app over a database, and a clock by hand. ``keys``: lines of ``[local]``."""

    def __init__(self, folder: Path, keys: str = "") -> None:
        self.now = NOW
        self.log = KeptLog()
        self.path = folder / "x.db"
        ini = folder / "x.ini"
        ini.write_text(
            f"[store]\npath = {self.path}\n[api]\nbase_url = https://api.example/rcm/eligibility/v1\n[local]\n{keys}\n"
        )
        ini.chmod(0o600)
        self.config: Config = load(str(ini), {})
        open_store(self.path, create=True).close()
        self.client = app_of(self.config, token_of(self.config), lambda: self.now, self.log).test_client()

    def post(self, body: Any = None, kind: str | None = "application/json", **more: Any) -> TestResponse:
        """``body``: what is no bytes goes as JSON. Underscores in names of ``headers`` stand for hyphens."""
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {name.replace("_", "-"): text for name, text in more.pop("headers", {}).items()}
        environ = {"REMOTE_ADDR": more.pop("peer", "127.0.0.1")}
        kind = None if body is None else kind
        return self.client.post(
            more.pop("path", "/v1/tasks"), data=data, content_type=kind, headers=headers, environ_base=environ, **more
        )

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with open_store(self.path) as store:
            return [tuple(row) for row in store.read(sql)]

    def refs(self) -> dict[str, str]:
        """The ref of each task."""
        return dict(self.rows("SELECT tasks.id, refs.ref FROM tasks JOIN refs ON refs.task = tasks.seq"))

    def said(self) -> str:
        """All that was logged."""
        return repr(self.log.lines)
