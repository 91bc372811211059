"""A video at an address as footage: opened again, with longer and longer waits, when it breaks off."""

import logging
import time
from collections.abc import Iterator
from dataclasses import replace

import av

from vljepa.data.decoding import RAW_RATE, Decoder
from vljepa.data.errors import MediaError, name_of
from vljepa.data.shots import TOLERANCE, Footage, Shot

logger = logging.getLogger(__name__)

# Seconds before each try to open the address again; the next picture starts the count anew.
WAITS = (1.0, 2.0, 4.0, 8.0, 16.0)


class Network(Footage):
    """The video at an address. What breaks off is told to the log and opened again, as often as WAITS has waits.

    A stream in real time goes on one frame after the last that came; a recording goes on where it was. MediaError
    where the address cannot be opened the first time, or does not come back.
    """

    live = True
    remedy = "check the address in a player"

    def __init__(self, address: str, *, size: int | None = None) -> None:
        self.name = name_of(address)
        self._address, self._size = address, size
        self._skipped_before = self._tries = 0
        self._decoder = Decoder(address, size=size)

    @property
    def skipped(self) -> int:  # type: ignore[override]
        """Damaged packets of all connections."""
        return self._skipped_before + self._decoder.skipped

    @property
    def rate(self) -> float:
        """Frames a second that the header claims."""
        return self._decoder.rate

    @property
    def duration(self) -> float | None:
        """Seconds that the header claims, None for a stream in real time."""
        return self._decoder.duration

    @property
    def real_time(self) -> bool:
        """Whether it says neither how many seconds nor how many bytes will come."""
        return self._decoder.real_time

    def shots_from(self, seconds: float | None) -> Iterator[Shot]:
        """All shots from where the stream is."""
        last: float | None = None
        while True:
            try:
                for shot in self._connection(after=last):
                    last, self._tries = shot.seconds, 0
                    yield shot
            except MediaError as error:
                reason = _reason(error)
                if last is None:
                    raise MediaError(
                        f"{self.name} broke off before its first picture ({reason}): check it in a player; an MP4 with "
                        "its index at the end has to be downloaded first, or to come from a server that knows ranges"
                    ) from error
            else:
                if last is None or self._decoder.playlist or not self.real_time:
                    return
                reason = "it ended"  # as cameras that start anew do
            self._reconnect(reason)

    def _connection(self, *, after: float | None) -> Iterator[Shot]:
        """Shots of the connection that is open, with seconds that follow those before it."""
        shots = self._decoder.shots_from(None)
        shift: float | None = None
        for shot in shots:
            if after is None:
                yield shot
            elif self.real_time:
                shift = after + 1 / (self.rate or RAW_RATE) - shot.seconds if shift is None else shift
                yield replace(shot, seconds=shot.seconds + shift)
            elif shot.seconds > after + TOLERANCE:  # a recording begins anew: what was seen is passed over
                yield shot

    def _reconnect(self, reason: str) -> None:
        self._skipped_before += self._decoder.skipped
        self._decoder.skipped = 0
        self._decoder.close()
        while self._tries < len(WAITS):
            wait = WAITS[self._tries]
            self._tries += 1
            logger.warning("%s broke off (%s): try %d of %d in %g s", self.name, reason, self._tries, len(WAITS), wait)
            time.sleep(wait)
            try:
                self._decoder = Decoder(self._address, size=self._size)
            except MediaError as error:
                reason = _reason(error)
            else:
                return
        raise MediaError(f"{self.name} did not come back ({reason}): see to the camera or server, then watch again")

    def seek_pays(self, position: float, seconds: float) -> bool:
        """Never: it is read once."""
        return False

    def times(self, start: float | None, end: float | None) -> list[float]:
        """Seconds of all frames from start to end, for which the stream is read to its end."""
        return self._decoder.times(start, end)

    def close(self) -> None:
        """Free connection and decoder."""
        self._decoder.close()


def _reason(error: MediaError) -> str:
    """FFmpeg's own words, without ours; for a timeout it has none that say what happened."""
    if isinstance(error.__cause__, av.error.ExitError):
        return "no answer"
    return getattr(error.__cause__, "strerror", None) or str(error)
