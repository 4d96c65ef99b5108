"""Who gives a command: the name that a person is known by on this machine."""

import os
import pwd

# A longer one is no name: a line of the journal must have room for what was done.
_LONGEST_NAME_CHARS = 64


def who() -> str:
    """The user's name; under sudo, that of who called sudo. Call it before the store is opened: root changes there."""
    caller = os.environ.get("SUDO_USER", "")[:_LONGEST_NAME_CHARS]
    if os.getuid() == 0:
        return caller or "root"
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = str(os.getuid())
    # This user may have set who called sudo: his own name stands first.
    return name if not caller or caller == name else f"{name} (sudo by {caller})"
