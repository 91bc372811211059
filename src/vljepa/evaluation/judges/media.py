"""Media as other programs hand them over -> Clip: paths, bytes, pictures, arrays of frames, records of `datasets`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from vljepa.data.image import rgb_over_white
from vljepa.data.media import read_clip
from vljepa.types import Clip


def clip_from(medium: Any, *, num_frames: int) -> Clip:
    """A picture as one frame, a video as `num_frames`. ValueError for what is neither."""
    if isinstance(medium, str | Path):
        return read_clip(Path(medium), num_frames=num_frames)
    if isinstance(medium, bytes):
        return read_clip(medium, num_frames=num_frames)
    if isinstance(medium, Image.Image):
        return Clip(frames=rgb_over_white(medium)[None], times=torch.zeros(1))
    if isinstance(medium, np.ndarray):
        return _sampled(
            torch.from_numpy(np.array(medium)), num_frames
        )  # a copy: arrays from elsewhere may be read-only
    if isinstance(medium, torch.Tensor):
        return _sampled(medium, num_frames)
    if isinstance(medium, Mapping):
        found = next((medium[name] for name in ("array", "bytes", "path") if medium.get(name) is not None), None)
        if found is not None:
            return clip_from(found, num_frames=num_frames)
    raise ValueError(f"{type(medium).__name__} is no medium: give a path, bytes, a picture or an array of frames")


def _sampled(frames: torch.Tensor, num_frames: int) -> Clip:
    """8-bit frames with colours first or last; a single one is a picture."""
    if frames.ndim == 3:
        frames = frames[None]
    if frames.ndim != 4 or frames.dtype != torch.uint8 or 3 not in (frames.shape[1], frames.shape[3]):
        raise ValueError(
            f"an array of shape {tuple(frames.shape)} and type {frames.dtype} holds no frames: give 8-bit values as "
            "(time, height, width, 3) or (time, 3, height, width)"
        )
    last = frames if frames.shape[3] == 3 else frames.permute(0, 2, 3, 1)
    count = len(last) if len(last) == 1 else num_frames
    places = torch.linspace(0, len(last) - 1, count).round().long()
    return Clip(frames=last[places].contiguous(), times=places.float())
