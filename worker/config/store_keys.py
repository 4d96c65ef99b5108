"""The keys of ``[store]``."""

import re

from worker.config.kinds import DATABASE, TOKEN, Kind, Written, guard_literal, literal, show_secret, whole, word
from worker.config.secret import Secret, read_reference
from worker.config.table import Key, Section

_SCHEME = re.compile(r"postgres(ql)?://")
_PASSWORD = re.compile(r"([?&](?:ssl)?password=)[^&]*", re.IGNORECASE)
_USER = re.compile(r"[^/?#@:]*(:[^/?#@]*)?@")


def shown_address(text: str) -> str:
    """Check a server's URL; return it with the passwords taken out."""
    scheme = _SCHEME.match(text)
    if scheme is None:
        raise ValueError("is not the URL of a PostgreSQL server; write postgresql://user@host:5432/name")
    rest = text[scheme.end() :]
    user = _USER.match(rest)
    place = rest if user is None else rest[user.end() :]
    if "@" in place:  # that of a password in which it, or a sign before it, was meant literally
        raise ValueError("has a user or a password that is not well-formed; write special characters as %XX")
    if user is not None and user[1] is not None:
        rest = f"{user[0].partition(':')[0]}:(not shown)@{place}"
    return scheme[0] + _PASSWORD.sub(r"\1(not shown)", rest)


def _url(written: Written) -> Secret:
    secret = read_reference(written.where, written.text, written.folder, written.environ, check=shown_address)
    if secret is None:
        shown = shown_address(written.text)
        if "(not shown)" in shown:
            guard_literal(written)
        secret = literal(written, shown)
    return secret


URL = Kind(
    "`postgresql://` URL; with a password in it, `{credential NAME}`, `{file PATH}` or `{env NAME}`",
    _url,
    show_secret,
)

STORE = Section(
    "store",
    "The database.",
    (
        Key(
            "path",
            DATABASE,
            "/var/lib/cdpoll/cdpoll.db",
            "The database file; everything cdpoll knows is in it. With a url: the name beside which this host's own "
            "files lie, as locks and batches that are being read.",
        ),
        Key(
            "journal",
            word("auto", "wal", "truncate"),
            "auto",
            "SQLite's journal mode. auto takes wal where the SQLite in use is known to be sound with it.",
        ),
        Key(
            "runs",
            word("daemon", "once"),
            "daemon",
            "How cdpoll runs here. daemon: `cdpoll run`, and it is a problem when none runs. once: a timer or a person "
            "starts `cdpoll run --once` or `cdpoll ingest`, and it is a problem when something waits for a day.",
        ),
        Key(
            "url",
            URL,
            None,
            "A database on a PostgreSQL server in place of the file, for daemons on several hosts; needs the extra "
            "cdpoll[postgres]. docs/postgresql.md tells how.",
            sample="postgresql://cdpoll@db.example/cdpoll",
            otherwise="the file at path",
        ),
        Key(
            "daemon",
            TOKEN,
            None,
            "With a url: the name of this host's daemon; no two may have one name.",
            sample="east",
            otherwise="the name of the host",
        ),
        Key(
            "prepare_threshold",
            whole(0, 1000),
            "5",
            "With a url: after how many runs a statement is prepared on the server. 0: never, as behind a pooler that "
            "knows no prepared statements.",
        ),
    ),
)
