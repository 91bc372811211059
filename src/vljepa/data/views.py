"""What is looked at of a picture: all of it, and of a training picture crops too (Clip in, Clips out)."""

import hashlib

from vljepa.types import Clip, Sample


def views_of(clip: Clip, sample: Sample) -> list[Clip]:
    """Training pictures are seen whole and in crops, every second one mirrored (not where sides are spoken of)."""
    if len(clip.times) > 1 or sample.split != "train":
        return [clip]
    speaks_of_sides = any(word in caption.lower() for caption in sample.captions for word in ("left", "right"))
    return [clip] + [
        _crop(
            clip, f"{sample.key} {number}" if number else sample.key, mirrored=number % 2 == 0 and not speaks_of_sides
        )
        for number in range(sample.crops)
    ]


def _crop(clip: Clip, seed: str, *, mirrored: bool) -> Clip:
    digest = hashlib.sha256(seed.encode()).digest()
    height, width = clip.frames.shape[1:3]
    part = 0.7 + 0.2 * digest[0] / 255
    top = int((1 - part) * height * digest[1] / 255)
    left = int((1 - part) * width * digest[2] / 255)
    cut = clip.frames[:, top : top + int(part * height), left : left + int(part * width)]
    return Clip(frames=(cut.flip(2) if mirrored else cut).contiguous(), times=clip.times)
