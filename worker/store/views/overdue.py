"""When a task is overdue, as a condition in SQL: the same for the list and for the problem; and what to do then."""

# Pending for longer than :after ms since it was recorded or last retried, less what the API was paused meanwhile.
# Wants :now and :paused (all time ever paused) too.
OVERDUE = "state = 'pending' AND life_base < :now - :paused - :after"


def overdue_cure(*, asks: bool) -> str:
    """What to do about overdue tasks. ``asks``: there is an API, and they are polled."""
    if asks:
        return "ask the vendor (`cdpoll support ID` writes the ticket)"
    return "`cdpoll support --overdue` writes what asks the vendor for their callbacks"
