"""The entries of the drop's folder, sorted as they come: what is meant for us, what is unclear, and links."""

from worker.gateways.sftp.failure import SftpFailed
from worker.gateways.sftp.packets import Attributes, Entry
from worker.gateways.sftp.remote_file import UNKNOWN_SIZE_BYTES, DropSettings, RemoteFile, as_file, is_name

_MOST_FILES = 100_000  # that are meant for us
_LARGEST_NAMES_BYTES = 16 * 1024 * 1024  # of all files that are meant for us
_MOST_LINKS = 1000  # that are told of


class Sorting:
    """``files`` are regular ones. Of ``unclear`` ones the listing does not tell how large they are, or what they are at
    all. ``links`` have names that are meant for us. ``seen`` counts all entries."""

    def __init__(self, settings: DropSettings) -> None:
        self._settings = settings
        self.files: list[RemoteFile] = []
        self.unclear: list[RemoteFile] = []
        self.links: list[RemoteFile] = []
        self.seen = 0
        self._names_bytes = 0

    def add(self, entry: Entry) -> None:
        """One more entry. Raises SftpFailed where there are too many."""
        self.seen += 1
        if not is_name(entry.name) or not self._settings.wants(entry.name):
            return
        file = as_file(entry.name, entry.attributes)
        if entry.regular is False:
            self.no_file(file, entry.attributes)
            return
        (self.unclear if file.size == UNKNOWN_SIZE_BYTES or entry.regular is None else self.files).append(file)
        self._names_bytes += len(entry.name)
        if len(self.files) + len(self.unclear) > _MOST_FILES or self._names_bytes > _LARGEST_NAMES_BYTES:
            raise too_many(f"more than {_MOST_FILES} files for us, or too long names")

    def no_file(self, file: RemoteFile, told: Attributes) -> None:
        """The server tells that this is no regular file."""
        if told.link and len(self.links) < _MOST_LINKS:
            self.links.append(file)


def too_many(what: str) -> SftpFailed:
    """The folder holds more than can be listed."""
    return SftpFailed("protocol", f"the folder holds {what}", "clear it out")
