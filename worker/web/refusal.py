"""A request that is refused: in words for people, and for programs as JSON where they ask below /v1/."""

from flask import Response, jsonify, request


def refused(status: int, word: str, message: str, headers: dict[str, str] | None = None) -> Response:
    """``word`` is stable; ``message`` holds nothing of what was sent."""
    if request.path.startswith("/v1/"):
        response = jsonify({"error": word, "message": message})
    else:
        response = Response(f"{message}\n", content_type="text/plain; charset=utf-8")
    response.status_code = status
    response.headers.update(headers or {})
    return response
