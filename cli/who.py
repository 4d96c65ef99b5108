"""Who gives a command: the name that a person is known by on this machine."""

import os
import pwd


def who() -> str:
    """The user's name; under sudo, that of who called sudo. Call it before the store is opened: root changes there."""
    if os.getuid() == 0:
        return os.environ.get("SUDO_USER") or "root"
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
