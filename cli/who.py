"""Who gives a command: the name that a person is known by on this machine."""

import os
import pwd


def who() -> str:
    """The user's name; under sudo, that of who called sudo. Call it before the store is opened: root changes there."""
    if os.getuid() == 0:
        return os.environ.get("SUDO_USER") or "root"
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = str(os.getuid())
    caller = os.environ.get("SUDO_USER")  # which this user may have set himself: his own name stands first
    return name if not caller or caller == name else f"{name} (sudo by {caller})"
