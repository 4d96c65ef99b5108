"""What is seen of the machine from where the database lies: its disk, and the daemon's process."""

from worker.gateways.machine import disk_of, process_exists
from worker.store.db.failures import denied
from worker.store.db.store import Store
from worker.store.state import daemon
from worker.store.views.problems import Machine


def machine_of(store: Store, *, daemon_exists: bool = True) -> Machine:
    """The daemon itself need not ask whether it exists."""
    disk = disk_of(store.path.parent)
    here = Machine(daemon_exists, None) if disk is None else Machine(daemon_exists, *disk)
    return here if store.shared else here._replace(denied=denied(store.path))


def from_outside(store: Store, now: int) -> tuple[Machine, bool]:
    """The same for another process than the daemon, and whether the daemon makes its passes."""
    own = daemon.own(store)
    # The process of a daemon under this name on another host cannot be seen here.
    exists = own is not None and (not daemon.is_here(store, own) or process_exists(own.beat.pid))
    return machine_of(store, daemon_exists=exists), own is not None and own.beat.alive(now, exists)
