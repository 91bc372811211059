"""A folder of small media, and a library over it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vljepa.data.encode import encode_mp4
from vljepa.embedder import Embedder
from vljepa.library import IndexSettings, Library

SETTINGS = IndexSettings(window=1.0, hop=0.5, rate=0.5, thumbnails=24)


def write_picture(path: Path, colour: tuple[int, int, int]) -> Path:
    Image.new("RGB", (40, 30), colour).save(path)
    return path


def write_video(path: Path, *colours: tuple[int, int, int]) -> Path:
    """Two seconds of each colour, eight frames a second."""
    frames = np.zeros((16 * len(colours), 32, 48, 3), np.uint8)
    for number, colour in enumerate(colours):
        frames[16 * number : 16 * number + 16] = colour
    path.write_bytes(encode_mp4(frames, fps=8.0))
    return path


@pytest.fixture
def media(tmp_path: Path, video: Path) -> Path:
    """Two videos, and two pictures in a folder of their own."""
    return fill(tmp_path / "media", video)


def fill(folder: Path, video: Path) -> Path:
    """Two videos, two pictures, and a file that is neither."""
    (folder / "photos").mkdir(parents=True)
    shutil.copy(video, folder / "colours.mp4")
    write_video(folder / "white.mp4", (250, 250, 250), (5, 5, 5))
    write_picture(folder / "photos" / "red.png", (200, 0, 0))
    write_picture(folder / "photos" / "blue.jpg", (0, 0, 200))
    (folder / "notes.txt").write_text("not media")
    return folder


@pytest.fixture
def library(tmp_path: Path, tiny_embedder: Embedder) -> Iterator[Library]:
    with Library.open(tmp_path / "library", tiny_embedder, create=True) as opened:
        yield opened
