"""The catalogue of faults: each with when it acts, which operations it can strike, and one line on what it does."""

from dataclasses import dataclass

API = frozenset(
    {
        "real_time",
        "real_time_x12",
        "discovery",
        "discovery_x12",
        "discovery_get",
        "discovery_list",
        "transaction_list",
        "transaction_get",
        "healthcheck",
    }
)
ONE = frozenset({"discovery_get", "transaction_get"})
POLL = frozenset({"discovery_get"})
LINKS = frozenset({"real_time", "real_time_x12"})
BEGIN = frozenset({"real_time", "real_time_x12", "discovery", "discovery_x12"})
TOKEN = frozenset({"token"})
CALLBACK = frozenset({"callback"})
LIST = frozenset({"discovery_list"})
HEALTH = frozenset({"healthcheck"})


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault. ``kind`` says when it acts (see :mod:`sandbox.mischief`); ``span`` marks an argument that is
    a duration."""

    name: str
    kind: str
    where: frozenset[str]
    summary: str
    argument: str = ""
    amount: str = ""
    span: bool = False


def _table(kind: str, where: frozenset[str], *rows: tuple[str, ...]) -> list[Fault]:
    """A row is name, summary, and where it has them, the argument and the amount that count where none is written."""
    padded = ((*row, "", "")[:4] for row in rows)
    return [Fault(name, kind, where, summary, argument, amount) for name, summary, argument, amount in padded]


def _spans(kind: str, where: frozenset[str], *rows: tuple[str, str, str]) -> list[Fault]:
    return [Fault(name, kind, where, summary, argument, span=True) for name, summary, argument in rows]


FAULTS: dict[str, Fault] = {
    fault.name: fault
    for fault in (
        *_table(
            "instead",
            API,
            ("expired", "401 access_token_expired; the token stays expired"),
            ("invalid_product", "401 invalid_product, which no new token cures"),
            ("forbidden", "403 with an array of strings"),
            ("429", "429 with Retry-After in seconds (argument, 30)", "30"),
            ("429_date", "429 with Retry-After as an HTTP date, that many seconds ahead (argument, 30)", "30"),
            ("429_bare", "429 without Retry-After"),
            ("500", "500 with an array of strings"),
            ("503", "503 without Retry-After"),
            ("503_after", "503 with Retry-After in seconds (argument, 60)", "60"),
        ),
        *_table(
            "instead",
            ONE,
            ("404", "404: as if the id belonged to another environment"),
            ("404_then_found", "404 for the first three polls of each id (3each)", "", "3each"),
            ("422", "422: the record cannot be read"),
        ),
        *_table("instead", HEALTH, ("unhealthy", "500 with the status unhealthy")),
        *_table(
            "instead",
            TOKEN,
            ("token_down", "503 from the token endpoint"),
            ("token_refused", "401 invalid_client from the token endpoint"),
        ),
        *_table(
            "token",
            TOKEN,
            ("expires_missing", "the token's expires_in is missing"),
            ("expires_string", "expires_in is a string"),
            ("expires_zero", "expires_in is 0"),
            ("expires_tiny", "expires_in is that many seconds (argument, 1)", "1"),
        ),
        *_table(
            "life",
            TOKEN,
            ("expires_lie", "the token lives that many seconds (argument, 2); expires_in stays as it is", "2"),
        ),
        *_table(
            "body",
            POLL | CALLBACK,
            ("end_spelling", "endDatetime in place of endDateTime"),
            ("end_empty", 'endDateTime is "" while pending'),
            ("end_null", "endDateTime is null while pending"),
            ("nine_digits", "instants with nine fractional digits"),
            ("eligibile", "eligibile in place of eligible, in transactions"),
            ("payerid_change", "payeridCHANGEME in place of chcPayerId"),
            ("isa_103", "the 271's ISA is 103 characters long (ISA08 padded to 12)"),
            ("se01", "the 271's SE01 is wrong"),
            ("iea_newline", "a newline after the 271's IEA"),
            ("literal_string", 'the word "string" in place of the 271'),
            ("isa04", "a password in the 271's ISA04"),
            ("same_path_id", "all paths have the same id"),
            ("same_path_name", "all paths have the same name and timestamp"),
            ("revised", "from the second poll of a concluded task on, its body differs"),
            ("realtime", "realTime holds the check that began the task"),
            ("realtime_empty", "realTime is {}"),
            ("realtime_null", "realTime is null"),
            ("realtime_flicker", "realTime is there in every second poll"),
            ("bare_pending", "pending paths have only a name"),
            ("commas", "traceId and correlationId end in a comma"),
            ("success_alone", "a concluded task is a success without a successful path"),
            ("late_skip", "skipped paths are 50 minutes later than the task's end"),
            ("unknown_status", "the root status is a word that is not documented (argument, in_review)", "in_review"),
            ("no_status", "the root status is missing"),
            ("no_lists", "discoveryPaths is missing"),
            ("wrong_id", "the body of another task than the one asked for"),
        ),
        *_table(
            "list",
            LIST,
            ("list_pages", "the offset counts pages, and not records"),
            ("list_repeats", "a page behind an offset begins with that many rows too many (argument, 3)", "3"),
            ("list_leaves_out", "a page behind an offset begins that many rows too late (argument, 1)", "1"),
            ("list_short", "a page has at most that many rows, whatever the limit (argument, 30)", "30"),
            ("list_unsorted", "the newest come first, whatever is asked for"),
            ("list_unbounded", "startDateTime and endDateTime are ignored"),
            ("list_unfiltered", "correlationId is ignored"),
            ("list_foreign", "every third row has the tenantName of another customer"),
            ("list_no_start", "every third row has no startDateTime"),
        ),
        *_table("ids", BEGIN, ("odd_ids", "the ids of tasks are not UUIDs: 35 characters, other letters, . _ and ~")),
        *_table(
            "link",
            LINKS,
            ("link_lines", "one link header line for each task"),
            ("link_case", "LINK, REL=RELATED: other letter case"),
            ("link_full_path", "the target is the full path, with the API prefix"),
            ("link_absolute", "the target is an absolute URL of this sandbox"),
            ("link_foreign", "the target is an absolute URL of another host"),
            ("link_relative", "the target has no leading slash"),
            ("link_slash", "the target ends in a slash"),
            ("link_query", "the target has a query"),
            ("link_unquoted", "rel=related, without quotes"),
            ("link_order", "rel before title"),
            ("link_empty_members", "empty members between the commas"),
            ("link_title_comma", "titles with commas, semicolons and quotes"),
            ("link_no_title", "no titles"),
            ("link_unreadable", "no angle brackets, so that no id can be read"),
        ),
        *_table(
            "after",
            API,
            ("wrong_tenant", "x-optum-tenant-id names another tenant"),
            ("html", "an HTML page with status 200"),
            ("502", "an HTML page with status 502"),
            ("redirect", "302 to another host (argument, a URL)", "https://elsewhere.invalid/"),
            ("empty", "an empty body"),
            ("truncated", "the JSON stops in the middle, with the right Content-Length"),
            ("not_object", "JSON, but a string"),
            ("not_utf8", "bytes that are not UTF-8"),
            ("deep", "JSON nested 100,000 levels deep"),
            ("gzip", "Content-Encoding: gzip, unasked"),
            ("gzip_bomb", "a gzip body that inflates to that many MB (argument, 64)", "64"),
            ("oversized", "that many MB of blanks after the body (argument, 64)", "64"),
        ),
        *_table(
            "manner",
            API,
            ("cut", "the connection is cut in the middle of the body"),
            ("reset", "the connection is reset without an answer"),
        ),
        *_table(
            "callback",
            CALLBACK,
            ("callback_lost", "it is never sent"),
            ("callback_unknown", "one comes as well whose id no answer has named; the API knows it"),
            ("callback_forged", "one comes as well whose id the API answers with 404"),
            ("callback_mismatch", "it says the opposite of what the API says"),
            ("callback_foreign", "x-optum-tenant-id and tenantName are another customer's"),
            ("callback_no_tenant", "x-optum-tenant-id is missing"),
            ("callback_empty_tenant", "x-optum-tenant-id is empty"),
            ("callback_broken", "the JSON stops in the middle, with the right Content-Length"),
            ("callback_content_type", "its content type is another (argument, text/plain)", "text/plain"),
            ("callback_oversized", "that many MB of blanks after the body (argument, 64)", "64"),
            ("callback_unheard", "the answer to the first try is not heard, so that it is tried again"),
        ),
        *_spans(
            "callback",
            CALLBACK,
            ("callback_twice", "it comes again that much later (argument, 1m)", "1m"),
            ("callback_revised", "another body comes that much later (argument, 1m)", "1m"),
            ("callback_realtime", "the same with realTime comes that much later (argument, 1m)", "1m"),
            ("callback_late_pending", "one that says pending comes that much later (argument, 1m)", "1m"),
            ("callback_late", "it comes that much later (argument, 20m)", "20m"),
            ("callback_slow", "its body comes in 20 pieces, that far apart (argument, 30s)", "30s"),
        ),
        *_spans(
            "manner",
            API,
            ("drip", "the body comes byte by byte, that far apart (argument, 1s)", "1s"),
            ("drip_headers", "headers and body come byte by byte (argument, 1s)", "1s"),
        ),
        *_spans("delay", API, ("slow", "the answer comes that late (argument, 30s)", "30s")),
        *_spans(
            "option",
            LINKS,
            ("dedup", "an equal request within that time replays its answer (argument, 24h)", "24h"),
        ),
    )
}
