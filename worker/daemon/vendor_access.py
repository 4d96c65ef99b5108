"""The token for the vendor's API, as configured."""

import threading

from worker.config import ApiSection
from worker.gateways.http.token import Tokens, TokenSettings


def tokens_of(api: ApiSection, stop: threading.Event) -> Tokens:
    """The holder of the token. The secrets are looked up when it is asked for; ``stop`` ends further attempts."""
    as_form = api.token_body == "form"  # noqa: S105 - the name of a key, no password
    return Tokens(
        TokenSettings(api.token_url, api.client_id.reveal, api.client_secret.reveal, api.scope, as_form), stop
    )
