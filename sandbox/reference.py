"""docs/sandbox.md, written from the tables that the sandbox works by: `python -m sandbox.reference`."""

from pathlib import Path

from sandbox import faults, steering, times

TARGET = Path(__file__).parent.parent / "docs" / "sandbox.md"

HEAD = """\
# The sandbox

The vendor's own sandbox has no Coverage Discovery mocks; this one is where a customer can rehearse. It speaks real HTTP
on a loopback port, keeps its memory until it ends, and by default answers every operation as the vendor documents it:
token, health check, real-time checks and direct discoveries (JSON and X12), discoveries by id and as lists,
transactions. The same seed and the same requests give the same answers. A token that was asked for with scopes may do
what they say; both generations of the token endpoint are there (the second takes a form alone). Real-time checks are
answered at once. [Callbacks](#callbacks) are delivered where you say so.

    cdpoll sandbox --speed 60 --checks 20
    cdpoll --config cdpoll-sandbox/cdpoll.ini run

`--speed` divides every time span of the vendor. The configuration that is printed (and kept in
`cdpoll-sandbox/cdpoll.ini`) divides cdpoll's own spans likewise, and raises its limits to suit. Without `--checks` and
`--batch` it says `[store] runs = once`: then it is no problem that no daemon runs. `cdpoll-sandbox/url` holds the
sandbox's address. `--dir` names another folder. It must be yours, not writable by all, and no symbolic link, for it
holds a secret; the same goes for `cdpoll demo --dir`. The vendor forgets everything when it ends, so each start has a
database of its own in a folder named for the moment.

## Rehearsals

Each takes three terminals and a few minutes. In the first, start the sandbox with the line of the rehearsal. With
`--checks` it makes checks by itself and records the tasks that they start, into the database of the configuration that
it prints. The faults wait: their times count from the first request of the daemon. In the second terminal, in the same
folder:

    export CDPOLL_CONFIG=$PWD/cdpoll-sandbox/cdpoll.ini
    cdpoll run

In the third, after the same `export`, look on with `cdpoll status`. A minute here is an hour of the vendor's, unless
the line says otherwise. When a problem is over, `status` shows it at once; the log tells it a minute later, for it may
come again.

### The vendor is down for an hour

    cdpoll sandbox --checks 20 --faults '503@-1h,token_down@-1h'

**Meanwhile** `cdpoll status` names `api_unreachable`, and when the next probe is due; tasks whose polls met the outage
may stand there too, as `failing_http_503`. **Afterwards** no problem is left, and polling goes on.

It takes five tasks in a row to tell an outage of the API from trouble of single tasks: with `--checks 4` and `503@-1h`
alone, polls fail and the API is not paused.

### The credentials are refused for an hour

    cdpoll sandbox --checks 20 --faults 'token_refused@-1h'

No token is issued. **Meanwhile** `cdpoll status` names `api_credentials`: the daemon asks for
a token now and then, and for nothing else. **Afterwards** no problem is left, and polling goes on.

### The product is not switched on

    cdpoll sandbox --checks 20 --faults 'invalid_product@/coverage-discovery'

The token is good, but not for discoveries; a new one does not help. **Meanwhile** `cdpoll status` names
`api_credentials`, until you end the sandbox.

### The ids belong to another environment

    cdpoll sandbox --checks 20 --faults '404@/coverage-discovery'

A 404 may be early, so no problem is named for 15 minutes (15 seconds here); the line `Work` says IN VAIN.
**Meanwhile**, after that, `cdpoll status` names `wrong_environment` (`not_found` while it is so of one or two tasks
alone), until you end the sandbox. No task is given up.

### New ids are not known at once

    cdpoll sandbox --checks 20 --faults '404_then_found=3each'

The first three polls of each task are answered with 404. **Afterwards** no problem is left: each task is polled again
soon, and then the vendor knows it.

### A storm of 429

    cdpoll sandbox --checks 20 --faults '429:60=20%@/coverage-discovery/'

One poll in five is refused for a minute (a second here). **Meanwhile** `cdpoll status` names `api_rate_limited` during
each pause. Between the pauses work goes on, and the line `Work` says SLOWED, with the pace of the moment and when it is
full again.

### Discoveries that take weeks

    cdpoll sandbox --speed 1440 --checks 20 --times 'quick=5s-2m,RTCOB=20d-30d,CoverageInsight=20d-30d'

A minute here is a day. With `--times`, the patients of `--checks` do not steer how long it takes. **Meanwhile**, after
a day, `cdpoll status` names `overdue`: tasks that are pending for more than 24 hours. They are polled on, ever more
seldom, until they end.

### Batch files come by SFTP

    cdpoll sandbox --checks 20 --batch 1h

The sandbox serves an SFTP drop on another port, and puts a file of X12 271s into it at once, and then every hour if
there is news. The printed configuration has the section `[sftp]` for it; leave out `[api]` to see an installation that
has nothing but batch files. **In the end**, within ten seconds, the first file was fetched and read. These two show it,
and the coverage that its answers name:

    cdpoll files
    cdpoll found

### A proxy spoils the Link headers

    cdpoll sandbox --checks 20 --faults 'link_unreadable=30%'

**Meanwhile** `cdpoll status` names `unreadable`, with or without a daemon: what could not be read is kept as it came,
and `cdpoll unreadable list` shows it.

"""

