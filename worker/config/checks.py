"""What single values cannot show: contradictions between keys, and doubts that are worth a warning."""

from collections.abc import Iterator, Mapping, Set
from typing import Any

from worker.config.mistakes import BUILT_IN, Mistake, Place
from worker.config.secret import FORMS
from worker.config.settings import Api, Polling
from worker.config.urls import read_url
from worker.core.instant import short

_INTERVALS = {("polling", "cadence"), ("polling", "min_interval"), ("polling", "max_interval")}


def contradictions(
    polling: Mapping[str, Any], read: Set[tuple[str, str]], places: Mapping[tuple[str, str], Place]
) -> Iterator[Mistake]:
    """Mistakes between keys that are each well-formed.

    ``polling`` holds the fields of that section, ``read`` the keys that could be read, ``places`` those written.
    """
    if _INTERVALS & (places.keys() - read):
        return  # one of them is wrong by itself, which was said already

    def wrong(key: str, message: str) -> Mistake:
        # Of two keys, the one that was written is to blame.
        key = key if ("polling", key) in places else "cadence"
        return Mistake(places.get(("polling", key), BUILT_IN), "polling", key, message)

    first = polling["cadence"].first
    if polling["min_interval_ms"] > first:
        yield wrong(
            "min_interval",
            f"longer than the first look of the cadence ({short(first)}); write a shorter one, or a later first look",
        )
    if polling["max_interval_ms"] < first:
        yield wrong(
            "max_interval",
            f"max_interval ({short(polling['max_interval_ms'])}) is shorter than the first look of the cadence "
            f"({short(first)}); write a longer one, or an earlier first look",
        )


def doubts(api: Api | None, polling: Polling, places: Mapping[tuple[str, str], Place]) -> Iterator[Mistake]:
    """What is allowed and yet probably not meant."""
    if api is not None:
        if not read_url(api.base_url).path:
            yield Mistake(
                places[("api", "base_url")],
                "api",
                "base_url",
                "has no path; the vendor's prefix is /rcm/eligibility/v1, write it with the host",
            )
        if api.client_secret.form == "literal":
            yield _literal("client_secret", places)
        if api.proxy is not None and api.proxy.form == "literal" and "@" in api.proxy.shown:
            yield _literal("proxy", places)
    if polling.alert_after_ms >= polling.give_up_after_ms:
        key = "alert_after" if ("polling", "alert_after") in places else "give_up_after"
        yield Mistake(
            places[("polling", key)],
            "polling",
            key,
            "tasks are given up before they alert; write an alert_after that is shorter than give_up_after",
        )


def _literal(key: str, places: Mapping[tuple[str, str], Place]) -> Mistake:
    return Mistake(places[("api", key)], "api", key, f"a secret written out in the file; better write {FORMS}")
