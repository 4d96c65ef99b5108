"""``python -m cli``: the same as ``cdpoll``, started with a chosen interpreter."""

from cli.main import main

main()
