"""In which files the secret of the callbacks stands: those that the configuration names, or one that is given."""

import contextlib
import os
from pathlib import Path
from typing import NamedTuple

from cli.opening import owner_of
from worker.config import CallbackSection, Config, Secret
from worker.core.errors import BadConfiguration, StorageFailed
from worker.gateways.secret_pair import Rights

# Where the units take credentials from, beside the configuration.
CREDENTIALS = "credentials"
NAME, BEFORE = "callback-secret", "-before"

_NAME_A_FILE = "name the file with --write"


class Places(NamedTuple):
    """``references``: how the configuration names the files."""

    present: Path
    before: Path
    references: tuple[str, str]
    owner: Rights

    @property
    def by_systemd(self) -> bool:
        """Whether systemd hands the secret to the service."""
        return self.references[0].startswith("{credential")


def places(config: Config | None, write: Path | None) -> Places:
    """Raises BadConfiguration where neither the configuration nor ``write`` names a file."""
    section = None if config is None else config.callback
    folder = None if config is None or config.source is None else config.source.absolute().parent / CREDENTIALS
    present = write.absolute() if write is not None else _configured(section, folder)
    before = present.with_name(present.name + BEFORE)
    if section is not None and section.previous_secret and present == _file(section.client_secret, folder):
        before = _file(section.previous_secret, folder) or before
    if before == present:
        raise BadConfiguration(
            f"[callback] client_secret and previous_secret name the same file, {present}",
            f"write {_reference(present.with_name(present.name + BEFORE), folder)} for previous_secret",
        )
    owner = Rights(os.geteuid(), os.getegid())
    if config is not None and present.parent != folder:
        # A credential is root's, and systemd reads it; any other file is read by the service itself.
        with contextlib.suppress(StorageFailed):
            owner = Rights(*owner_of(config.store.path))
    return Places(present, before, (_reference(present, folder), _reference(before, folder)), owner)


def _configured(section: CallbackSection | None, folder: Path | None) -> Path:
    if section is None or not section.client_secret:
        if folder is None or not folder.is_dir():
            raise BadConfiguration("[callback] client_secret names no file for the secret", _NAME_A_FILE)
        return folder / NAME
    found = _file(section.client_secret, folder)
    if found is None:
        where = section.client_secret.where
        hint = f"write it there as {{file PATH}}, or {_NAME_A_FILE}"
        raise BadConfiguration(f"{where} = {section.client_secret.shown} is not in a file that is known here", hint)
    return found


def _file(secret: Secret, folder: Path | None) -> Path | None:
    if secret.credential is not None:
        return folder / secret.credential if folder is not None and folder.is_dir() else None
    return secret.file


def _reference(path: Path, folder: Path | None) -> str:
    return f"{{credential {path.name}}}" if path.parent == folder else f"{{file {path}}}"
