"""One look at the folder: what is to be taken, what still waits, and what goes of what was taken before."""

from typing import NamedTuple

from worker.gateways.spool import names
from worker.gateways.spool.folder import Refused, SpoolEntry
from worker.rounds.spool.round import Queued, SpoolWork, put_aside
from worker.rounds.spool.rules import ABANDONED_MS, PATIENCE_MS, SETTLE_MS
from worker.store.state import spool as row

# Between two writings of the row where nothing has changed.
NOTED_EVERY_MS = 60_000

# Between two looks at all that lies in done, where a week's files may lie.
CLEANED_EVERY_MS = 600_000

# Between two looks at the bad ones, and at the files of the last hour.
CHECKED_EVERY_MS = 60_000
REMEMBERED_MS = 3_600_000

_ABANDONED = Refused(
    "its name says that it is being written, and it has not changed for a day", "leave it under another name once whole"
)


class Looked(NamedTuple):
    """``next_at`` (ms): when the next step or look is wanted. ``waiting``: files that are still to be taken."""

    next_at: int
    waiting: int


class Looks:
    """Makes the looks of one lane."""

    def __init__(self, work: SpoolWork) -> None:
        self._work = work
        self._cleaned_at: int | None = None
        self._checked_at: int | None = None
        self._bad = 0

    def look(self, now: int) -> Looked:
        """Fill the queue, tidy up, and note what was seen. Raises SpoolUnusable, TryLater and StorageFailed."""
        work = self._work
        work.folder.open()
        checks = work.moved or _is_over(self._checked_at, CHECKED_EVERY_MS, now)
        if checks:
            self._checked_at = now
            self._check_finished(now)
        if _is_over(self._cleaned_at, min(work.rules.keep_done_ms, CLEANED_EVERY_MS), now):
            self._cleaned_at = now
            self._clean(now)
        left = work.folder.listed("in")
        work.stays &= {one.name for one in left}
        if checks:
            self._bad = self._count_bad(now)
        if work.moved:
            work.folder.sync()
            work.moved = False
        taken = work.folder.listed("taken")
        for one in left:
            if names.is_unfinished(one.name):
                self._give_up(one, now)
        whole = [one for one in left if not names.is_unfinished(one.name) and (checks or one.name not in work.stays)]
        work.waits.keep({("in", one.name) for one in left} | {("taken", one.name) for one in taken})
        ready = [Queued(one, is_taken=True) for one in taken if self._is_due(one, now)]
        ready += [Queued(one, is_taken=False) for one in whole if self._has_settled(one, now)]
        ready.sort(key=lambda one: (one.entry.modified_ns, one.entry.name))
        work.queue.extend(ready)
        waiting = [*taken, *(one for one in whole if one.name not in work.stays)]
        self._note(waiting, now)
        work.folder.renew_lane()
        if ready:
            return Looked(now, len(waiting))
        every = work.rules.every_ms
        return Looked(now + (min(every, SETTLE_MS) if waiting else every), len(waiting))

    def _is_due(self, taken: SpoolEntry, now: int) -> bool:
        """Whether to read a file again that was taken: it has changed, or had its time to."""
        waits = self._work.waits
        return not waits.knows("taken", taken) or waits.since("taken", taken, now) >= PATIENCE_MS

    def _has_settled(self, left: SpoolEntry, now: int) -> bool:
        return self._work.waits.since("in", left, now) >= SETTLE_MS or not left.regular

    def _give_up(self, written: SpoolEntry, now: int) -> None:
        """A name that says for a day that its file is being written is taken out of the way."""
        if now - max(written.changed_ns, written.modified_ns) // 1_000_000 < ABANDONED_MS:
            return
        try:
            taken = self._work.folder.take(written)
        except Refused as why:
            self._work.folder.say_why_it_stays(written, why)
            self._work.stays.add(written.name)
            return
        if taken is not None:
            put_aside(self._work, taken.name, _ABANDONED)

    def _check_finished(self, now: int) -> None:
        """Read again what of the last hour's files was changed after it was moved."""
        work = self._work
        for name, seen in [*work.finished.items()]:
            at, plain = names.taken_at(name) or (0, name)
            one = work.folder.one("done", name)
            if one is not None and (one.size, one.modified_ns) != seen:
                self._again("done", one, plain)
            if one is None or (one.size, one.modified_ns) != seen or not 0 <= now - at < REMEMBERED_MS:
                del work.finished[name]

    def _clean(self, now: int) -> None:
        """Remove what was done long ago; read again what was changed after it was moved, by an earlier process too."""
        work = self._work
        for one in work.folder.listed("done"):
            at, plain = names.taken_at(one.name) or (now, "")
            if not plain:
                continue
            if one.regular and at + 1_000 < one.modified_ns // 1_000_000 <= now:
                self._again("done", one, plain)
            elif now - at >= work.rules.keep_done_ms:
                work.folder.remove("done", one.name)

    def _again(self, folder: str, one: SpoolEntry, plain: str) -> None:
        self._work.folder.take_again(folder, one, plain)
        self._work.log.warning("a file was changed after it was moved out of the spool, and is read again")

    def _count_bad(self, now: int) -> int:
        """How many lie there. One that was written to since is read again; a reason without its file goes."""
        folder = self._work.folder
        found = {one.name: one for one in folder.listed("bad")}
        reasons = {name for name in found if name.endswith(names.WHY)}
        stays = {names.safe(name) + names.WHY for name in self._work.stays}
        for name in reasons - stays:
            if name.removesuffix(names.WHY) not in found:
                folder.remove("bad", name)
        count = len(reasons & stays)
        for name in found.keys() - reasons:
            one, why = found[name], found.get(name + names.WHY)
            later = why is not None and why.modified_ns < one.modified_ns <= now * 1_000_000
            if one.regular and later:
                self._again("bad", one, name)
            else:
                count += 1
        return count

    def _note(self, waiting: list[SpoolEntry], now: int) -> None:
        work = self._work
        before = row.get(work.store)
        oldest = min((one.changed_ns // 1_000_000 for one in waiting), default=None)
        since = None if not self._bad else before.bad_since or now
        after = row.SpoolSeen(
            now, len(waiting), None if oldest is None else min(oldest, now), before.taken + work.taken, self._bad, since
        )
        recent = before.looked_at is not None and 0 <= now - before.looked_at < NOTED_EVERY_MS
        if recent and after == before._replace(looked_at=now):
            return
        with work.store.write():
            row.put(work.store, after)
        work.taken = 0


def _is_over(since: int | None, ms: int, now: int) -> bool:
    """Whether so much time has passed, or the clock was set back."""
    return since is None or not 0 <= now - since < ms
