"""The customer that the simulated vendor knows."""

from dataclasses import dataclass

from sandbox.callback.target import Target


@dataclass(frozen=True, slots=True)
class Account:
    """``subtenants`` are those that may be named; none: any may. ``expires_in_s`` is in the vendor's time.
    ``callback``: where callbacks go."""

    client_id: str = "sandbox"
    client_secret: str = "sandbox-secret"  # noqa: S105 - it opens nothing but the sandbox
    tenant_id: str = "5a4db000-0000-4000-8000-0000000000aa"
    subtenants: tuple[str, ...] = ()
    expires_in_s: float = 3600
    callback: Target | None = None
