"""Videos for tests of sources: numbered frames that are too large for one buffer, in any container."""

import io
from pathlib import Path

import av
import numpy as np
import torch

from vljepa.data.encode import encode_mp4


def noisy(count: int, *, rate: float) -> bytes:
    """An MP4 of at most 45 frames whose grey level says which they are: `number_of` reads it back."""
    noise = np.random.default_rng(0).integers(0, 24, (count, 96, 128, 3), dtype=np.uint8)
    return encode_mp4(noise + (np.arange(count, dtype=np.uint8) * 5)[:, None, None, None], fps=rate)


def number_of(frame: torch.Tensor) -> int:
    return round((float(frame.float().mean()) - 11.5) / 5)


def remuxed(video: bytes, path: Path, **options: str) -> Path:
    """The same packets in the container of the path's suffix."""
    with av.open(io.BytesIO(video)) as source, av.open(str(path), "w", options=options) as out:
        stream = source.streams.video[0]
        copy = out.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.dts is not None:
                packet.stream = copy
                out.mux(packet)
    return path
