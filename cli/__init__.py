"""What people type: the commands of cdpoll, as thin as they can be. The work is done by `worker`."""

import signal
import threading

# A reload that comes while the daemon starts must not end it, so this stands before every other import. The daemon
# listens for SIGHUP later; other commands get back what they found (cli/main.py).
FOUND_SIGHUP = (
    signal.signal(signal.SIGHUP, signal.SIG_IGN) if threading.current_thread() is threading.main_thread() else None
)
