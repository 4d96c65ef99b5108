"""``cdpoll submit``: one POST to the vendor, and what it begins is recorded.

Before the first byte of the request goes out, a lookup by its correlation id is on the disk. It ends in the transaction
that records what the answer names. So neither a connection that is cut nor a kill loses what the vendor has begun.
"""

import encodings.idna  # noqa: F401 - of a host's name; later this may be a user who cannot read it
import os
import threading
import uuid
from concurrent.futures import Future, wait
from contextlib import ExitStack, closing
from typing import Any

import click

from cli.doctor.configuration import with_credentials
from cli.handed_in import name_of, opened_files, refuse_a_stream_twice, whole_of
from cli.journal import tell_journal
from cli.opening import RECORDING_TIMEOUT_S, settle_in
from cli.output import AS_JSON, say
from cli.submit.report import Ended, exit_code, no_token, tell, unfinished
from worker.clock import Clock
from worker.config import ApiSection, Config, load
from worker.config.polling import rate_limit_of, schedule_of
from worker.config.secret import OutOfReach
from worker.core.errors import BadConfiguration, BadData, CdpollError, VendorUnreachable
from worker.core.intake.lengths import length_trouble
from worker.core.intake.recording import EMPTY_HINT
from worker.core.poll_errors import cure_of, in_words
from worker.core.vendor.submission import Submission, Wish, header_trouble, json_submission, x12_submission
from worker.core.vendor.submitted import Answered, Unanswered, judge_submission
from worker.daemon.vendor_access import tokens_of
from worker.gateways.http.client import HttpClient, tls_context
from worker.gateways.http.submitting import SUBMIT_TIMEOUT_MS, Submitter
from worker.gateways.http.token import TokenFailed
from worker.rounds.submit import steps
from worker.rounds.submit.steps import Intent, SubmitRules
from worker.store.db.store import Store
from worker.store.opening import open_store
from worker.store.state.api import bind_origin

# How long a signal may go unheard while the answer is awaited.
TURN_S = 0.5


@click.command()
@click.argument("file", metavar="FILE|-")
@click.option("--x12", is_flag=True, help="FILE is an X12 270, from ISA to IEA.")
@click.option("--discovery", is_flag=True, help="Begin a direct discovery, in place of a real-time check.")
@click.option("--x12-271", "answer", metavar="FILE", help="The 271 that answered the 270: for --x12 --discovery.")
@click.option("--dry-run", is_flag=True, help="See which paths a direct discovery would take; nothing is begun.")
@click.option(
    "--ref", "refs", metavar="TEXT", multiple=True, help="Your own key (account, claim); goes out with the result."
)
@click.option(
    "--correlation-id", metavar="TEXT", help="The x-optum-correlation-id; a new UUID where none is given. Use it once."
)
@click.option("--subtenant", metavar="TEXT", help="The x-optum-subtenant-id, in place of [api] subtenant_id.")
@click.option("--no-subtenant", is_flag=True, help="Name no subtenant, also where one is configured.")
@click.option("--no-deduplication", is_flag=True, help="Switch the vendor's de-duplication off for this check.")
@click.option(
    "--callback/--no-callback",
    default=None,
    help="Have a direct discovery called back; by default where [callback] public_url is configured.",
)
@AS_JSON
@click.pass_obj
def submit(obj: dict[str, Any], /, file: str, refs: tuple[str, ...], as_json: bool, **given: Any) -> int:
    """Submit a real-time check, or with --discovery a direct discovery, and record what the answer names.

    FILE is the vendor's JSON body, or with --x12 a 270; - is standard input. For a direct discovery it is the whole
    body, or an eligibility request. The answer is awaited for 130 s and printed as it came. A request is never
    repeated.

    Exit 0: done. 1: done in part, as when an item of a 207 was refused. 65: the vendor refused the request, or the
    file is wrong. 69: the vendor was not reached. 75: it is not known what came of it, and the daemon looks for what
    was begun: do not submit it again; or the vendor wants fewer requests. 77: the credentials are refused.
    """
    _refuse_contradictions(given)
    if not all(ref.strip() for ref in refs):
        raise click.UsageError(f"--ref is empty: {EMPTY_HINT}")
    if long := next(filter(None, (length_trouble("ref", ref) for ref in refs)), ""):
        raise BadData(f"nothing was submitted: --ref {long}", "give a shorter one")
    config = load(obj["config"], with_credentials(os.environ))
    api = config.require_api()
    wish = _wish(config, api, given)
    submission = _submission(file, given["answer"], wish, x12=given["x12"])
    intent = Intent(submission, tuple(dict.fromkeys(refs)) or (None,))
    # As root, before it is given up for the owner of the state folder: what root may read is enough.
    try:
        api = api._replace(client_id=api.client_id.revealed(), client_secret=api.client_secret.revealed())
        proxy = None if api.proxy is None else api.proxy.reveal()
    except OutOfReach as error:
        raise OutOfReach(
            f"this user cannot submit: {error.message}",
            "as root it works while the service runs, with the secret that systemd has handed to the service",
        ) from None
    tls = tls_context(None if api.ca_file is None else str(api.ca_file))
    settle_in(config.store.path)
    with ExitStack() as stack:
        store = stack.enter_context(open_store(config.store.place, timeout=RECORDING_TIMEOUT_S, create=False))
        store.journal = tell_journal
        bind_origin(store, api.origin)
        submitter = Submitter(
            api.base_url,
            tokens_of(api, threading.Event()),
            HttpClient(tls, api.timeout_ms, proxy),
            HttpClient(tls, SUBMIT_TIMEOUT_MS, proxy),
        )
        stack.enter_context(closing(submitter))
        rules = SubmitRules(api.origin, rate_limit_of(config.polling), schedule_of(config))
        ended = _carried_out(store, submitter, intent, rules, api.tenant_id)
    tell(ended, as_json)
    return exit_code(ended)


