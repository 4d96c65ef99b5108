"""``python -m cli``: the same as ``cdpoll``, for whoever starts it with an interpreter of their own choosing."""

from cli.main import main

main()
