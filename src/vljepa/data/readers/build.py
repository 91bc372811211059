"""Rows of one part become samples: media are read, cut where a row says so, and looked at before they are believed."""

import hashlib
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from vljepa.data.corpora.corpus import split_of
from vljepa.data.encode import encode_mp4
from vljepa.data.errors import MediaError
from vljepa.data.media import media_kind, read_clip
from vljepa.data.packages import sha256_of
from vljepa.data.readers.row import Left, Part, Row
from vljepa.types import Sample, unique

# No model here reads more frames of a clip than this, so a cut keeps no more of them.
CUT_FRAMES = 64
CUT_RATE = 25.0
SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class BuildSettings:
    """`source`: name of the samples' source; `licence`: of rows that name none; `test` and `validation`: hundredths of
    the recordings that are held out; `side`: short side in pixels of what is cut out of longer videos."""

    source: str = ""
    licence: str = "not stated"
    test: int = 17
    validation: int = 5
    side: int = 288


@dataclass(frozen=True, kw_only=True)
class Built:
    """Samples of one part, what was left out by reason, and the first sentences about that."""

    samples: list[Sample]
    left: Counter[str]
    sentences: list[str]


def build(part: Part, settings: BuildSettings) -> Built:
    """All rows of a part. Raises ReaderError where the part cannot be read at all."""
    built = Built(samples=[], left=Counter(), sentences=[])
    for row in part.rows():
        made = row if isinstance(row, Left) else sample_from_row(row, settings)
        if isinstance(made, Sample):
            built.samples.append(made)
            continue
        built.left[made.reason] += 1
        if built.left[made.reason] <= SHOWN:
            built.sentences.append(made.sentence)
    return built


def sample_from_row(row: Row, settings: BuildSettings) -> Sample | Left:
    """The row's sample, with the sha256 of its content for a key."""
    if isinstance(row.media, Path) and not row.media.is_file():
        return Left(reason="no such file", sentence=f"{row.where}: there is no file {row.media}")
    try:
        media, extension, origin = _content(row, side=settings.side)
    except MediaError as error:
        return Left(reason="cannot be decoded", sentence=f"{row.where}: {error}")
    recording = row.recording or _own_name(row)
    return Sample(
        key=key_of(content_of(media)),
        media=media,
        extension=extension,
        captions=unique(row.captions or ((row.label,) if row.label else ())),
        weights=row.weights,
        source=settings.source,
        licence=row.licence or settings.licence,
        concept=recording,
        split=row.split or split_of(recording, test=settings.test, validation=settings.validation),
        questions=row.questions,
        label=row.label,
        credit=row.credit,
        origin=origin,
    )


def content_of(media: bytes) -> str:
    """What tells equal content: its sha256 in hexadecimal digits."""
    return hashlib.sha256(media).hexdigest()


def key_of(content: str) -> str:
    """The key of the sample with this content: as much of its sha256 as keeps a billion samples apart."""
    return content[:24]


def _own_name(row: Row) -> str:
    """Cuts of one file share its name, so they fall on one side."""
    return row.media.name if isinstance(row.media, Path) else key_of(content_of(row.media))


def _content(row: Row, *, side: int) -> tuple[bytes, str, str]:
    """Bytes of the sample, their extension, and the sha256 of the film that they were cut from.

    MediaError unless a frame of them can be decoded.
    """
    source = row.media
    kind = media_kind(source)
    if kind == "video" and (row.start is not None or row.end is not None):
        origin = _film(source) if isinstance(source, Path) else content_of(source)
        return _cut(source, start=row.start, end=row.end, side=side), "mp4", origin
    read_clip(source, num_frames=1, size=64)
    named = source.suffix.lstrip(".").lower() if isinstance(source, Path) else row.extension
    whole = source.read_bytes() if isinstance(source, Path) else source
    return whole, named or ("jpg" if kind == "image" else "mp4"), ""


@lru_cache(maxsize=16)
def _film(path: Path) -> str:
    """Many cuts of one long file stand together: it is read once."""
    return sha256_of(path)


def _cut(source: Path | bytes, *, start: float | None, end: float | None, side: int) -> bytes:
    """An MP4 of the range, of at most CUT_FRAMES frames spread evenly over it."""
    edges = read_clip(source, num_frames=2, start=start, end=end, size=64).times
    length = float(edges[-1] - edges[0])
    count = max(2, min(CUT_FRAMES, round(length * CUT_RATE)))
    clip = read_clip(source, num_frames=count, start=start, end=end, size=side)
    return encode_mp4(clip.frames, fps=count / max(length, 1 / CUT_RATE))
