"""Completion of task ids in a shell: `eval "$(_CDPOLL_COMPLETE=bash_source cdpoll)"`."""

import os

import click

from worker.config import load_store
from worker.store.opening import open_store
from worker.store.views import tasks as story


def complete_id(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Ids that begin as typed, for the shell; never an error."""
    try:
        root = ctx.find_root().params.get("config")
        with open_store(load_store(root, os.environ).config.store.place, timeout=1.0) as store:
            return story.ids_beginning(store, incomplete)
    except Exception:
        return []
