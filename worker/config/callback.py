"""Makes the values that core works with from the keys of ``[callback]``."""

from worker.config.polling import grace_of, schedule_of
from worker.config.settings import Config
from worker.core.vendor.callback import CallbackRules


def callback_rules_of(config: Config) -> CallbackRules:
    """What deliveries are judged by. Without ``[api]``, or with mistakes in it, none is verified."""
    api, section = config.api, config.callback
    tenant_id = (None if section is None else section.tenant_id) or (None if api is None else api.tenant_id)
    origin = "" if api is None or not api.base_url else api.origin
    verify = "unknown" if section is None else section.verify
    return CallbackRules(tenant_id, verify, origin, schedule_of(config), grace_of(config))
