"""How media become segments; a library keeps its settings, and media that were made with others are made anew."""

from dataclasses import asdict, dataclass

from vljepa.config import fingerprint
from vljepa.streaming.stream import WindowSettings

MOST_VECTORS = 64


@dataclass(frozen=True, kw_only=True)
class IndexSettings:
    """Windows of `window` seconds, one every `hop`; segments of one meaning, `rate` a second on average.

    `vectors`: how many a segment may have, one for each part of it that differs most. `captions`: each segment is said
    in words (decoded), too. `thumbnails`: short side in pixels of a picture of each segment, 0 for none.
    `keep_windows`: the embedding of every window is kept, so that a segment of any other cut can be said in words.
    """

    window: float = 2.0
    hop: float = 0.5
    rate: float = 0.2
    vectors: int = 1
    captions: bool = False
    thumbnails: int = 120
    keep_windows: bool = False

    def __post_init__(self) -> None:
        WindowSettings(window=self.window, hop=self.hop)
        if not 0 < self.rate < float("inf"):
            raise ValueError(f"the rate is {self.rate:g} segments a second: give a number above 0")
        if not 1 <= self.vectors <= MOST_VECTORS:
            raise ValueError(f"{self.vectors} vectors a segment: give 1 to {MOST_VECTORS}")
        if not 0 <= self.thumbnails <= 1024:
            raise ValueError(f"thumbnails of {self.thumbnails} pixels: give 0 (none) to 1024")

    @property
    def made(self) -> str:
        """Digits that change with any setting."""
        return fingerprint(self)

    @property
    def windows(self) -> WindowSettings:
        """The part that is about windows."""
        return WindowSettings(window=self.window, hop=self.hop)

    def to_facts(self) -> dict[str, object]:
        """Plain values."""
        return asdict(self)
