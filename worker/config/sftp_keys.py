"""The table of the keys of ``[sftp]``."""

from worker.config.kinds import PATH, SECRET, TOKEN, YES_NO, span, whole, word
from worker.config.sftp_kinds import ALGORITHMS, FOLDER, HOST, IDENTIFIERS, PATTERNS
from worker.config.table import Key, Section

SFTP = Section(
    "sftp",
    "The SFTP server on which the vendor drops files of X12 271. Without this section none is fetched.",
    (
        Key("host", HOST, None, "The server.", sample="sftp.example.com", otherwise="required", required=True),
        Key("port", whole(1, 65535), "22", "The port it listens on."),
        Key("username", TOKEN, None, "Who to log in as.", sample="your-user", otherwise="required", required=True),
        Key(
            "key_file",
            PATH,
            None,
            "Your private key (Ed25519, ECDSA or RSA; OpenSSH or PEM). It or a password is needed; a server may ask "
            "for both, one after the other.",
            sample="/etc/cdpoll/sftp-key",
        ),
        Key(
            "key_passphrase",
            SECRET,
            None,
            "The passphrase of that key, if it has one.",
            sample="{credential sftp-key-passphrase}",
        ),
        Key("password", SECRET, None, "The password to log in with.", sample="{credential sftp-password}"),
        Key(
            "known_hosts",
            PATH,
            "/etc/cdpoll/known_hosts",
            "The server's host keys, as OpenSSH writes them; several for one host are all accepted. A server that is "
            "not in it is refused: fill it with ssh-keyscan, and compare with what the vendor says.",
        ),
        Key(
            "algorithms",
            ALGORITHMS,
            None,
            "Changes for an old peer: +aes256-cbc uses a cipher that is not used otherwise, -rsa-sha2-512 leaves one "
            "out. Names as `ssh -Q` lists them.",
            sample="+hmac-sha1 -rsa-sha2-512",
            otherwise="what is sound today",
        ),
        Key(
            "drop",
            FOLDER,
            ".",
            "The folder with the files; a relative one begins where the login ends up. Folders in it are not read.",
        ),
        Key(
            "include",
            PATTERNS,
            None,
            "The names of the files that are meant for us, letter case counts. No other file is ever opened, moved or "
            "deleted: the drop is shared, and on some servers opening a file moves it away for all others.",
            sample="*271*.x12 *271*.zip",
            otherwise="required",
            required=True,
        ),
        Key("exclude", PATTERNS, None, "Names to leave alone even though include has them.", sample="*.tmp *.part"),
        Key(
            "settle",
            span("0s", "1d"),
            "30s",
            "A file is fetched when its size and time were the same in two listings at least this far apart.",
        ),
        Key(
            "after",
            word("leave", "move", "delete"),
            "leave",
            "What happens to a file on the server once everything in it is stored. leave works on read-only drops.",
        ),
        Key(
            "move_to",
            FOLDER,
            None,
            "The folder on the server that after = move moves files to. A name that is taken there gets _1, _2 and "
            "so on at its end.",
            sample="/outbound/done",
            otherwise="required with after = move",
        ),
        Key(
            "archive",
            FOLDER,
            None,
            "The folder that the server itself moves files to once they were opened, if it does so. What is gone from "
            "the drop before it came whole is searched there, by name and size.",
            sample="/outbound/archive",
            otherwise="what is gone is only reported",
        ),
        Key("every", span("10s", "7d"), "5m", "How often the drop is listed."),
        Key(
            "receiver",
            IDENTIFIERS,
            None,
            "Your receiver ids. A 271 set whose ISA08 or GS03 is none of them is meant for another, and is held "
            "(`other_receiver`, see `cdpoll quarantine`). Holds for `cdpoll ingest PATH` too.",
            sample="CLINIC",
            otherwise="sets for every receiver are taken",
        ),
        Key(
            "hold_test",
            YES_NO,
            "no",
            "Whether what a sender marks as a test (ISA15 is T) is held back: stored and shown as a test, but neither "
            "matched with tasks nor delivered. Holds for `cdpoll ingest PATH` too.",
        ),
    ),
    optional=True,
)
