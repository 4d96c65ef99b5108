"""Makes the ways out of a configuration."""

from worker.config.deliver_settings import WaySettings
from worker.rounds.deliver.choosing import WayRules


def rules_of(way: WaySettings) -> WayRules:
    """What a way is to deliver, and when it tries again."""
    subtenants = None if way.subtenant is None else frozenset(way.subtenant)
    return WayRules(way.name, way.schedule_ms, way.start, subtenants, frozenset(way.outcomes))
