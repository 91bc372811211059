"""Every way to choose what is decoded, under one signature: a stream and a rate in, decode points out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from vljepa.evaluation.benchmarks.selective.footage import AnnotatedStream
from vljepa.streaming.cuts import Method as OnlineMethod
from vljepa.streaming.online import OnlineSettings, online_points
from vljepa.streaming.segment import MergeTree, chain_ward
from vljepa.streaming.selective import DecodePoint, WindowTimes, decode_points

Way = Literal["ward", "uniform", "every", "cluster", "change", "variance"]
ONLINE: tuple[Way, ...] = get_args(OnlineMethod)
RATES = (0.01, 0.05, 0.1, 0.2, 0.35, 0.5, 1.0, 2.0)
# Online rules leave some windows between two cuts, so there is nothing to see above this.
_HIGHEST_ONLINE = 1.0


@dataclass(frozen=True, kw_only=True)
class Condition:
    """One point of the figure: a way, at a rate of decodes a second, with the mean of each segment or one window."""

    way: Way
    rate: float
    pooled: bool

    @property
    def name(self) -> str:
        """The way with its averaging."""
        return f"{self.way}, {'mean' if self.pooled else 'exact'}"


def all_conditions(rates: Sequence[float]) -> list[Condition]:
    """All ways at all rates, with and without averaging; `every` has neither choice."""
    ways: tuple[Way, ...] = ("ward", "uniform", *ONLINE)
    chosen = [
        Condition(way=way, rate=rate, pooled=pooled)
        for way in ways
        for rate in rates
        for pooled in (True, False)
        if way not in ONLINE or rate <= _HIGHEST_ONLINE
    ]
    return [*chosen, Condition(way="every", rate=max(rates), pooled=False)]


class Watcher:
    """Decode points of one stream; the merge tree and the segments of each way and rate are computed once."""

    def __init__(self, stream: AnnotatedStream) -> None:
        self.stream = stream
        self._tree: MergeTree | None = None
        self._known: dict[tuple[Way, float], list[DecodePoint]] = {}

    def points(self, condition: Condition) -> list[DecodePoint]:
        """What is decoded under a condition, in time order."""
        key = (condition.way, condition.rate)
        if key not in self._known:
            self._known[key] = self._segmented(*key)
        points = self._known[key]
        return points if condition.pooled else exact(points, self.stream.embeddings, self.stream.times)

    def _segmented(self, way: Way, rate: float) -> list[DecodePoint]:
        embeddings, times = self.stream.embeddings, self.stream.times
        if way in ONLINE:
            return online_points(embeddings, times, settings=OnlineSettings(method=way, rate=rate))  # type: ignore[arg-type]
        if way == "every":
            return decode_points("every", embeddings, times=times)
        if self._tree is None:
            self._tree = chain_ward(embeddings)
        policy: Literal["selective", "uniform"] = "selective" if way == "ward" else "uniform"
        return decode_points(policy, embeddings, times=times, decodes_per_second=rate, tree=self._tree)


def exact(
    points: Sequence[DecodePoint], embeddings: Float[Tensor, "window dim"], times: WindowTimes
) -> list[DecodePoint]:
    """The same points without averaging: from the window nearest to each point's time, the earlier of two."""
    unit = normalize(embeddings, dim=1)
    middles = [(start + end) / 2 for start, end in times]
    return [
        replace(
            point,
            embedding=unit[
                min(
                    range(point.segment.first, point.segment.last),
                    key=lambda window: (round(abs(middles[window] - point.time), 6), window),
                )
            ],
        )
        for point in points
    ]
