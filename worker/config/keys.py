"""The table of all sections and keys: kind, default and meaning; those of ``[deliver.NAME]`` are in deliver_keys.py.

A section has a NamedTuple in ``settings.py`` with one field for each key, named after it plus the kind's suffix.
Adding a key is one line here and one field there; the documentation is rendered from this table.
"""

from worker.config.alert_keys import ALERT
from worker.config.backfill_keys import BACKFILL
from worker.config.callback_keys import CALLBACK
from worker.config.kinds import (
    BASE_URL,
    CADENCE,
    NAME,
    PAGE_URL,
    PATH,
    PROXY,
    SECRET,
    TEXT,
    TOKEN,
    TOKEN_URL,
    TOKENS,
    WEEKLY,
    positive,
    span,
    whole,
    word,
)
from worker.config.local_keys import LOCAL
from worker.config.sftp_keys import SFTP
from worker.config.spool_keys import SPOOL
from worker.config.store_keys import STORE
from worker.config.table import Key, Section

API = Section(
    "api",
    "The vendor's API. Without this section nothing is asked of the vendor.",
    (
        Key(
            "base_url",
            BASE_URL,
            None,
            "Where the API is, with its path prefix; request paths are appended to it.",
            sample="https://sandbox-apigw.optum.com/rcm/eligibility/v1",
            otherwise="required",
            required=True,
        ),
        Key(
            "token_url",
            TOKEN_URL,
            None,
            "Where access tokens are asked for.",
            sample="https://sandbox-apigw.optum.com/apip/auth/v2/token",
            otherwise="the origin of base_url, with the path /apip/auth/v2/token",
        ),
        Key(
            "client_id",
            NAME,
            None,
            "The client id the vendor gave you; needed by what talks to the vendor.",
            sample="your-client-id",
        ),
        Key(
            "client_secret",
            SECRET,
            None,
            "The client secret that belongs to it; needed by what talks to the vendor.",
            sample="{credential client_secret}",
        ),
        Key(
            "scope",
            TOKENS,
            None,
            "The scope to ask for with a token, if the vendor named one.",
            sample="your-scope",
        ),
        Key(
            "tenant_id",
            TOKEN,
            None,
            "Your tenant at the vendor. Never sent; answers that name another tenant are not stored.",
            sample="your-tenant-id",
        ),
        Key(
            "subtenant_id",
            TOKEN,
            None,
            "The subtenant that `cdpoll submit` names (x-optum-subtenant-id), where the vendor gave you one.",
            sample="your-subtenant-id",
        ),
        Key("token_body", word("json", "form"), "json", "How the request for a token is written."),
        Key(
            "ca_file",
            PATH,
            None,
            "Certificates (PEM) to trust in place of the machine's own, for networks that inspect TLS.",
            sample="/etc/cdpoll/ca.pem",
            otherwise="the machine's own",
        ),
        Key(
            "proxy",
            PROXY,
            None,
            "The HTTP proxy for all requests to the vendor. With it, base_url and token_url must begin with https. "
            "Proxy variables of the environment are ignored.",
            sample="http://proxy.example.com:3128",
            otherwise="no proxy",
        ),
        Key(
            "timeout",
            span("1s", "110s"),
            "30s",
            "How long one request may take in all, from connecting to the last byte.",
        ),
    ),
    optional=True,
)

_LONG = span("1ms", "3650d")

