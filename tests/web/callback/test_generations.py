"""What the older and the newer generation of the vendor's callbacks send, one request behind the other."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.callback_world import SECRET, CallbackWorld, basic
from tests.support.polled_bodies import a_body, a_path, says
from worker.config.callback_keys import TOKEN_PATH

PAIR = {"client_id": "vendor", "client_secret": SECRET}
GRANT = {"grant_type": "client_credentials"}
FORM = "application/x-www-form-urlencoded"
ENDED = "2027-01-15T07:59:50.123456789Z"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[CallbackWorld]:
    found = CallbackWorld(tmp_path)
    yield found
    found.clerk.close()


def token_of(world: CallbackWorld, **request: Any) -> str:
    answer = world.client.post(TOKEN_PATH, **request)
    assert answer.status_code == 200
    told = answer.get_json()
    assert (told["token_type"], type(told["expires_in"])) == ("Bearer", int)
    return str(told["access_token"])


def test_the_older_generation(world: CallbackWorld) -> None:
    """The pair in a JSON body; first that it is pending, with an empty end, then that it is over."""
    token = token_of(world, json=PAIR | GRANT)
    pending = a_body("a", "pending", pending=[{"name": "RTCOB", "transaction": {}}]) | {
        "endDatetime": "",
        "realTime": {},
    }
    over = a_body("a", "success", successful=[a_path(says())]) | {"endDatetime": ENDED, "realTime": {}}
    for body in (pending, over, over, pending):
        answer = world.deliver(token, body, X_Optum_Tenant_Id="ours", X_Optum_Correlation_Id="visit-7")
        assert (answer.status_code, answer.get_data()) == (204, b"")
    (task,) = world.rows("SELECT state, outcome, correlation_id FROM tasks")
    assert task == {"state": "concluded", "outcome": "success", "correlation_id": "visit-7"}
    assert len(world.rows("SELECT * FROM results")) == 1


@pytest.mark.parametrize("way", ["header", "header and JSON", "form"])
def test_the_newer_generation(world: CallbackWorld, way: str) -> None:
    """The pair in a header; only what is over is delivered, with `realTime` or without."""
    header = {"Authorization": basic("vendor", SECRET)}
    requests: dict[str, dict[str, Any]] = {
        "header": {"headers": header, "data": GRANT, "content_type": FORM},
        "header and JSON": {"headers": header, "json": GRANT},
        "form": {"data": PAIR | GRANT | {"scope": ""}, "content_type": FORM},
    }
    token = token_of(world, **requests[way])
    found = a_body("a", "success", says(), successful=[a_path(says())]) | {"endDateTime": ENDED}
    nothing = a_body("b", "failure", unsuccessful=[a_path(None)]) | {"endDateTime": ENDED}
    for body in (found, nothing, found):
        assert world.deliver(token, body, X_Optum_Tenant_Id="").status_code == 204
    tasks = world.rows("SELECT id, state, outcome FROM tasks ORDER BY id")
    assert [tuple(row.values()) for row in tasks] == [("a", "concluded", "success"), ("b", "concluded", "failure")]
    assert json.loads(world.rows("SELECT body FROM results ORDER BY seq")[0]["body"]) == found


def test_what_either_generation_is_refused(world: CallbackWorld) -> None:
    over = a_body("a", "success")
    for token in ("", "wrong"):
        answer = world.deliver(token, over)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="cdpoll"')
    for request in (
        {"json": PAIR | GRANT | {"client_secret": "wrong"}},
        {"headers": {"Authorization": basic("vendor", "wrong")}, "data": GRANT, "content_type": FORM},
    ):
        answer = world.client.post(TOKEN_PATH, **request)
        assert (answer.status_code, answer.get_json()["error"]) == (401, "invalid_client")
    assert world.rows("SELECT * FROM tasks") == []
