"""The OpenAPI document is of the endpoints as they are configured, and of nothing else."""

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from jsonschema import Draft202012Validator

from cli.main import cli
from tests.support.json_parts import inside
from worker.web.callback.app import MAX_BODY_BYTES

INI = """
[callback]
client_id = vendor
client_secret = {env SECRET}
token_path = /oauth/token
callback_path = /take
scope = one two
public_url = https://callbacks.example.com/in
"""


def document_of(folder: Path, ini: str) -> Any:
    path = folder / "x.ini"
    path.write_text(ini)
    done = CliRunner().invoke(cli, ["--config", str(path), "serve", "callback", "--openapi"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_it_names_the_paths_the_scopes_and_the_address_that_are_configured(tmp_path: Path) -> None:
    document = document_of(tmp_path, INI)
    assert list(document["paths"]) == ["/oauth/token", "/take"]
    assert document["servers"] == [{"url": "https://callbacks.example.com/in"}]
    flow = document["components"]["securitySchemes"]["token"]["flows"]["clientCredentials"]
    assert flow == {
        "tokenUrl": "https://callbacks.example.com/in/oauth/token",
        "scopes": {"one": "may deliver", "two": "may deliver"},
    }
    assert document["paths"]["/take"]["post"]["security"] == [{"token": ["one", "two"]}]
    assert f"{MAX_BODY_BYTES >> 20} MiB" in document["paths"]["/take"]["post"]["responses"]["413"]["description"]


def test_without_a_scope_none_is_asked_for(tmp_path: Path) -> None:
    document = document_of(tmp_path, INI.replace("scope = one two\n", ""))
    assert document["paths"]["/take"]["post"]["security"] == [{"token": []}]


def test_it_is_sound(tmp_path: Path) -> None:
    document = document_of(tmp_path, INI)
    schemas = document["components"]["schemas"]
    for part in inside(document):
        if "$ref" in part:
            assert part["$ref"].removeprefix("#/components/schemas/") in schemas
        if isinstance(part.get("schema"), dict):
            Draft202012Validator.check_schema(part["schema"])
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)