POLLING = Section(
    "polling",
    "How often the vendor is asked. The limits are ceilings, not targets.",
    (
        Key(
            "requests_per_second",
            positive(10_000),
            "1",
            "Requests a second on average, over all tasks and all cdpoll processes.",
        ),
        Key("burst", whole(1, 10_000), "5", "Requests that may go out at once after a quiet time."),
        Key("max_in_flight", whole(1, 256), "4", "Requests that may be waiting for their answer at the same time."),
        Key(
            "daily_budget",
            whole(1, 100_000_000),
            None,
            "Requests from midnight to midnight UTC, over all tasks and all cdpoll processes.",
            sample="20000",
            otherwise="any number",
        ),
        Key(
            "schedule",
            word("learned", "fixed"),
            "learned",
            "How the time of the next poll is found. learned goes by what this installation has seen of tasks like it, "
            "and begins with the cadence; fixed always follows the cadence.",
        ),
        Key(
            "delay_per_request",
            span("1ms", "1h"),
            "20s",
            "How much waiting of results one request is worth, at least. Where requests are scarce, the learned "
            "schedule raises it by itself.",
        ),
        Key(
            "cadence",
            CADENCE,
            "10s x1.4 15m 10%",
            "First poll, growth of the wait, its ceiling, then the share of the task's age that a wait lasts.",
        ),
        Key(
            "min_interval",
            _LONG,
            "5s",
            "The shortest wait between two polls of one task. Never above the first poll of the cadence.",
            otherwise="5s, or the first poll of the cadence if that is shorter",
        ),
        Key("max_interval", _LONG, "6h", "The longest wait between two polls of one task."),
        Key("alert_after", _LONG, "24h", "A task that is still pending at this age becomes a problem."),
        Key(
            "give_up_after",
            _LONG,
            "45d",
            "A task that is still pending at this age is abandoned, visibly; it can be revived.",
        ),
        Key(
            "not_found_grace",
            span("0s", "3650d"),
            "15m",
            "How long the vendor may deny knowing a task before that becomes a problem.",
        ),
        Key(
            "callback_grace",
            span("0s", "7d"),
            "45m",
            "How long the first poll of a task waits for the vendor's callback. It counts only where [callback] is "
            "configured and callbacks arrive. The vendor tries for some 25 minutes.",
        ),
        Key(
            "lookup_for",
            span("1h", "365d"),
            "3d",
            "How long the vendor's list is searched for a discovery of which only the correlation id is known.",
        ),
        Key(
            "pace_recovery",
            span("20ms", "1d"),
            "20m",
            "How long a pace that 429 and 503 have lowered takes to be full again, from the lowest one.",
        ),
    ),
)

RETENTION = Section(
    "retention",
    "How long is kept what says whom a task is about. Ids, times and outcomes stay for good.",
    (
        Key(
            "keep",
            span("1d", "36500d"),
            None,
            "How old a concluded or abandoned task, a batch file or a text may become before it is purged; the daemon "
            "looks once a day. Pending tasks, and what a way out has not delivered, are not purged.",
            sample="400d",
            otherwise="nothing is purged",
        ),
        Key(
            "vacuum",
            WEEKLY,
            "Sunday 03:00",
            "When the daemon rewrites the file of the database, so that nothing that was purged is left in it: within "
            "three hours from then, in UTC. It is done where something was purged since. Writers wait meanwhile. "
            "never: it is left to `cdpoll purge --yes`.",
        ),
    ),
)

SUPPORT = Section(
    "support",
    "What `cdpoll support` writes into a ticket for the vendor, beside what it knows of a task.",
    (
        Key("customer", TEXT, None, "The name under which the vendor knows you.", sample="your-organisation"),
        Key("submitter_id", TEXT, None, "The submitter id that the vendor gave you.", sample="your-submitter-id"),
        Key(
            "environment",
            TEXT,
            None,
            "Which of the vendor's environments this is: production or sandbox.",
            sample="production",
            otherwise="the host of base_url",
        ),
        Key(
            "technical_owner",
            TEXT,
            None,
            "Whom the vendor asks about your callback address: name, e-mail, telephone. `cdpoll callback-check` writes "
            "it into the request for whitelisting.",
            sample="Integration team, integration@your-organisation.example",
        ),
    ),
)

DOCTOR = Section(
    "doctor",
    "What `cdpoll doctor` asks beside what the other sections name.",
    (
        Key(
            "vendor_status",
            PAGE_URL,
            None,
            "The vendor's public status page, one that answers at /api/v2/summary.json as Statuspage does. It tells "
            "trouble of the vendor's from trouble here; it is sent no secret.",
            sample="https://status.example.com",
            otherwise="none is asked",
        ),
    ),
)

LOG = Section(
    "log",
    "What is written to standard error.",
    (
        Key(
            "format",
            word("auto", "json", "console"),
            "auto",
            "json is one object a line; auto takes console on a terminal and json elsewhere.",
        ),
        Key("level", word("debug", "info", "warning", "error"), "info", "The least important kind of line to write."),
    ),
)

SECTIONS = (API, STORE, POLLING, SFTP, SPOOL, BACKFILL, CALLBACK, ALERT, RETENTION, LOCAL, SUPPORT, DOCTOR, LOG)
KEYS: dict[tuple[str, str], Key] = {(section.name, key.name): key for section in SECTIONS for key in section.keys}


def variable(section: str, key: str) -> str:
    """The environment variable that sets a key: ``CDPOLL_API_BASE_URL``."""
    return f"CDPOLL_{section}_{key}".upper().replace(".", "_").replace("-", "_")


VARIABLES: dict[str, tuple[str, str]] = {variable(*place): place for place in KEYS}
