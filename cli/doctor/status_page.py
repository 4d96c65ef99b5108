"""The vendor's public status page, in the form of Statuspage: is what fails theirs, or ours?"""

import threading
from collections.abc import Sequence
from typing import NamedTuple

from cli.doctor.finding import Finding, good, warn
from worker.config import Config
from worker.core.errors import BadConfiguration
from worker.core.poll_errors import in_words
from worker.core.vendor.document import parse_json
from worker.gateways.http.client import HttpFailed, Unusable, tls_context
from worker.gateways.http.inspection import InspectingClient

REQUEST_S = 6.0
_LONGEST_CHARS = 120
_SHOWN_INCIDENTS = 3

# Nothing that the vendor does causes these.
_OURS = ("dns_no_resolver", "no_route", "not_permitted", "proxy", "http_401", "http_403", "http_407", "secret_")


class PageSaid(NamedTuple):
    """``indicator`` is none, minor, major, critical or maintenance; ``failure`` says why nothing could be read."""

    indicator: str = ""
    description: str = ""
    incidents: tuple[str, ...] = ()
    failure: str = ""


def asked(config: Config) -> PageSaid:
    """One request, without any secret; through the proxy of ``[api]`` where there is one."""
    api, page = config.api, config.doctor.vendor_status or ""
    try:
        proxy = None if api is None or api.proxy is None or page.startswith("http:") else api.proxy.reveal()
        tls = tls_context(None if api is None or api.ca_file is None else str(api.ca_file))
    except BadConfiguration:
        return PageSaid(failure="[api] proxy or ca_file cannot be used")
    client = InspectingClient(tls, round(REQUEST_S * 1000), proxy)
    timer = threading.Timer(REQUEST_S, client.cut)
    timer.daemon = True
    timer.start()
    try:
        answer = client.send("GET", f"{page}/api/v2/summary.json", {})
        if answer.status == 404:
            answer = client.send("GET", f"{page}/api/v2/status.json", {})
    except HttpFailed as failed:
        return PageSaid(failure=in_words(failed.code).replace(" ([api] timeout)", ""))
    except Unusable as unusable:
        return PageSaid(failure=in_words(unusable.code))
    finally:
        timer.cancel()
        client.close()
    return _read(answer.body) if answer.status == 200 else PageSaid(failure=f"HTTP {answer.status}")


def _read(body: bytes) -> PageSaid:
    told = parse_json(body)
    status = told.get("status") if isinstance(told, dict) else None
    indicator = _text(status.get("indicator")) if isinstance(status, dict) else ""
    if not isinstance(told, dict) or not isinstance(status, dict) or not indicator:
        return PageSaid(failure="what came is no summary of a status page")
    incidents = told.get("incidents")
    names = (
        [_text(one.get("name")) for one in incidents if isinstance(one, dict)] if isinstance(incidents, list) else []
    )
    return PageSaid(indicator, _text(status.get("description")), tuple(filter(None, names))[:_SHOWN_INCIDENTS])


def _text(value: object) -> str:
    return value[:_LONGEST_CHARS] if isinstance(value, str) else ""


def verdict(page: str, said: PageSaid, failures: Sequence[str]) -> Finding:
    """What the page says, and of what failed at the API whose it is. ``failures`` are codes, without ``token_``."""
    if said.failure:
        return warn("vendor_status", f"{page} cannot be read: {said.failure}", "check [doctor] vendor_status")
    words = f'the vendor\'s page says "{said.description}"'
    if said.incidents:
        words += f" ({'; '.join(said.incidents)})"
    if said.indicator == "none":
        if not failures:
            return good("vendor_status", words)
        return warn("vendor_status", f"{words}: what fails is ours, or on the way to the vendor", "mend what failed")
    if any(code.removeprefix("token_").startswith(_OURS) for code in failures):
        return warn("vendor_status", f"{words}, but what fails here is ours", "mend what failed")
    if failures:
        return warn("vendor_status", f"{words}: what fails is theirs", "wait: cdpoll goes on by itself when it is over")
    return warn("vendor_status", f"{words}; nothing of it is seen from here", "nothing is to be done here")
