"""The audit of a command: into the append-only table ``acts`` and the journal."""

from cli.output import say
from worker.core.errors import MovedAway, StorageFailed, TryLater
from worker.store.db.store import Store
from worker.store.state import acts
from worker.store.state.acts import Action


def note_act(store: Store, who: str, act: Action, about: str | None, now: int) -> None:
    """Note an act in a transaction of its own. Raises StorageFailed and TryLater: nothing may be done then."""
    with store.write(alone=False):
        acts.note(store, who, act, about, now)


def audited(store: Store, who: str, act: Action, about: str | None, now: int) -> None:
    """The same for what is done in any case: where the row cannot be written, the journal alone has it, and a warning
    says so."""
    try:
        note_act(store, who, act, about, now)
    except (StorageFailed, TryLater, MovedAway) as error:
        store.journal(acts.line_of(who, act, about))
        say(f"warning: this could not be written into the table of acts: {error.message}", err=True)
