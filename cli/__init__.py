"""What people type: the commands of cdpoll, as thin as they can be. The work is done by `worker`."""

import signal
import threading

# A reload that comes while the daemon starts must neither end it nor be lost, so this stands before every other import:
# the signal waits until the daemon listens. Other commands get back what they found (cli/main.py).
FOUND_MASK = (
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    if threading.current_thread() is threading.main_thread()
    else None
)
