"""What can go wrong with an SFTP server, as one exception with a stable code, a line for people and a hint."""

from worker.core.errors import BadConfiguration, CdpollError, StorageFailed, TryLater, VendorUnreachable
from worker.core.exit_code import ExitCode

_CONFIGURATION = {
    "known_hosts",
    "host_key_unknown",
    "host_key_changed",
    "host_key_revoked",
    "key_file",
    "algorithms",
    "drop_missing",
    "move_to_missing",
    "archive_missing",
}
_CREDENTIALS = {"auth", "auth_partial", "login_waits"}
_STORAGE = {"disk_full", "local"}
_LATER = {"changing", "stopped"}


class LoginRefused(CdpollError):
    """The server refused the user, the key or the password; nothing but other ones will help."""

    exit_code = ExitCode.CREDENTIALS


class SftpFailed(Exception):
    """Neither text holds a secret, a file's content or a name chosen by others.

    ===================  ==========================================================================================
    code                 what happened
    ===================  ==========================================================================================
    dns                  the host name has no address
    connect              no server listens there, or a firewall refuses
    timeout              the server was silent, or too slow, until the deadline
    cut                  the connection ended in the middle
    protocol             what came is not SSH or SFTP, or breaks its rules
    algorithms           the two sides have no algorithm in common (a server with SHA-1 signatures alone, for one)
    known_hosts          the file with the server's keys cannot be used
    host_key_unknown     no key of this server is on file
    host_key_changed     the server's key is none of those on file
    host_key_revoked     the server's key is marked as revoked on file
    key_file             our private key cannot be used
    auth                 the server refused the user, the key or the password
    auth_partial         the server accepted one proof and wants another that is not configured
    login_waits          the server refused our login, and it is too soon to try again
    sftp                 logged in, but there is no SFTP behind it
    archive_missing      the folder that ``archive`` names is not there, or is none
    permission           the server does not allow this
    vanished             the file is not there any more
    drop_missing         the folder that ``drop`` names is not there, or is none
    move_to_missing      the folder that ``move_to`` names is not there, or is none
    changing             the file is still changing, or is not the one that was ingested: look again later
    refused              the server answered with a failure that says nothing more
    too_large            the file is far larger than the server says
    disk_full            our disk has no room for the file
    local                our own folder cannot be written
    stopped              this process was told to stop
    ===================  ==========================================================================================
    """

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.after_proof = False
        """The server had been given the key or the password: who goes on trying is locked out there."""
        self.repeatable = False
        """Nothing was touched: the same may be asked again at once, over a new connection."""

    def as_error(self) -> CdpollError:
        """The same as the error of a command, with its exit code."""
        kinds: tuple[tuple[set[str], type[CdpollError]], ...] = (
            (_CONFIGURATION, BadConfiguration),
            (_CREDENTIALS, LoginRefused),
            (_STORAGE, StorageFailed),
            (_LATER, TryLater),
        )
        kind = next((error for codes, error in kinds if self.code in codes), VendorUnreachable)
        return kind(self.message, self.hint)
