"""The problems of deliveries, for the list in problems.py."""

from worker.core.problem_kind import Kind

_PAGE = "deliveries.md"

DELIVERY_KINDS = (
    Kind(
        "deliver_not_running",
        "critical",
        "{waits}, and no `cdpoll deliver` runs",
        "start it (systemctl start cdpoll-deliver, or cdpoll deliver); its log says why it ended",
        f"{_PAGE}#the-process",
        grows_by_itself=True,
    ),
    Kind(
        "deliver_stuck",
        "critical",
        "a step of `cdpoll deliver` lasts longer than it may",
        "systemd restarts it within 3 minutes; without systemd, restart it. If it comes again, report the lane",
        f"{_PAGE}#the-process",
    ),
    Kind(
        "deliver_fault",
        "critical",
        "a fault in cdpoll itself, in `cdpoll deliver`; everything else goes on",
        "report the line that `status` names; this is over when `cdpoll deliver` is restarted",
    ),
    Kind(
        "delivery_stopped",
        "critical",
        "the receiver of {named} wants nothing more",
        "mend url or the receiver, then `cdpoll deliveries retry --all --way NAME`; or take its section out",
        f"{_PAGE}#when-a-receiver-fails",
    ),
    Kind(
        "delivery_failing",
        "warning",
        "nothing could be delivered for 15 minutes by way of {named}: {cause}",
        "look at the receiver; everything waits, and goes out when it answers",
        f"{_PAGE}#when-a-receiver-fails",
    ),
    Kind(
        "delivery_dead",
        "warning",
        "{letters} given up, by way of {named}; the last for {cause}",
        "`cdpoll deliveries list --state dead` says why; `cdpoll deliveries retry SEQ` sends again, `skip SEQ` forgets",
        f"{_PAGE}#dead-letters",
    ),
    Kind(
        "deliver_reload_refused",
        "warning",
        "`cdpoll deliver` goes on with its old configuration",
        "mend the mistake that `cdpoll config check` names, and reload again (systemctl reload cdpoll-deliver)",
        f"{_PAGE}#the-process",
    ),
)
