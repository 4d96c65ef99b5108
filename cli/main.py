"""The command line: which command lives where, and how an error ends.

Commands are imported when they are called: `cdpoll record` runs once per check, and must not pay for the
imports of the others.
"""

import contextlib
import io
import os
import re
import signal
import sys
from typing import TextIO

import click

from cli import FOUND_MASK
from cli.output import OutputFailed, say, told_apart
from worker.build import VERSION
from worker.core.errors import CdpollError, place_of
from worker.core.exit_code import ExitCode
from worker.gateways.machine import keep_out_of_core_files

# name -> (module, attribute, one line for --help)
COMMANDS = {
    "demo": (
        "cli.demo.command",
        "demo",
        "The main job on embedded defaults: sandbox, daemon, 200 checks, every end known.",
    ),
    "sandbox": ("cli.sandbox", "sandbox", "The simulated vendor, for rehearsing without credentials."),
    "run": ("cli.run", "run", "The daemon."),
    "record": ("cli.record", "record", "Make the ids of discoveries durable."),
    "hook": ("cli.hook.command", "hook", "A Python file to copy into your own code: it hands ids to cdpoll."),
    "submit": ("cli.submit.command", "submit", "Submit a check or a direct discovery, and record what it begins."),
    "status": ("cli.status", "status", "The whole picture, also with the daemon dead."),
    "problems": ("cli.problems", "problems", "What a person must see, and what was acknowledged."),
    "tasks": ("cli.tasks", "tasks", "The list of tasks."),
    "show": ("cli.show", "show", "What came of one task, and its life."),
    "found": ("cli.found", "found", "Coverage to bill: who is covered by whom, from when."),
    "export": ("cli.export", "export", "Results in the order of their numbers, for programs."),
    "poll": ("cli.tasks", "poll", "Poll tasks now."),
    "retry": ("cli.tasks", "retry", "A fresh start for tasks, also for abandoned ones."),
    "abandon": ("cli.tasks", "abandon", "Stop asking for tasks."),
    "ingest": ("cli.ingest", "ingest", "Read batch 271 files: given ones, or one round over the SFTP drop."),
    "files": ("cli.ingest", "files", "What came in batches, and what waits on the drop."),
    "quarantine": ("cli.quarantine", "quarantine", "Files and sets that could not be understood."),
    "expected": ("cli.expected", "expected", "Answers of batches that are expected without an id."),
    "unreadable": ("cli.unreadable", "unreadable", "What was handed in and could not be read."),
    "lookups": ("cli.lookups", "lookups", "Requests whose answer was lost, and what came of looking for them."),
    "backfill": ("cli.backfill", "backfill", "Find in the vendor's list what was not recorded."),
    "purge": ("cli.purge", "purge_command", "Remove what is older than an age, and rewrite the file it stood in."),
    "deliver": ("cli.deliver", "deliver", "Bring results out: into folders, to webhooks and commands."),
    "serve": ("cli.serve", "serve", "Serve the status page, metrics and health on this machine."),
    "deliveries": ("cli.deliveries", "deliveries", "What waits to be delivered, has failed or was given up."),
    "doctor": ("cli.doctor.command", "doctor", "Is everything in place, and if not, what is to be done?"),
    "callback-check": (
        "cli.callback.check",
        "callback_check",
        "Play the vendor against your own callback address, before whitelisting is asked for.",
    ),
    "callback-secret": (
        "cli.callback.secret",
        "callback_secret",
        "Make, change or remove the secret that the vendor is given for its callbacks.",
    ),
    "support": ("cli.support", "support", "A ticket for the vendor about one task, without patient data."),
    "config": ("cli.config", "config", "Show or check the configuration."),
    "db": ("cli.db", "db", "The database: where it is, and whether it is whole."),
}

EPILOG = (
    "Exit codes: 0 done, 1 in part, 2 usage, 65 bad data, 69 vendor unreachable, 70 a fault in cdpoll, 74 storage, "
    "75 try again later, 77 credentials refused, 78 configuration, 130 Ctrl-C, 143 a second SIGTERM. "
    "`status --check` alone: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN, as of Nagios."
)


