"""``cdpoll db move``: the database goes to another place, from a file to a server or back.

1. The old place is locked: no daemon works on it, and writers wait. All of what follows is in this one transaction.
2. The new place is made, with the key ``moving`` in its table ``meta``: every other command refuses it. What an earlier
   attempt has left there is removed first.
3. All rows are copied, and read back; counts and hashes must be equal. A server makes its indexes meanwhile.
4. The old place gets triggers that refuse every write, and the key ``moved``. The commit makes the move true.
5. ``moving`` is removed from the new place.

A process that is killed before the commit of step 4 leaves the old place as it was. One that is killed after it leaves
step 5 undone, and the same command does it.
"""
