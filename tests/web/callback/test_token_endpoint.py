"""The token endpoint: who is given a token, and what all others are told."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.callback_world import FORMER, SECRET, CallbackWorld, basic
from worker.config.callback_keys import CALLBACK_PATH, TOKEN_PATH
from worker.core.instant import DAY_MS
from worker.web.callback.app import MAX_TOKEN_BODY_BYTES


@pytest.fixture
def world(tmp_path: Path) -> Iterator[CallbackWorld]:
    found = CallbackWorld(tmp_path)
    yield found
    found.clerk.close()


def test_the_newer_form_is_given_a_token(world: CallbackWorld) -> None:
    answer = world.ask()
    assert answer.status_code == 200
    assert answer.content_type == "application/json"
    assert (answer.headers["Cache-Control"], answer.headers["Pragma"]) == ("no-store", "no-cache")
    told = answer.get_json()
    assert (told["token_type"], told["expires_in"], set(told)) == (
        "Bearer",
        3600,
        {"access_token", "token_type", "expires_in"},
    )
    assert len(base64.urlsafe_b64decode(told["access_token"] + "=")) == 32
    kept = world.rows("SELECT * FROM callback_tokens")
    assert told["access_token"] not in json.dumps(kept)
    assert SECRET.encode() not in world.path.read_bytes()


def test_a_former_secret_that_is_not_there_lets_no_one_in(tmp_path: Path) -> None:
    path = tmp_path / "former"
    world = CallbackWorld(tmp_path, f"previous_secret = {{file {path}}}")
    for held in (None, "", "\n"):
        if held is not None:
            path.write_text(held)
            world.client = world.begun()
        assert world.ask().status_code == 200
        assert [world.ask(secret=secret).status_code for secret in ("", "\n", FORMER)] == [401] * 3
        world.clerk.close()


def test_the_older_form_is_given_a_token(world: CallbackWorld) -> None:
    body = {"client_id": "vendor", "client_secret": SECRET, "grant_type": "client_credentials"}
    answer = world.client.post(TOKEN_PATH, json=body)
    assert answer.status_code == 200
    assert world.deliver(answer.get_json()["access_token"]).status_code == 204


@pytest.mark.parametrize(
    ("headers", "kind", "body", "status", "error"),
    [
        ({}, "form", "", 400, "invalid_request"),
        ({}, "form", "grant_type=", 400, "invalid_request"),
        ({}, "form", "grant_type=password", 400, "unsupported_grant_type"),
        ({}, "form", "grant_type=client_credentials&grant_type=client_credentials", 400, "invalid_request"),
        ({}, "form", f"grant_type=client_credentials&client_secret={SECRET}", 400, "invalid_request"),
        ({}, "form", "grant_type=client_credentials&client_id=another", 400, "invalid_request"),
        ({}, "form", "grant_type=client_credentials&scope=%22", 400, "invalid_scope"),
        ({}, "form", "&".join(f"a{n}=" for n in range(30)), 400, "invalid_request"),
        ({}, "application/json", "{", 400, "invalid_request"),
        ({}, "application/json", "[]", 400, "invalid_request"),
        ({}, "application/json", '{"grant_type": 7}', 400, "invalid_request"),
        ({}, "application/json", '{"grant_type": "client_credentials", "scope": {}}', 400, "invalid_request"),
        ({}, "application/json", '{"grant_type": "a", "grant_type": "b"}', 400, "invalid_request"),
        ({}, "application/json", "[" * 100_00, 400, "invalid_request"),
        ({}, "text/plain", "grant_type=client_credentials", 400, "invalid_request"),
        ({"Authorization": ""}, "form", "grant_type=client_credentials", 401, "invalid_client"),
        ({"Authorization": "Basic"}, "form", "grant_type=client_credentials", 401, "invalid_client"),
        ({"Authorization": "Basic !!"}, "form", "grant_type=client_credentials", 401, "invalid_client"),
        ({"Authorization": "Basic /w=="}, "form", "grant_type=client_credentials", 401, "invalid_client"),
        ({"Authorization": "Bearer x"}, "form", "grant_type=client_credentials", 401, "invalid_client"),
        ({"Authorization": basic("vendor", "wrong")}, "form", "grant_type=client_credentials", 401, "invalid_client"),
        ({"Authorization": basic("vendor", "")}, "form", "grant_type=client_credentials", 401, "invalid_client"),
        ({"Authorization": basic("Vendor", SECRET)}, "form", "grant_type=client_credentials", 401, "invalid_client"),
        ({"Authorization": basic("vendor", SECRET + "x")}, "form", "grant_type=password", 401, "invalid_client"),
    ],
)
def test_every_error_is_as_the_standard_words_it(
    world: CallbackWorld, headers: dict[str, str], kind: str, body: str, status: int, error: str
) -> None:
    kind = "application/x-www-form-urlencoded" if kind == "form" else kind
    answer = world.ask(body=body, headers=headers, kind=kind)
    assert (answer.status_code, answer.get_json()["error"]) == (status, error)
    assert answer.headers["Cache-Control"] == "no-store"
    assert ("WWW-Authenticate" in answer.headers) == (status == 401)
    assert "access_token" not in answer.get_json()
    assert world.rows("SELECT * FROM callback_tokens") == []


@pytest.mark.parametrize(
    "body",
    [
        "grant_type=client_credentials&scope=",
        "grant_type=client_credentials&client_id=&client_secret=",
        "grant_type=client_credentials&client_id=vendor&scope=&scope=",
        "grant_type=client_credentials&audience=x",
        {"grant_type": "client_credentials", "client_id": "", "client_secret": None, "scope": ""},
        {"grant_type": "client_credentials", "audience": {"x": []}},
    ],
)
def test_a_parameter_without_a_value_or_not_known_counts_for_nothing(world: CallbackWorld, body: Any) -> None:
    if isinstance(body, dict):
        assert world.ask(body=json.dumps(body), kind="application/json").status_code == 200
    else:
        assert world.ask(body=body).status_code == 200


@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC", "Basic  "])
def test_the_scheme_stands_in_any_case(world: CallbackWorld, scheme: str) -> None:
    header = basic("vendor", SECRET).replace("Basic", scheme)
    assert world.ask(headers={"Authorization": header}).status_code == 200
    assert world.ask(headers={"Authorization": f"{header},{header}"}).status_code == 401


def test_a_pair_in_the_address_is_not_looked_at(world: CallbackWorld) -> None:
    asks = f"grant_type=client_credentials&client_id=vendor&client_secret={SECRET}"
    answer = world.client.post(f"{TOKEN_PATH}?{asks}", content_type="application/x-www-form-urlencoded")
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, 'Basic realm="cdpoll"')
    answer = world.client.post(f"{TOKEN_PATH}?{asks}", headers={"Authorization": basic("vendor", SECRET)})
    assert (answer.status_code, answer.get_json()["error"]) == (400, "invalid_request")


def test_the_pair_may_be_encoded_as_the_standard_has_it(tmp_path: Path) -> None:
    world = CallbackWorld(tmp_path, secret="a+b%c d:e")
    assert world.ask(secret="a+b%c d:e").status_code == 200
    assert world.ask(secret="a%2Bb%25c+d%3Ae").status_code == 200
    assert world.ask(secret="a b%c d:e").status_code == 401
    world.clerk.close()


def test_a_request_for_a_token_is_small(world: CallbackWorld) -> None:
    assert world.ask(body="x" * (MAX_TOKEN_BODY_BYTES + 1)).status_code == 413
    assert world.client.get(TOKEN_PATH).status_code == 405
    assert world.client.get(CALLBACK_PATH).headers["Allow"] == "POST"
    assert world.client.post("/").status_code == 404


def test_an_empty_authorization_header_is_none(world: CallbackWorld) -> None:
    asks = json.dumps({"grant_type": "client_credentials", "client_id": "vendor", "client_secret": SECRET})
    assert world.ask(body=asks, kind="application/json", headers={"Authorization": " "}).status_code == 200


def test_a_token_that_was_given_while_the_clock_was_ahead_does_not_live_longer(world: CallbackWorld) -> None:
    world.now += 400 * DAY_MS
    token = world.token()
    assert world.deliver(token).status_code == 204
    world.now -= 400 * DAY_MS
    assert world.deliver(token).status_code == 401
