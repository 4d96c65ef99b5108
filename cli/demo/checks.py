"""Real-time checks at the sandbox: what in real life the customer's own systems do."""

import http.client
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from sandbox import examples
from sandbox.server import Sandbox
from worker.core.errors import VendorUnreachable


def fetch_token(vendor: Sandbox) -> str:
    """A token for the demo's own checks. Raises VendorUnreachable."""
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
