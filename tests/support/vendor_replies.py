"""Bodies of tasks as the vendor sends them, and what is read from them."""

import json
from typing import Any

from worker.core.vendor.reply import HttpAnswer, Reply, read_reply

NOW = 1_800_000_000_000  # Fri, 15 Jan 2027 08:00:00 GMT
ID = "0e56C-87ee-11ee"
PATHS: dict[str, Any] = {"successful": [], "unsuccessful": [], "pending": [], "skipped": []}


def body(**fields: object) -> bytes:
    return json.dumps({"id": ID, "status": "pending"} | fields).encode()


def read(said: bytes, status: int = 200, *, tenant: str | None = None, **more: str | None) -> Reply:
    return read_reply(HttpAnswer(status, said, **more), ID, tenant, NOW)


DONE = body(status="success", discoveryPaths=PATHS)
