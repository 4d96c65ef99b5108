"""docs/sandbox.md, written from the tables that the sandbox works by: `python -m sandbox.reference`."""

from pathlib import Path

from sandbox import faults, steering, times

TARGET = Path(__file__).parent.parent / "docs" / "sandbox.md"

HEAD = """\
# The sandbox

The vendor's own sandbox has no Coverage Discovery mocks; this one is where a customer can rehearse. It speaks real HTTP
on a loopback port, keeps its memory until it ends, and by default answers every operation as the vendor documents it:
token, health check, real-time checks and direct discoveries (JSON and X12), discoveries by id and as lists,
transactions. The same seed and the same requests give the same answers.

    cdpoll sandbox --speed 60 --faults '429:30=2%,404_then_found=3each'
    cdpoll --config cdpoll-sandbox/cdpoll.ini run

`--speed` divides every time span of the vendor. The configuration that is printed (and kept in
`cdpoll-sandbox/cdpoll.ini`) divides cdpoll's own spans likewise, and raises its limits to suit. The folder must be
yours, not writable by all, and no symbolic link, for the file holds a secret; the same goes for `cdpoll demo --dir`.

## A rehearsal

    cdpoll sandbox --speed 60 --faults '503@/coverage-discovery@10m-70m'   # an hour of 503 (a minute here), after 10 s
    cdpoll sandbox --faults 'token_refused@5m-20m'           # credentials refused for a while: the daemon pauses
    cdpoll sandbox --faults 'invalid_product@/coverage-discovery@5m-'   # a product revoked after 5 s: no token cures it
    cdpoll sandbox --faults '404@/coverage-discovery'        # ids of another environment
    cdpoll sandbox --faults '429:60=20%@/coverage-discovery' # a storm of 429
    cdpoll sandbox --faults 'forbidden@list'                 # no list at all
    cdpoll sandbox --times 'quick=5s-2m,CoverageInsight=12h-10d'   # slower than usual

Watch `cdpoll status` meanwhile: it names the pause, its reason, and when the next probe is due.

"""


def markdown() -> str:
    """The whole page."""
    return (
        f"{HEAD}## Choosing what happens\n\n```text\n{steering.help_text().strip()}\n```\n\n"
        f"## How long it takes\n\nWritten after `--times`:\n\n```text\n{times.help_text().strip()}\n```\n\n"
        f"## Faults\n\n```text\n{faults.help_text().strip()}\n```\n"
    )


if __name__ == "__main__":
    TARGET.write_text(markdown())
