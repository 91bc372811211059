"""Action100M: parquet files with a tree of captions a video; each node that says something becomes a clip of its own.

Weights of the texts are those of the paper's second stage as far as they are known: brief action and brief summary 1,
the detailed ones 1/2. PLM's caption and action are drawn there too, how often is
not known: 1/2 here. "N/A" is no action. Needs the extra `train` (pyarrow), and the videos as VIDEO_UID.mp4 in --media.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vljepa.data.readers.row import Left, Part, ReaderError, Row, Source
from vljepa.data.readers.table import seconds

WEIGHTS = {
    ("gpt", "action", "brief"): 1.0,
    ("gpt", "summary", "brief"): 1.0,
    ("gpt", "action", "detailed"): 0.5,
    ("gpt", "summary", "detailed"): 0.5,
    ("plm_caption",): 0.5,
    ("plm_action",): 0.5,
}
ENDINGS = ("mp4", "webm", "mkv", "mov", "avi")
LICENCE = "FAIR Noncommercial Research License"


def open_action100m(path: Path, *, media: Path | None) -> Source:
    """The row groups of a parquet file or of a folder of them. Raises ReaderError."""
    try:
        from pyarrow import ArrowInvalid, parquet
    except ImportError as error:
        raise ReaderError("parquet files need pyarrow: install vljepa[train]") from error
    if media is None or not media.is_dir():
        raise ReaderError("Action100M names videos and holds none: give the folder of the videos with --media")
    files = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
    parts: list[Part] = []
    for file in files:
        try:
            with parquet.ParquetFile(file) as opened:
                columns, groups = set(opened.schema_arrow.names), opened.num_row_groups
        except (ArrowInvalid, OSError) as error:
            raise ReaderError(f"{file} is no parquet file that can be read ({error}): fetch it again") from error
        missing = {"video_uid", "nodes"} - columns
        if missing:
            raise ReaderError(f"{file} has no column {', '.join(sorted(missing))}: this is not Action100M's form")
        parts += [RowGroup(file, number, media, file.stat().st_size) for number in range(groups)]
    if not parts:
        raise ReaderError(f"{path} holds no parquet file: give the folder that does")
    return Source(name="action100m", place=str(path.resolve()), parts=parts)


@dataclass(frozen=True)
class RowGroup:
    """Some videos of one file."""

    file: Path
    number: int
    media: Path
    size: int

    @property
    def mark(self) -> str:
        """Changes with the file, and with the videos that are there."""
        there = sum(1 for _ in self.media.iterdir())
        return hashlib.sha256(f"{self.file.name} {self.size} {self.number} {there}".encode()).hexdigest()[:16]

    def rows(self) -> Iterator[Row | Left]:
        """The nodes of each video, as they stand."""
        from pyarrow import parquet

        with parquet.ParquetFile(self.file) as opened:
            records = opened.read_row_group(self.number, columns=["video_uid", "nodes"]).to_pylist()
        for record in records:
            yield from self._of_video(record)

    def _of_video(self, record: Mapping[str, Any]) -> Iterator[Row | Left]:
        uid = str(record["video_uid"])
        video = next((path for end in ENDINGS if (path := self.media / f"{uid}.{end}").is_file()), None)
        if video is None:
            yield Left(reason="no such video", sentence=f"{self.file.name}: {uid} is not in {self.media}")
            return
        for node in filter(None, record["nodes"] or ()):
            yield _row(node, video, uid=uid)


def _row(node: Mapping[str, Any], video: Path, *, uid: str) -> Row | Left:
    where = f"{uid} node {node.get('node_id')}"
    texts: dict[str, float] = {}
    for place, weight in WEIGHTS.items():
        text = _at(node, place)
        if text and text.upper() != "N/A":
            texts[text] = max(weight, texts.get(text, 0.0))
    if not texts:
        return Left(reason="no text", sentence=f"{where} says nothing")
    try:
        start, end = (seconds({name: node.get(name)}, name) for name in ("start", "end"))
    except ValueError as error:
        return Left(reason="line that makes no sense", sentence=f"{where}: {error}")
    return Row(
        media=video,
        where=where,
        start=start,
        end=end,
        captions=tuple(texts),
        weights=tuple(texts.values()),
        recording=uid,
        licence=LICENCE,
        credit=uid,
    )


def _at(node: Mapping[str, Any], place: tuple[str, ...]) -> str:
    value: Any = node
    for name in place:
        value = value.get(name) if isinstance(value, Mapping) else None
    return str(value).strip() if value else ""
