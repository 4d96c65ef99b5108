"""Which of the vendor's environments an origin is."""

_KINDS = {"https://sandbox-apigw.optum.com": "sandbox", "https://apigw.optum.com": "production"}


def environment_of(origin: str) -> str | None:
    """``sandbox`` or ``production``; ``simulated`` for this machine itself; ``None`` where it cannot be told."""
    if origin.startswith(("http://127.", "http://localhost", "http://[::1]", "https://127.", "https://localhost")):
        return "simulated"
    return _KINDS.get(origin)