CALLBACKS = """\
## Callbacks

    cdpoll sandbox --checks 20 --callback-url http://127.0.0.1:9272/coverage-discovery/callback

Each discovery that ends is delivered to this URL, with a token as the vendor asks for it. The printed configuration has
the section `[callback]` for it, where the URL is one of this machine. In another terminal, in the same folder:

    cdpoll --config cdpoll-sandbox/cdpoll.ini serve callback

The sandbox waits for it: the first delivery is tried when the port can be reached. What became of each is counted when
the sandbox ends. The URL must be https, or http on a loopback address.

| option | means |
| --- | --- |
| `--callback-url` | where deliveries go |
| `--callback-token-url` | where a token is asked for; by default `/oauth2/token` beside the callback URL |
| `--callback-client-id` | what it proves itself with; by default `vendor` |
| `--callback-secret-file` | a file with the secret of that client id (see below) |
| `--callback-scope` | what a token is asked for with; by default nothing |
| `--callback-generation` | the vendor's manner, `newer` (the default) or `older` |
| `--callback-ca` | certificates to trust in place of the machine's |

- Without `--callback-secret-file` the variable `CDPOLL_SANDBOX_CALLBACK_SECRET` has the secret; without that a new one
  is made. `cdpoll-sandbox/callback-secret` keeps it.
- The newer generation asks for a token with HTTP Basic and a form, and delivers what has ended. The older one asks with
  a JSON body, delivers the pending task first, and spells `endDatetime`.
- A token is used until its `expires_in` has passed, in real seconds, or a delivery is answered with 401. Then the next
  try begins with a new token.
- A delivery is accepted when it is answered with exactly 204. Else it is tried again every five minutes of the vendor's
  time, five times, and then it is given up. A token that cannot be had counts as a try. An answer is waited for 30 s.
- The body is what the API says of the task, without `realTime`. The faults `realtime`, `realtime_empty` and
  `realtime_null` change that; with `@callback` or `@POST` behind them in callbacks alone.
- A direct discovery may name a `callbackUrl` of its own. It is called where its host is that of the options; else the
  delivery is `barred`.
- Eight deliveries are under way at most. A receiver that hangs holds up other deliveries, and never the API.

This looks at all deliveries with their tries, and at some by `?state=given_up` or `?id=…`:

    curl -s $(cat cdpoll-sandbox/url)/sandbox/callbacks

A state is `waiting`, `sending`, `accepted` (204), `given_up` (after six tries), `lost` (by the fault) or `barred`. A
try has the status that was heard, or words: `unreachable`, `no answer`, `no whole answer`, `cut`, `no TLS`,
`certificate not trusted`; `token:` stands before what went wrong at the token endpoint.

These two replay what has ended, as the vendor's support does: by id, and by the time range of the ends, of which either
may be left out. A replay is a delivery of its own.

    curl -s $(cat cdpoll-sandbox/url)/sandbox/callbacks/replay -d '{"ids": ["0716e3e8-87ee-11ee-b9d1-0242ac120002"]}'
    curl -s $(cat cdpoll-sandbox/url)/sandbox/callbacks/replay -d '{"from": "2026-01-01T00:00:00Z"}'

The [faults](#faults) say what can go wrong with callbacks, as in `--faults 'callback_lost=20%,callback_twice=3x'`.

### Callbacks are forged

    cdpoll sandbox --checks 20 --faults 'callback_forged=2x,callback_unknown=2x' \\
        --callback-url http://127.0.0.1:9272/coverage-discovery/callback

Two callbacks have an id that the API does not know; two have one that it knows, and that no answer has named. All four
become tasks, and the API is asked about each. While `cdpoll serve callback` and `cdpoll run` run, `cdpoll status` names
`callback_mismatch`, after 15 minutes of the vendor's (15 seconds here), and this shows the two:

    cdpoll tasks --unconfirmed

### Callbacks that cannot be used

    cdpoll sandbox --checks 20 --faults 'callback_foreign=2x,callback_broken=5x' \\
        --callback-url http://127.0.0.1:9272/coverage-discovery/callback

Two are of another customer, and the bodies of five are broken. All are answered 204: a refusal would lose them. While
`cdpoll serve callback` runs, `cdpoll status` names `callback_quarantined`, with or without a daemon. These show what
came:

    cdpoll quarantine list
    cdpoll quarantine show c1 --bytes

"""


def markdown() -> str:
    """The whole page."""
    return (
        f"{HEAD}{CALLBACKS}## Choosing what happens\n\n```text\n{steering.help_text().strip()}\n```\n\n"
        f"## How long it takes\n\nWritten after `--times`:\n\n```text\n{times.help_text().strip()}\n```\n\n"
        f"## Faults\n\n```text\n{faults.help_text().strip()}\n```\n"
    )


if __name__ == "__main__":
    TARGET.write_text(markdown())
