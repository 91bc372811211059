"""A shard's samples with their views in the X-Encoder's size, decoded some ahead of who encodes them."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from jaxtyping import UInt8
from torch import Tensor

from vljepa.data.media import MediaError, read_clip
from vljepa.data.processor import Processor
from vljepa.data.shards import read_shard
from vljepa.data.views import views_of
from vljepa.types import Sample


class Seen(NamedTuple):
    """The views of a sample in the X-Encoder's size: none where it has words alone."""

    views: list[UInt8[Tensor, "time 3 height width"]]
    picture: bool


def decoded_views(
    path: Path, processor: Processor, num_frames: int, words_alone: Callable[[Sample], bool]
) -> Iterator[tuple[Sample, Seen | MediaError]]:
    """Samples with their prepared views, or with why there are none, decoded some ahead of the encoder."""

    def prepare(sample: Sample) -> Seen:
        if words_alone(sample):
            return Seen([], picture=False)
        clip = read_clip(sample.media, num_frames=num_frames)
        views = [processor.frames_from_clip(view) for view in views_of(clip, sample)]
        return Seen(views, picture=len(clip.frames) == 1)

    with ThreadPoolExecutor(1) as pool:
        waiting: list[tuple[Sample, Future[Seen]]] = []
        for sample in read_shard(path):
            waiting.append((sample, pool.submit(prepare, sample)))
            if len(waiting) > 4:
                yield _finished(*waiting.pop(0))
        for pair in waiting:
            yield _finished(*pair)


def _finished(sample: Sample, future: "Future[Seen]") -> tuple[Sample, Seen | MediaError]:
    try:
        return sample, future.result()
    except MediaError as error:
        return sample, error
