"""What the page draws under a video: how fast its meaning changes, and the whole merge tree, which is cut there.

The page gets the tree once; every rate is then a cut of it, with no question to the service.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from vljepa.embedder import Embedder
from vljepa.library import Timeline
from vljepa.library.timeline import timeline_of
from vljepa.streaming.segment import chain_ward
from vljepa.streaming.stream import Progress, WindowSettings, embedded_stream


def look(source: Path, embedder: Embedder, *, settings: WindowSettings, progress: Progress) -> Timeline:
    """Watch a video to its end and keep all of its windows."""
    stream = embedded_stream(source, embedder, settings=settings, progress=progress)
    if not stream.times:
        raise ValueError("the video has no frame that can be looked at: record it again")
    return timeline_of(stream.embeddings, list(stream.times), chain_ward(stream.embeddings), keep=True)


def drawn(timeline: Timeline) -> dict[str, Any]:
    """The seconds at which windows meet, the change at each, and the tree's merges in order.

    The cut into k segments keeps the last k-1 boundaries, as `MergeTree.cut`; boundary b lies at edge b.
    """
    times = timeline.times.tolist()
    middles = [(start + end) / 2 for start, end in times]
    inner = [(before + after) / 2 for before, after in pairwise(middles)]
    return {
        "edges": [round(second, 3) for second in (times[0][0], *inner, times[-1][1])],
        "change": [round(value, 4) for value in timeline.change.tolist()],
        "boundaries": timeline.tree.boundaries.tolist(),
        "costs": [round(cost, 5) for cost in timeline.tree.costs.tolist()],
    }


def check_spans(spans: Sequence[tuple[int, int]], timeline: Timeline) -> None:
    """ValueError unless each is the first and the past-the-last of some windows."""
    for first, last in spans:
        if not 0 <= first < last <= len(timeline.times):
            raise ValueError(f"there are no windows {first} to {last} of {len(timeline.times)}: give first < last")


def means(timeline: Timeline, spans: Sequence[tuple[int, int]]) -> Float[Tensor, "span dim"] | None:
    """The mean embedding of each span, at length one; None where the library does not keep the windows."""
    if timeline.embeddings is None:
        return None
    rows = torch.from_numpy(timeline.embeddings)
    return torch.stack([normalize(rows[first:last].mean(0), dim=0) for first, last in spans])
