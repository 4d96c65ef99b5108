"""Which of the due tasks are looked at first, when there are more of them than slots.

Looks that fell due within the last minute come in the order of their *deadlines*: the due time, and three tenths of the
wait that was planned on top, but no more than 30 s. A look that was planned 10 s ahead loses much by 3 s, one that was
planned an hour ahead nothing; and while requests are scarce there always is a backlog of some seconds, which is what
the price aims at (worker/core/schedule/delay_per_request.py), so that no slot is lost. It is better made of looks that
can wait.

By hand: a look planned at 0 s for 12 s, and one planned two minutes ago for 10 s. Their deadlines are at
12 + 0.3 * 12 = 15.6 s and at 10 + 30 = 40 s: the first is made first.

Looks that have been due for more than a minute are *late*. As long as there are any, every other slot goes to the one
that has been due longest: n late looks are worked off in n / (rate / 2) seconds at the latest. The other slots see to
it that after an outage a task of today does not wait behind all those of yesterday. Where slots come one by one, the
two take turns.

By hand: 100,000 looks due after an outage, 10 requests a second. 5 a second go to the oldest, so the last of them is
made within 100,000 / 5 = 20,000 s; the other 5 serve what falls due now, at once as long as it is no more than 5 a
second, which the price sees to.
"""

LATE = 60_000
PATIENCE, MOST_PATIENCE = 0.3, 30_000

# So many looks, those due longest, are put in order of deadlines: of a million that are due, no claim sorts all.
AMONG = 128


def deadline(due: int, planned: int) -> float:
    """By when a look is best made that was planned at one instant to be due at another; ms."""
    return due + max(0, min(PATIENCE * (due - planned), MOST_PATIENCE))


def late_slots(slots: int, made: int) -> int:
    """How many of ``slots`` looks are to be late ones, as long as there are any.

    ``made`` counts the slots given before: of an odd number, the last goes to either in turn.
    """
    return (slots + 1 - made % 2) // 2
