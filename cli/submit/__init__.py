"""``cdpoll submit``: the command, and how its answer is told."""
