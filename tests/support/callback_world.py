"""The app of the callbacks over a database, asked by hand."""

import base64
import json
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.support.kept_log import KeptLog
from tests.support.polled_bodies import a_body, a_path, says
from worker.config import Config, load
from worker.config.callback_keys import CALLBACK_PATH, TOKEN_PATH
from worker.store.db.store import Store
from worker.store.opening import open_store
from worker.web.callback.app import make_callback_app
from worker.web.clerk import Clerk

NOW = 1_800_000_000_000
SECRET, FORMER = "the-present-secret", "the-former-secret"
BODY = a_body("a", "success", successful=[a_path(says())])


class CallbackWorld:
    """The app over a database, and a clock by hand."""

    def __init__(self, folder: Path, extra: str = "", secret: str = SECRET) -> None:
        self.now = NOW
        self.log = KeptLog()
        self.path = folder / "x.db"
        ini = folder / "x.ini"
        ini.write_text(
            f"[store]\npath = {self.path}\n[api]\nbase_url = https://api.example/rcm/eligibility/v1\n"
            f"tenant_id = ours\n[callback]\nclient_id = vendor\nclient_secret = {secret}\n{extra}\n"
        )
        ini.chmod(0o600)
        self.config: Config = load(str(ini), {})
        open_store(self.path, create=True).close()
        self.client = self.begun()

    def opens(self) -> Store:
        """The database, as each process of the app opens it."""
        return open_store(self.path)

    def begun(self) -> FlaskClient:
        """As after a restart."""
        self.clerk = Clerk(lambda: self.opens(), 10.0)
        return make_callback_app(self.config, self.clerk, lambda: self.now, self.log).test_client()

    def ask(self, secret: str = SECRET, body: str = "grant_type=client_credentials", **more: Any) -> TestResponse:
        headers = {"Authorization": basic("vendor", secret)} | more.pop("headers", {})
        kind = more.pop("kind", "application/x-www-form-urlencoded")
        return self.client.post(TOKEN_PATH, data=body, headers=headers, content_type=kind, **more)

    def token(self, **more: Any) -> str:
        answer = self.ask(**more)
        assert answer.status_code == 200, answer.get_data()
        return str(answer.get_json()["access_token"])

    def deliver(self, token: str, body: Any = BODY, kind: str = "application/json", **headers: str) -> TestResponse:
        data = body if isinstance(body, bytes) else json.dumps(body)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.post(
            CALLBACK_PATH, data=data, content_type=kind, headers={"Authorization": f"Bearer {token}"} | named
        )

    def rows(self, sql: str) -> list[dict[str, Any]]:
        with open_store(self.path) as store:
            return [dict(row) for row in store.read(sql)]


def basic(client_id: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()
