"""Opens the database, and sees that its schema is the present one."""

from pathlib import Path

from worker.core.errors import BadConfiguration, StorageFailed
from worker.store.db.store import Store

# In the file's user_version.
SCHEMA_VERSION = 11

# Databases below this were made by builds before the first release: nothing brings them up to date. Until then, both
# numbers are raised by one with every change of schema.sql.
OLDEST_VERSION = 11


def open_store(path: str | Path, journal: str = "auto", *, timeout: float = 15.0) -> Store:
    """The database at ``path``, created or brought up to date if need be; ``journal`` is auto, wal or truncate.

    ``timeout``: seconds to wait for another process's lock before :class:`TryLater`. Close the store, or use it as a
    context manager. Raises :class:`StorageFailed` when the file cannot be opened or is of a build before the first
    release, :class:`BadConfiguration` when a newer cdpoll wrote it.
    """
    store = Store(path, journal, timeout=timeout)
    try:
        _see_to_schema(store)
    except BaseException:
        store.close()
        raise
    return store


def _see_to_schema(store: Store) -> None:
    version = store.version()
    if version > SCHEMA_VERSION:
        raise BadConfiguration(
            f"{store.path} was written by a newer cdpoll (schema {version}; this one knows {SCHEMA_VERSION})",
            "install that version again, or restore the copy of the database made before the upgrade",
        )
    if 0 < version < OLDEST_VERSION:
        raise StorageFailed(
            f"{store.path} is from a build of cdpoll before the first release (schema {version}), and cannot be read",
            "move it away and record its ids again; `cdpoll tasks --json` of that build lists them",
        )
    if version < SCHEMA_VERSION:
        # Imported here: sqlite_utils takes longer than a whole `record`, and is needed once per version.
        from worker.store.schema import migrations

        migrations.bring_up(store, SCHEMA_VERSION)
