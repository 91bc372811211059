"""How much one request, and all of them together, may ask for."""

from dataclasses import dataclass, fields

MEBIBYTE = 2**20


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What is refused above which size; each number is for one request unless it says otherwise.

    `body`: bytes. `pixels`: of a picture or a frame; `moving_pixels`: of all frames of an animated picture together;
    `duration`: seconds of a video. `items`: inputs, labels or candidates. `seconds`: until an answer, decoding
    included; `receive`: until the body has arrived. For all together: `requests` handled at a time, `bodies` bytes of
    them in memory, `kept` bytes of uploads that are kept for the page, `streams` and `readers` of their events.
    """

    body: int = 64 * MEBIBYTE
    pixels: int = 50_000_000
    moving_pixels: int = 1_000_000_000
    duration: float = 3600.0
    items: int = 1024
    seconds: float = 60.0
    receive: float = 30.0
    requests: int = 256
    bodies: int = 512 * MEBIBYTE
    kept: int = 1024 * MEBIBYTE
    streams: int = 4
    readers: int = 64

    def __post_init__(self) -> None:
        for field in fields(self):
            if not getattr(self, field.name) > 0:
                raise ValueError(f"the limit {field.name} is {getattr(self, field.name):g}: give a number above 0")
