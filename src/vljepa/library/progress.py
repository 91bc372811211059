"""How far a run of indexing is: files, hours of video, against real time, and who keeps whom waiting."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from vljepa.library.changes import Counts
from vljepa.library.looking import Spent


@dataclass(eq=False)
class State:
    """The numbers of a run, as they stand."""

    counts: Counts
    spent: Spent
    begin: float = field(default_factory=time.perf_counter)

    @property
    def hours(self) -> float:
        """Hours of video that were seen."""
        return self.spent.media / 3600

    @property
    def times_real_time(self) -> float:
        """Seconds of video for each second that has passed."""
        return self.spent.media / max(time.perf_counter() - self.begin, 1e-9)

    @property
    def bottleneck(self) -> Literal["decoding", "the model"]:
        """Which of the two works all the time while the other one waits."""
        return "decoding" if self.spent.waited > self.spent.model else "the model"

    def line(self) -> str:
        """All of it for people."""
        counts = self.counts
        return (
            f"{counts.files} files ({counts.added + counts.changed} seen, {counts.unchanged} as they were, "
            f"{counts.failed} unusable), {self.hours:.2f} hours of video at {self.times_real_time:.1f} times "
            f"real time; {self.bottleneck} is the bottleneck"
        )


Progress = Callable[[State], None]
