"""Which of the due tasks are looked at first, when there are more of them than slots.

Half of the slots go to the looks that have been due longest, half to those that fell due last. The first half sees to
it that every look is made in the end: n looks that are due are worked off in n / (rate / 2) seconds at the latest. The
second half sees to it that after an outage a task of today does not wait behind all those of yesterday. Where slots
come one by one, the ends take turns.

By hand: 100,000 looks due after an outage, 10 requests a second. 5 a second go to the oldest, so the last of them is
made within 100,000 / 5 = 20,000 s; the other 5 serve what falls due now, at once as long as it is no more than 5 a
second, which the price sees to (worker/core/price.py). In the simulation (bench/fairness.py), with 2 new tasks a
second, 99 in 100 looks at fresh tasks are then less than half a minute late and none 4 minutes, and the last of the old
is made after 18,300 s. Oldest first, fresh tasks wait up to 10,000 s; newest first, old ones more than 21,600 s.

With no more due looks than slots both halves meet, and the order does not matter.
"""


def ends(slots: int, made: int) -> tuple[int, int]:
    """Of ``slots`` looks, how many are to be those due longest, and how many those that fell due last.

    ``made`` counts the slots given before: an odd slot goes to either end in turn.
    """
    return (slots + 1 - made % 2) // 2, (slots + made % 2) // 2
