"""The manual pages, made from the commands and the lists of codes: ``python -m cli.man_pages FOLDER``.

cdpoll(1) has what an operator needs with nothing else at hand: the commands, the files, the signals, the exit codes,
and every problem with its cure. Each command has a page of its own, such as cdpoll-record(1).
"""

import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import click

from cli.main import COMMANDS, cli
from cli.problems_page import problem_rows
from worker import __version__
from worker.core.exit_code import MEANINGS, NAGIOS

FILES = {
    "/etc/cdpoll/cdpoll.ini, /etc/cdpoll/conf.d/*.ini": "The configuration; --config or $CDPOLL_CONFIG names another.",
    "/etc/cdpoll/credentials/client_secret": "The secret, for root's eyes; systemd hands it to the service.",
    "/usr/share/doc/cdpoll/docs": "The pages that messages name as docs/… (without the package: in the checkout).",
    "/var/lib/cdpoll/cdpoll.db": "The database, and beside it its journal, marker and locks. It holds patient data.",
}

SIGNALS = {
    "SIGTERM": "Requests under way finish, what they bring is saved, and the process ends; at once by a second one.",
    "SIGHUP": "The configuration is read anew; one that cannot be used changes nothing, and status says so.",
}

START = """\
systemctl status cdpoll and cdpoll status tell how it goes, also with the daemon dead. cdpoll problems list names what a
person must do. journalctl -u cdpoll has the log. After a change of the configuration: cdpoll config check, then
systemctl reload cdpoll. A new secret needs systemctl restart cdpoll."""


def write(folder: Path) -> list[Path]:
    """Write all pages; their paths."""
    pages = {"cdpoll.1": overview()} | {
        f"cdpoll-{name}.1": page(["cdpoll", name], cli.get_command(_context(), name)) for name in COMMANDS
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in pages]


def _context() -> click.Context:
    return click.Context(cli, info_name="cdpoll")


def overview() -> str:
    """cdpoll(1)."""
    parts = [
        _title("cdpoll", "poll Coverage Discovery tasks until the vendor concludes them"),
        _section("SYNOPSIS", r"\fBcdpoll\fR [\fB--config\fR \fIFILE\fR] \fICOMMAND\fR [\fIARGUMENTS\fR]" + "\n"),
        _section("DESCRIPTION", _text(str(cli.help)) + ".PP\n" + _text(START)),
        _section("COMMANDS", _terms({f"cdpoll-{name}(1)": line for name, (_, _, line) in COMMANDS.items()})),
        _section("FILES", _terms(FILES)),
        _section("SIGNALS", _terms(SIGNALS)),
        _section("EXIT STATUS", _exit_status()),
        _section("PROBLEMS", "".join(_problem(*row) for row in problem_rows())),
    ]
    return "".join(parts)


def _exit_status() -> str:
    codes = _terms({str(int(code)): f"{words[0].upper()}{words[1:]}." for code, words in MEANINGS.items()})
    return codes + ".PP\n" + _text(f"cdpoll status --check alone ends as a Nagios plug-in: {NAGIOS}.")


def _problem(code: str, severity: str, meaning: str, cure: str) -> str:
    return f".TP\n\\fB{_escaped(code)}\\fR ({severity})\n{_text(meaning)}.br\n{_text('What to do: ' + cure)}"


def page(path: list[str], command: click.Command | None) -> str:
    """The page of one command, with those of its group."""
    assert command is not None
    help_text = command.help or ""
    parts = [_title("-".join(path), help_text.partition("\n\n")[0].rstrip("."))]
    parts.append(_section("SYNOPSIS", "".join(_usage(*one) for one in _each(path, command))))
    parts.append(_section("DESCRIPTION", _text(help_text) + _options(command)))
    for name, under in _each(path, command):
        if under is not command:
            parts.append(_section(" ".join(name[1:]).upper(), _text(under.help or "") + _options(under)))
    parts.append(_section("SEE ALSO", "cdpoll(1)\n"))
    return "".join(parts)


def _each(path: list[str], command: click.Command) -> Iterator[tuple[list[str], click.Command]]:
    if not isinstance(command, click.Group):
        yield path, command
        return
    context = _context()
    for name in command.list_commands(context):
        under = command.get_command(context, name)
        if under is not None:
            yield from _each([*path, name], under)


def _usage(path: list[str], command: click.Command) -> str:
    pieces = command.collect_usage_pieces(_context())
    return f".TP\n\\fB{' '.join(path)}\\fR {_escaped(' '.join(pieces))}\n"


def _options(command: click.Command) -> str:
    records = [one.get_help_record(_context()) for one in command.params]
    return _terms({flags: words for record in records if record is not None for flags, words in [record]})


def _title(name: str, words: str) -> str:
    one_line = " ".join(words.split())
    head = f'.TH {name.upper()} 1 "" "cdpoll {__version__}" "cdpoll"\n'
    return head + _section("NAME", f"{_escaped(name)} \\- {_escaped(one_line[:1].lower() + one_line[1:])}\n")


def _section(title: str, body: str) -> str:
    return f".SH {title}\n{body}"


def _terms(terms: dict[str, str]) -> str:
    return "".join(f".TP\n\\fB{_escaped(term)}\\fR\n{_text(words)}" for term, words in terms.items())


def _text(text: str) -> str:
    """Paragraphs; \\b before one keeps its lines, as in click."""
    blocks = []
    for block in re.split(r"\n\s*\n", textwrap.dedent(text).strip("\n")):
        if block.lstrip().startswith("\b"):
            blocks.append(".nf\n" + _escaped(block.lstrip("\b \n")) + "\n.fi\n")
        else:
            blocks.append(_escaped(" ".join(block.split())) + "\n")
    return ".PP\n".join(blocks)


def _escaped(text: str) -> str:
    """So that roff takes it as it stands."""
    text = text.replace("\\", r"\e").replace("-", r"\-").replace("`", "")
    return re.sub(r"(?m)^([.'])", r"\\&\1", text)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
