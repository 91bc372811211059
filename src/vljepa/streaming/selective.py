"""When to decode: embeddings and times of a stream's windows in, segments and the embeddings worth decoding out.

The policies of the paper's figure on selective decoding (section 4.6): Ward segments (`ward`), a fixed stride
(`uniform`) and every window (`every`), each from the middle window's embedding or from a mean over the segment; and
ours, the strongest changes (`selective`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from vljepa.streaming.changes import strongest_changes
from vljepa.streaming.segment import MergeTree, chain_ward
from vljepa.types import Segment

Policy = Literal["selective", "ward", "uniform", "every"]
Pooling = Literal["inner", "mean", "exact"]
WindowTimes = Sequence[tuple[float, float]]
# Seconds are compared to a microsecond.
HAIR = 1e-6


@dataclass(frozen=True, kw_only=True, eq=False)
class DecodePoint:
    """One thing to decode: at which second, for which segment, from which embedding (of length one)."""

    time: float
    segment: Segment
    embedding: Float[Tensor, "dim"]


def segments(
    embeddings: Float[Tensor, "time dim"],
    times: WindowTimes,
    *,
    decodes_per_second: float | None = None,
    num_segments: int | None = None,
    tree: MergeTree | None = None,
) -> list[Segment]:
    """Cluster a stream into segments of one meaning each, as many as are asked for or as the decodes per second allow.

    `times` are the start and end of each window in seconds. Segments tile the stream: two meet halfway between the
    middles of the windows on both sides. `tree` is `chain_ward(embeddings)` where the caller has it: each further
    number of segments is then free. ValueError where not exactly one of the two numbers is given or it cannot be met.
    """
    num_windows = _check_times(times, num_windows=len(embeddings))
    wanted = _num_decodes(times, decodes_per_second=decodes_per_second, num_segments=num_segments)
    tree = chain_ward(embeddings) if tree is None else tree
    if tree.num_windows != num_windows:
        raise ValueError(f"the tree is of {tree.num_windows} windows, not {num_windows}: give the tree of this stream")
    return _tiles(tree.cut(wanted), times)


def decode_points(
    policy: Policy,
    embeddings: Float[Tensor, "time dim"],
    *,
    times: WindowTimes,
    decodes_per_second: float | None = None,
    num_segments: int | None = None,
    pooling: Pooling = "inner",
    tree: MergeTree | None = None,
) -> list[DecodePoint]:
    """What to decode under a policy, in time order; `every` takes no rate, the others as in `segments`.

    `selective` makes fewer segments than are asked for where the stream has no room for them (`strongest_changes`).
    The time of a point is the middle between its segment's first and last window; its embedding as in `decode_point`.
    """
    _check_times(times, num_windows=len(embeddings))
    unit = _unit(embeddings)
    match policy:
        case "selective":
            wanted = _num_decodes(times, decodes_per_second=decodes_per_second, num_segments=num_segments)
            found = _tiles(strongest_changes(unit.numpy(), times, num_segments=wanted), times)
        case "ward":
            found = segments(unit, times, decodes_per_second=decodes_per_second, num_segments=num_segments, tree=tree)
        case "uniform":
            wanted = _num_decodes(times, decodes_per_second=decodes_per_second, num_segments=num_segments)
            found = _tiles(_even_cut(len(unit), num_parts=wanted), times)
        case "every":
            if decodes_per_second is not None or num_segments is not None:
                raise ValueError("the policy 'every' decodes each window: leave the rate out, or take 'uniform'")
            found = _tiles(_even_cut(len(unit), num_parts=len(unit)), times)
        case _:
            raise ValueError(f"unknown policy {policy!r}: write one of {', '.join(get_args(Policy))}")
    return [decode_point(segment, unit, times=times, pooling=pooling) for segment in found]


def coverage(embeddings: Float[Tensor, "time dim"], points: Sequence[DecodePoint]) -> float:
    """How well the decoded embeddings stand for the stream: mean cosine of each window to that of its segment.

    One where nothing is lost. ValueError where the points' segments do not cover each window once.
    """
    unit = _unit(embeddings)
    edges = [0, *(point.segment.last for point in points)]
    if [point.segment.first for point in points] != edges[:-1] or edges[-1] != len(unit):
        raise ValueError(f"the segments do not cover the {len(unit)} windows in order: give all points of this stream")
    sizes = torch.tensor([point.segment.last - point.segment.first for point in points])
    decoded = torch.stack([point.embedding for point in points]).to(unit)
    return float((unit * decoded.repeat_interleave(sizes, dim=0)).sum(dim=1).mean())


def change_curve(embeddings: Float[Tensor, "time dim"], *, smooth: int = 1) -> Float[Tensor, "time"]:
    """How far the meaning moved since the window before: 1 - cosine, 0 for the first window; for plots.

    Embeddings are first averaged over `smooth` windows around each (an odd number; fewer at both ends).
    """
    if smooth < 1 or smooth % 2 == 0:
        raise ValueError(f"smooth is {smooth}: give an odd number of windows, 1 for none")
    unit = _unit(embeddings)
    position = torch.arange(len(unit))
    first = (position - smooth // 2).clamp(min=0)
    last = (position + smooth // 2 + 1).clamp(max=len(unit))
    sums = torch.cat([unit.new_zeros(1, unit.shape[1]), unit.cumsum(dim=0)])
    smoothed = _unit(sums[last] - sums[first])
    curve = torch.zeros(len(unit), dtype=unit.dtype)
    curve[1:] = 1 - (smoothed[1:] * smoothed[:-1]).sum(dim=1)
    return curve.clamp(min=0).to(torch.float32)


def _unit(embeddings: Float[Tensor, "time dim"]) -> Float[Tensor, "time dim"]:
    """The embeddings in float64 at length one; ValueError where one has no direction."""
    rows = embeddings.detach().cpu().to(torch.float64)
    lengths: Tensor = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
    broken = torch.nonzero(~lengths.isfinite() | (lengths == 0))
    if len(broken):
        raise ValueError(f"the embedding of window {int(broken[0, 0])} is zero or not finite: leave such windows out")
    return rows / lengths


def _check_times(times: WindowTimes, *, num_windows: int) -> int:
    """The number of windows; ValueError where times and embeddings do not fit or time runs backwards."""
    if len(times) != num_windows or not num_windows:
        raise ValueError(f"{len(times)} window times for {num_windows} embeddings: give one (start, end) for each")
    for window, (start, end) in enumerate(times):
        if not start <= end or (window and _middle(times[window - 1]) > _middle((start, end))):
            raise ValueError(f"window {window} is from {start} to {end} s: windows must be in time order, start first")
    return num_windows


def _num_decodes(times: WindowTimes, *, decodes_per_second: float | None, num_segments: int | None) -> int:
    """The number of segments asked for, directly or as a rate over the length of the stream."""
    if (decodes_per_second is None) == (num_segments is None):
        raise ValueError("give either decodes_per_second or num_segments")
    if num_segments is not None:
        if not 1 <= num_segments <= len(times):
            raise ValueError(f"{num_segments} segments of {len(times)} windows: ask for 1 to {len(times)}")
        return num_segments
    assert decodes_per_second is not None
    if not 0 < decodes_per_second < float("inf"):
        raise ValueError(f"{decodes_per_second} decodes per second: give a number above 0")
    # A stream has no more to say than it has windows, and at least one thing.
    return min(max(round(decodes_per_second * (times[-1][1] - times[0][0])), 1), len(times))


def _even_cut(num_windows: int, *, num_parts: int) -> list[tuple[int, int]]:
    """First and past-the-last window of parts that are equally long, within one window."""
    edges = [part * num_windows // num_parts for part in range(num_parts + 1)]
    return list(pairwise(edges))


def _tiles(cut: Sequence[tuple[int, int]], times: WindowTimes) -> list[Segment]:
    """Segments in seconds that leave no gap, from the start of the first window to the end of the last."""
    inner = [(_middle(times[first - 1]) + _middle(times[first])) / 2 for first, _ in cut[1:]]
    edges = [times[0][0], *inner, times[-1][1]]
    return [
        Segment(start=edges[place], end=edges[place + 1], first=first, last=last)
        for place, (first, last) in enumerate(cut)
    ]


def decode_point(
    segment: Segment, unit: Float[Tensor, "time dim"], *, times: WindowTimes, pooling: Pooling
) -> DecodePoint:
    """The decode point of one segment, from embeddings of length one.

    `inner`: the mean of the windows that lie wholly in the segment, brought back to length one; `mean`: that of all its
    windows, as in the paper. `exact`, also where no window lies wholly in it: the window nearest to the middle (the
    earlier of two).
    """
    places = range(segment.first, segment.last)
    time = (_middle(times[places[0]]) + _middle(times[places[-1]])) / 2
    nearest = min(places, key=lambda place: (round(abs(_middle(times[place]) - time), 6), place))
    chosen = {
        "inner": [place for place in places if lies_in(*times[place], segment.start, segment.end)],
        "mean": list(places),
        "exact": [],
    }[pooling]
    embedding = _unit(unit[chosen or [nearest]].mean(dim=0, keepdim=True))[0]
    return DecodePoint(time=time, segment=segment, embedding=embedding.to(torch.float32))


def lies_in(start: float, end: float, since: float, until: float) -> bool:
    """Whether the seconds from `start` to `end` lie wholly in those from `since` to `until`."""
    return start >= since - HAIR and end <= until + HAIR


def _middle(window: tuple[float, float]) -> float:
    """The middle second of a window."""
    return (window[0] + window[1]) / 2
