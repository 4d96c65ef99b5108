"""``cdpoll hook``: the Python file that customers copy into their own code."""

import os
import re
from pathlib import Path

import click

from cli.output import say
from worker.build import VERSION
from worker.core.errors import BadData, StorageFailed

_SOURCE = Path(__file__).with_name("cdpoll_hook.py")
_PART = Path(__file__).with_name("saying.py")
_MARK = "# cdpoll_hook "
_HEADER = f"""\
{_MARK}{VERSION}: hands the ids of Coverage Discoveries to cdpoll. `cdpoll hook` wrote this file; copy it as it is.
#
# It needs Python 3.8 or later and its standard library. Nothing of cdpoll has to be installed where it runs.
#
#     httpx.Client(event_hooks={{"response": [cdpoll_hook.httpx_hook()]}})
#     httpx.AsyncClient(event_hooks={{"response": [cdpoll_hook.async_httpx_hook()]}})
#     session.hooks["response"].append(cdpoll_hook.requests_hook())
#
#     with cdpoll_hook.about(ref="account 7"):     # your own key, which comes back with the result
#         client.post(...)
#
# Other clients call `cdpoll_hook.hand_over(headers, status=...)` after each response. All of them take a `Ways`, which
# says how cdpoll is reached: `httpx_hook(cdpoll_hook.Ways("unix:/run/cdpoll-local/intake.sock"))`.
#
# What answers a POST below /rcm/eligibility/ is handed to the local intake (`cdpoll serve local`). Where that does not
# take it, a file is left in the spool folder. Your program waits for less than a second, and nothing is raised into it.
# What neither takes is an error of the logger `cdpoll_hook`, with its ids. Log lines hold no patient data.
"""


@click.command()
@click.option("--to", type=click.Path(path_type=Path), metavar="FILE", help="Write it there, not to standard output.")
def hook(to: Path | None) -> None:
    """Write out cdpoll_hook.py, a Python file to copy into your own code.

    With it, each response of httpx or requests is handed to cdpoll in one line of code. It needs the standard library
    alone. FILE is made, or replaced if it is an earlier cdpoll_hook.py; another file is left as it is (65).
    """
    text = _HEADER + "\n" + _whole()
    if to is None:
        click.echo(text, nl=False)
        return
    if to.is_dir():
        to /= _SOURCE.name
    try:
        _replace(to, text)
    except OSError as error:
        raise StorageFailed(f"{to}: {error.strerror}") from None
    say(f"wrote {to}, version {VERSION}", err=True)


def _whole() -> str:
    """The program in one file: the part, but for what it says of itself, stands where it is imported."""
    part = _PART.read_text().partition("\n\n")[2]
    imports = re.compile(r"(?:from cli\.hook\.saying import .*\n)+")
    return imports.sub(lambda _: part, _SOURCE.read_text(), count=1)


def _replace(path: Path, text: str) -> None:
    """All of it or nothing, and for all to read, as the code around it."""
    if path.exists() and not path.read_text(errors="replace").startswith(_MARK):
        raise BadData(f"{path} is another file; it is left as it is", "name a file that is not there yet")
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        aside.write_text(text)
        aside.chmod(0o644)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
