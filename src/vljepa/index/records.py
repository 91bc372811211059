"""What is kept of a medium: its file, its segments, and what comes back when one asks for them."""

from dataclasses import dataclass, field
from typing import Literal

from jaxtyping import Float32
from numpy import ndarray

Kind = Literal["image", "video"]


@dataclass(frozen=True, kw_only=True)
class FileFacts:
    """A file as it was when it was looked at: where, how long, when changed, and the sha256 of its content."""

    path: str
    size: int
    mtime_ns: int
    sha256: str


@dataclass(frozen=True, kw_only=True, eq=False)
class NewSegment:
    """A stretch of one meaning that is to be kept, with one vector or several, each of length one."""

    start: float
    end: float
    vectors: Float32[ndarray, "vector dim"]
    caption: str | None = None
    fidelity: float | None = None
    thumbnail: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True, eq=False)
class NewMedium:
    """A medium that is to be kept; `made` names the settings that its segments were made with."""

    file: FileFacts
    kind: Kind
    seconds: float
    made: str
    segments: tuple[NewSegment, ...]
    timeline: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True)
class Medium:
    """A medium of the library."""

    id: int
    path: str
    kind: Kind
    seconds: float
    size: int
    mtime_ns: int
    sha256: str
    made: str
    num_segments: int


@dataclass(frozen=True, kw_only=True)
class SegmentRow:
    """A segment of the library, without its thumbnail, which is fetched by its number."""

    id: int
    media: int
    start: float
    end: float
    caption: str | None
    fidelity: float | None
    has_thumbnail: bool


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A file that could not be used, and why; it is not tried again until it changes."""

    path: str
    size: int
    mtime_ns: int
    error: str
