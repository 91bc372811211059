"""Any medium -> Clip: what it is decides its content, not its name; a picture is a clip of one frame."""

from pathlib import Path
from typing import Literal

import torch

from vljepa.data.errors import MediaError, check_file
from vljepa.data.image import is_animation, is_image, read_image
from vljepa.data.sampling import Sampling
from vljepa.data.video import Video
from vljepa.types import Clip

__all__ = ["MediaError", "media_kind", "read_clip"]


def media_kind(source: Path | bytes) -> Literal["image", "video"]:
    """What the content is, from its header; an animated picture is a video. MediaError where it is neither."""
    check_file(source)
    if is_image(source):
        return "video" if is_animation(source) else "image"
    Video(source).close()
    return "video"


def read_clip(
    source: Path | bytes,
    *,
    num_frames: int,
    start: float | None = None,
    end: float | None = None,
    size: int | None = None,
    sampling: Sampling = "seconds",
    patience: float | None = None,
) -> Clip:
    """Frames of a picture (one, at second 0, whatever is asked) or of a video.

    A video gives `num_frames` frames nearest to linspace(start, end, num_frames), both ends included and the middle
    for one; start and end default to its first and last frame. A range with fewer frames gives all of them and
    repeats the last. Another `sampling` is one of the field's rules that count frames (`data.sampling`). With `size`
    the short side is scaled to it on the way, so that large videos need little memory. `patience`: seconds that
    decoding a video may take.
    MediaError, with what to do, for anything that cannot be read.
    """
    if num_frames < 1:
        raise ValueError(f"num_frames is {num_frames}: ask for at least one frame")
    check_file(source)
    if is_image(source) and not is_animation(source):
        return Clip(frames=read_image(source, size=size)[None], times=torch.zeros(1))
    with Video(source, size=size, patience=patience) as video:
        return video.frames_at(video.sample_times(num_frames, start=start, end=end, sampling=sampling))
