"""What a run of the daemon is to do: until when, about which tasks, and how it reloads."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from worker.config import Config

Mode = Literal["forever", "once", "until-idle"]


@dataclass(frozen=True, slots=True)
class Orders:
    """``only`` are the rows that a pass of mode ``once`` is about; ``reload`` reads the configuration on SIGHUP."""

    mode: Mode = "forever"
    only: frozenset[int] | None = None
    reload: Callable[[], Config] | None = None

    @property
    def once(self) -> bool:
        """Whether the run ends by itself: each lane does what there is to do, and no more."""
        return self.mode != "forever"
