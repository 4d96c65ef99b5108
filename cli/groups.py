"""A group of commands that are listed each with its first sentence, whole; click's own cuts it."""

import click

_MOST_LETTERS = 300


class Group(click.Group):
    """See the module."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = []
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            if command is not None:
                rows.append((name, command.get_short_help_str(_MOST_LETTERS)))
        with formatter.section("Commands"):
            formatter.write_dl(rows)
