"""Frames -> MP4 bytes (H.264), for the corpora that we make and for tests."""

import io
from fractions import Fraction

import av
import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor


def encode_mp4(
    frames: UInt8[Tensor, "time height width 3"] | UInt8[np.ndarray, "time height width 3"], *, fps: float
) -> bytes:
    """RGB frames as an MP4 that every player opens: yuv420p, so odd sides get their last row or column twice."""
    pixels = frames.cpu().numpy() if isinstance(frames, torch.Tensor) else frames
    if pixels.ndim != 4 or pixels.shape[-1] != 3 or pixels.dtype != np.uint8 or 0 in pixels.shape:
        raise ValueError(f"encode_mp4 got {pixels.dtype} {pixels.shape}: give uint8 frames of (time, height, width, 3)")
    if not fps > 0:
        raise ValueError(f"encode_mp4 got {fps} frames a second: give more than 0")
    _, height, width, _ = pixels.shape
    even = np.pad(pixels, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream(
            "libx264", rate=Fraction(fps).limit_denominator(1001), options={"crf": "18", "preset": "veryfast"}
        )
        stream.height, stream.width, stream.pix_fmt = even.shape[1], even.shape[2], "yuv420p"
        for picture in even:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")))
        container.mux(stream.encode(None))
    return buffer.getvalue()
