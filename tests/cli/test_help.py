"""What ``--help`` prints: fitted to 80 columns, and no sentence cut."""

import re
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from cli.main import cli


def words(group: click.Group, before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """How each command is called."""
    yield before
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        if isinstance(command, click.Group):
            yield from words(command, (*before, name))
        else:
            yield (*before, name)


@pytest.mark.parametrize("called", list(words(cli)), ids=" ".join)
def test_help_is_whole_and_names_values_as_the_readme_does(called: tuple[str, ...]) -> None:
    done = CliRunner().invoke(cli, [*called, "--help"])
    assert done.exit_code == 0
    assert max(map(len, done.output.splitlines())) <= 80
    assert "..." not in re.sub(r"\S*[A-Z]\S*\.\.\.", "", done.output)  # but for "ID..."
    assert not re.search(r"\b(INTEGER|FLOAT|RANGE|BOOLEAN)\b", done.output)
