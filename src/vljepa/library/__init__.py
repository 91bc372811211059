"""Thousands of videos and pictures as a folder that can be asked: `Library`, and what it takes and gives."""

from vljepa.index.errors import IndexFolderError
from vljepa.index.records import Failure, Medium, SegmentRow
from vljepa.library.finding import Found, Hit
from vljepa.library.library import Indexed, Library
from vljepa.library.settings import IndexSettings
from vljepa.library.timeline import Timeline

__all__ = [
    "Failure",
    "Found",
    "Hit",
    "IndexFolderError",
    "IndexSettings",
    "Indexed",
    "Library",
    "Medium",
    "SegmentRow",
    "Timeline",
]
