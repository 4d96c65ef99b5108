"""The configuration: INI files and the environment, read into frozen values.

``load()`` is on the way of every command, so nothing here imports more than light parts of the standard library.
"""

from worker.config.loading import load
from worker.config.mistakes import ConfigurationMistakes, Mistake, Place
from worker.config.secret import Secret
from worker.config.settings import Api, Config, Log, Polling, Sftp, Store

__all__ = [
    "Api",
    "Config",
    "ConfigurationMistakes",
    "Log",
    "Mistake",
    "Place",
    "Polling",
    "Secret",
    "Sftp",
    "Store",
    "load",
]