class Lazy(click.Group):
    """A group whose commands are imported when they are needed, and listed without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        return getattr(__import__(module, fromlist=[attribute]), attribute)  # type: ignore[no-any-return]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, _, line) in COMMANDS.items()])


@click.command(cls=Lazy, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--config", metavar="FILE", help="The configuration file; else $CDPOLL_CONFIG, then the usual places.")
@click.version_option(VERSION, message="cdpoll %(version)s")
@click.pass_context
def cli(ctx: click.Context, config: str | None) -> None:
    """Make sure that no Coverage Discovery is ever lost."""
    ctx.obj = {"config": config}
    if ctx.invoked_subcommand not in ("run", "deliver") and FOUND_MASK is not None and signal.SIGHUP not in FOUND_MASK:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})


def main() -> None:
    """The entry point: every error is one clear line, a hint, and the documented exit code."""
    os.umask(0o077)  # until the state folder is known: cli/opening.py
    keep_out_of_core_files()
    # A standard stream that the caller has closed is replaced by an empty one.
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: PTH123, SIM115
    # A terminal that cannot show a letter shows a question mark; what was done has been done.
    sys.stdout = told_apart(sys.stdout)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    code = call()
    try:
        sys.stderr.flush()
    except OSError:
        _drop_output(sys.stderr)  # else the interpreter would try once more, and have its own exit code
    sys.exit(code)


def call(args: list[str] | None = None) -> int:
    """Run one command line; its exit code."""
    code = 0
    try:
        code = _guarded(args)
        if sys.stdout is not None:  # it is, where the caller has closed it
            sys.stdout.flush()
    except BrokenPipeError:
        # The reader of our output has gone. Nothing more can be said, and the interpreter must not try.
        _drop_output(sys.stdout)
        return ExitCode.IN_PART
    except OutputFailed as error:
        return code or _output_failed(error)
    return code


def _output_failed(error: OutputFailed) -> int:
    """Not 74: the storage is well, and what the command had to do besides printing is done."""
    _drop_output(sys.stdout)
    hint = "what was to be done is done, and nothing of it is lost; only the output is"
    return _complain(f"standard output cannot be written: {error.strerror}", hint, ExitCode.IN_PART)


def _drop_output(stream: TextIO) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _guarded(args: list[str] | None) -> int:
    try:
        result = cli.main(args, prog_name="cdpoll", standalone_mode=False)
    except CdpollError as error:
        return _complain(error.message, error.hint, error.exit_code)
    except click.ClickException as error:
        with contextlib.suppress(OSError):
            error.show()
        return error.exit_code
    except click.Abort:
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        raise
    except OutputFailed:
        raise
    except OSError as error:
        name = f"{error.filename}: " if error.filename else ""
        return _complain(f"{name}{error.strerror or type(error).__name__}", "", ExitCode.STORAGE)
    except UnicodeEncodeError as error:
        if not re.search("[\udc80-\udcff]", error.object):
            return _fault(error)
        # Only an argument can hold what Python makes of bytes that are not UTF-8.
        return _complain("an argument is not text in UTF-8; nothing was done", "", ExitCode.USAGE)
    except Exception as error:
        if "CDPOLL_DEBUG" in os.environ:
            raise
        return _fault(error)
    return result if isinstance(result, int) else 0


def _complain(message: str, hint: str, code: int) -> int:
    with contextlib.suppress(OSError):  # the exit code still tells
        say(*(f"cdpoll: {line}" for line in message.split("\n")), err=True)
        if hint:
            say(*f"        {hint}".split("\n"), err=True)
    return code


def _fault(error: Exception) -> int:
    # By class and place only: the text of an unforeseen error may quote data.
    place = f"{type(error).__name__} at {place_of(error)}"
    hint = "please report that line; CDPOLL_DEBUG=1 shows more"
    return _complain(f"a fault in cdpoll itself: {place}", hint, ExitCode.FAULT)
