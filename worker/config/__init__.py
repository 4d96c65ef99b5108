"""The configuration: INI files and the environment, read into frozen values.

``load()`` is on the way of every command, so nothing here imports more than light parts of the standard library.
"""

from worker.config.deliver_settings import CommandSection, DirectorySection, WaySettings, WebhookSection
from worker.config.loading import EXAMPLE, examine, load, load_store
from worker.config.mistakes import ConfigurationMistakes, Mistake, Place
from worker.config.secret import Secret
from worker.config.settings import (
    AlertSection,
    ApiSection,
    BackfillSection,
    CallbackSection,
    Config,
    DoctorSection,
    Examined,
    LocalSection,
    LogSection,
    PollingSection,
    RetentionSection,
    SftpSection,
    SpoolSection,
    StoreSection,
    SupportSection,
    Tolerated,
)

__all__ = [
    "EXAMPLE",
    "AlertSection",
    "ApiSection",
    "BackfillSection",
    "CallbackSection",
    "CommandSection",
    "Config",
    "ConfigurationMistakes",
    "DirectorySection",
    "DoctorSection",
    "Examined",
    "LocalSection",
    "LogSection",
    "Mistake",
    "Place",
    "PollingSection",
    "RetentionSection",
    "Secret",
    "SftpSection",
    "SpoolSection",
    "StoreSection",
    "SupportSection",
    "Tolerated",
    "WaySettings",
    "WebhookSection",
    "examine",
    "load",
    "load_store",
]