def _carried_out(
    store: Store, submitter: Submitter, intent: Intent, rules: SubmitRules, tenant_id: str | None
) -> Ended:
    """All the steps (worker/rounds/submit/steps.py). Raises where nothing was submitted."""
    clock = Clock()
    clock.wait(threading.Event(), steps.reserve(store, intent, rules.limit, clock.now()))
    try:
        token = submitter.token(clock.now())
    except TokenFailed as failed:
        raise no_token(failed.reply) from None
    steps.begin(store, intent, rules.limit, submitter.requests, clock.now())
    asked_at = clock.now()
    try:
        answer = _posted(submitter, intent.submission, token)
    except KeyboardInterrupt:
        if not intent.submission.dry_run:
            say(*unfinished("interrupted before the answer came", intent.submission), err=True)
        raise
    if isinstance(answer, Unanswered) and not answer.sent:
        steps.withdraw(store, intent)
        message = f"nothing was submitted: {in_words(answer.code)}"
        raise VendorUnreachable(message, cure_of(answer.code) or "try again later")
    return _settled(store, intent, answer, rules, tenant_id, asked_at)


def _posted(submitter: Submitter, submission: Submission, token: str) -> Answered | Unanswered:
    """The answer, awaited in short turns. A signal that comes a moment before a socket is read does not end that read:
    Ctrl-C would be heard 130 s later."""
    outcome: Future[Answered | Unanswered] = Future()

    def work() -> None:
        try:
            outcome.set_result(submitter.post(submission, token))
        except BaseException as error:
            outcome.set_exception(error)

    threading.Thread(target=work, name="submission", daemon=True).start()
    while not wait([outcome], TURN_S).done:
        pass
    return outcome.result()


def _settled(
    store: Store,
    intent: Intent,
    answer: Answered | Unanswered,
    rules: SubmitRules,
    tenant_id: str | None,
    asked_at: int,
) -> Ended:
    verdict = judge_submission(answer, intent.submission, tenant_id)
    try:
        done = steps.settle(store, intent, verdict, rules, asked_at, Clock().now())
    except CdpollError as error:
        # The answer is worth printing all the same. The lookup stands, so nothing is lost.
        return Ended(intent.submission, answer, verdict, failed=error)
    return Ended(intent.submission, answer, verdict, done)


def _refuse_contradictions(given: dict[str, Any]) -> None:
    discovery, x12 = given["discovery"], given["x12"]
    if given["answer"] is not None and not (discovery and x12):
        raise click.UsageError("--x12-271 goes with --x12 --discovery")
    if discovery and x12 and given["answer"] is None:
        raise click.UsageError("--x12 --discovery needs --x12-271 FILE too: the 271 that answered the 270")
    if given["dry_run"] and not discovery:
        raise click.UsageError("--dry-run goes with --discovery")
    if given["callback"] is not None and not discovery:
        raise click.UsageError("--callback and --no-callback go with --discovery")
    if given["no_deduplication"] and discovery:
        raise click.UsageError("--no-deduplication is for real-time checks")
    if given["subtenant"] is not None and given["no_subtenant"]:
        raise click.UsageError("--subtenant goes without --no-subtenant")
    for option in ("correlation_id", "subtenant"):
        if given[option] is not None and (trouble := header_trouble(given[option])):
            raise click.UsageError(f"--{option.replace('_', '-')} {trouble}")


def _wish(config: Config, api: ApiSection, given: dict[str, Any]) -> Wish:
    subtenant = None if given["no_subtenant"] else given["subtenant"] or api.subtenant_id
    if subtenant is not None and (trouble := header_trouble(subtenant)):
        raise BadConfiguration(f"[api] subtenant_id {trouble}", "write the value that the vendor gave you")
    callback, url = config.callback, None
    if callback is not None and callback.public_url is not None and given["callback"] is not False:
        url = callback.public_url + callback.callback_path
    if given["callback"] and url is None:
        raise BadConfiguration("--callback: [callback] public_url is not configured", "write it, or leave it out")
    return Wish(
        given["correlation_id"] or str(uuid.uuid4()),
        subtenant,
        discovery=given["discovery"],
        dry_run=given["dry_run"],
        deduplication=not given["no_deduplication"],
        callback_url=url if given["discovery"] else None,
    )


def _submission(file: str, answer: str | None, wish: Wish, *, x12: bool) -> Submission:
    refused: list[BadData] = []
    with ExitStack() as stack:
        files = opened_files([file, *([] if answer is None else [answer])], stack, refused)
        if refused:
            raise BadData(refused[0].message, "nothing was submitted")
        refuse_a_stream_twice(files)
        names = [name_of(one) for one in files]
        inquiry, *more = [whole_of(one) for one in files]
    if x12:
        return x12_submission(inquiry, more[0] if more else None, (names[0], names[-1]), wish)
    return json_submission(inquiry, names[0], wish)
