"""Footage with a time limit, for media that come from strangers: a small file can take hours to decode."""

import time
from collections.abc import Iterator

from vljepa.data.errors import MediaError
from vljepa.data.shots import Footage, Shot


class Patient(Footage):
    """Other footage, of which no shot is waited for once `seconds` are over: then MediaError."""

    def __init__(self, footage: Footage, *, seconds: float) -> None:
        self.name, self.live, self.remedy = footage.name, footage.live, footage.remedy
        self._footage, self._seconds = footage, seconds
        self._until = time.monotonic() + seconds

    @property
    def skipped(self) -> int:  # type: ignore[override]
        """Damaged packets so far."""
        return self._footage.skipped

    @property
    def real_time(self) -> bool:
        """As the footage."""
        return self._footage.real_time

    @property
    def rate(self) -> float:
        """As the footage."""
        return self._footage.rate

    @property
    def duration(self) -> float | None:
        """As the footage."""
        return self._footage.duration

    def shots_from(self, seconds: float | None) -> Iterator[Shot]:
        """As the footage, while there is time."""
        for shot in self._footage.shots_from(seconds):
            if time.monotonic() > self._until:
                raise MediaError(
                    f"{self.name} takes longer than {self._seconds:g} s to decode: make it shorter or smaller"
                )
            yield shot

    def seek_pays(self, position: float, seconds: float) -> bool:
        """As the footage."""
        return self._footage.seek_pays(position, seconds)

    def times(self, start: float | None, end: float | None) -> list[float]:
        """As the footage."""
        return self._footage.times(start, end)

    def close(self) -> None:
        """As the footage."""
        self._footage.close()
