"""Who looked at patient data, or did something by hand: into the append-only table ``acts``, and into the journal."""

import syslog

from cli.output import say
from worker.core.errors import StorageFailed, TryLater
from worker.store.db.store import Store
from worker.store.state.standing import note_act


def tell_journal(who: str, act: str) -> None:
    """Hand an event to syslog, which is journald's on most machines. Where there is neither, it is lost."""
    syslog.openlog("cdpoll", syslog.LOG_PID, syslog.LOG_AUTH)
    syslog.syslog(syslog.LOG_NOTICE, f"audit: {who!r}: {act}")


def audited(store: Store, who: str, act: str, now: int) -> None:
    """Note that patient data is read, before it is. Where the row cannot be written, the journal alone has it, and a
    warning says so."""
    try:
        note_act(store, who, act, now)
    except (StorageFailed, TryLater) as error:
        tell_journal(who, act)
        say(f"warning: this could not be written into the table of acts: {error.message}", err=True)
