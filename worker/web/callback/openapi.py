"""The OpenAPI document of both endpoints, with the paths that are configured."""

import json
from pathlib import Path
from typing import Any

from worker.config import CallbackSection
from worker.config.callback_keys import CALLBACK_PATH, TOKEN_PATH

Json = dict[str, Any]

DOCUMENT = Path(__file__).with_name("openapi.json")


def openapi(section: CallbackSection) -> Json:
    """The document for a configuration; ``servers`` is what ``public_url`` says."""
    document: Json = json.loads(DOCUMENT.read_text(encoding="utf-8"))
    paths = document["paths"]
    document["paths"] = {section.token_path: paths[TOKEN_PATH], section.callback_path: paths[CALLBACK_PATH]}
    base = section.public_url or ""
    flow = document["components"]["securitySchemes"]["token"]["flows"]["clientCredentials"]
    flow["tokenUrl"] = base + section.token_path
    scopes = (section.scope or "").split()
    flow["scopes"] = dict.fromkeys(scopes, "may deliver")
    paths[CALLBACK_PATH]["post"]["security"] = [{"token": scopes}]
    if section.public_url is not None:
        document["servers"] = [{"url": section.public_url}]
    return document
