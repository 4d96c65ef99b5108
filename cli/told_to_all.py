"""What the daemon tells all users of the machine, for one who may not read the configuration or the database."""

import os
from pathlib import Path
from typing import Any

from worker.config import load_store
from worker.config.sources import standard_places
from worker.core.errors import BadConfiguration
from worker.gateways.systemd import runtime_directory
from worker.ownership import obstacle
from worker.store.state import summary_file

Json = dict[str, Any]


def summary_for(obj: dict[str, Any]) -> Json | None:
    """The daemon's summary; ``None`` where nothing is shut to this user, and where no daemon has left one here."""
    try:
        place = load_store(obj["config"], os.environ).config.store.place
    except BadConfiguration:
        return summary_file.read(*_places()) if _configuration_is_shut(obj) else None
    if place.server is None and obstacle(place.path, write=True) is None:
        return None
    beside = [] if place.server is None else [summary_file.beside(Path(os.path.realpath(place.path)))]
    return summary_file.read(*_places(), *beside, database=place.path)


def _configuration_is_shut(obj: dict[str, Any]) -> bool:
    named = obj["config"] or os.environ.get("CDPOLL_CONFIG")
    places = [Path(named)] if named else standard_places(os.environ)
    return any(obstacle(place, write=False) is not None for place in places)


def _places() -> list[Path]:
    folders = (runtime_directory(), summary_file.SERVICE_FOLDER)
    return [folder / summary_file.NAME for folder in folders if folder is not None]
