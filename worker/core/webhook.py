"""What Standard Webhooks (standardwebhooks.com) says of a request: its secret, its signature, its envelope."""

import base64
import binascii

PREFIX = "whsec_"
_SHORTEST_BYTES, _LONGEST_BYTES = 24, 64


def signing_key(secret: str) -> bytes:
    """The key that a secret stands for. Raises ValueError, without repeating it."""
    if not secret.startswith(PREFIX):
        raise ValueError(f"does not begin with {PREFIX}; write it as the receiver has it")
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"is not Base64 behind {PREFIX}; write it as the receiver has it") from None
    if not _SHORTEST_BYTES <= len(key) <= _LONGEST_BYTES:
        raise ValueError(
            f"stands for {len(key)} bytes and not for {_SHORTEST_BYTES} to {_LONGEST_BYTES}; make another one: "
            f'echo "{PREFIX}$(openssl rand -base64 32)"'
        )
    return key
