"""The worker: everything between a task link and a stored result. See the map in README.md."""

__version__ = "0.1.0"
