"""Every way to choose what is decoded, under one signature: a stream and a rate in, decode points out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast, get_args

from torch.nn.functional import normalize

from vljepa.evaluation.benchmarks.selective.footage import AnnotatedStream
from vljepa.streaming.chooser import offline_points
from vljepa.streaming.cuts import Method as OnlineMethod
from vljepa.streaming.online import OnlineSettings, online_points
from vljepa.streaming.segment import MergeTree, chain_ward
from vljepa.streaming.selective import DecodePoint, Policy, Pooling, decode_point

Way = Literal["selective", "ward", "uniform", "every", "clear", "change", "cluster", "variance"]
ONLINE = cast(tuple[Way, ...], get_args(OnlineMethod))
RATES = (0.01, 0.05, 0.1, 0.2, 0.35, 0.5, 1.0, 2.0)
# Online rules leave some windows between two cuts, so there is nothing to see above this.
_HIGHEST_ONLINE = 1.0


@dataclass(frozen=True, kw_only=True)
class Condition:
    """One point of the figure: a way, at a rate of decodes a second, from the mean of each segment or one window."""

    way: Way
    rate: float
    pooling: Pooling

    @property
    def name(self) -> str:
        """The way with its pooling."""
        return f"{self.way}, {self.pooling}"


def all_conditions(rates: Sequence[float]) -> list[Condition]:
    """All ways at all rates: the paper's with and without averaging, ours from the inner windows of segments."""
    poolings: dict[Way, tuple[Pooling, ...]] = {
        "selective": ("inner",),
        "ward": ("mean", "exact"),
        "uniform": ("mean", "exact"),
        **dict.fromkeys(ONLINE, ("inner",)),
    }
    chosen = [
        Condition(way=way, rate=rate, pooling=pooling)
        for way, some in poolings.items()
        for rate in rates
        for pooling in some
        if way not in ONLINE or rate <= _HIGHEST_ONLINE
    ]
    return [*chosen, Condition(way="every", rate=max(rates), pooling="exact")]


class Watcher:
    """Decode points of one stream; the merge tree and the segments of each way and rate are computed once."""

    def __init__(self, stream: AnnotatedStream) -> None:
        self.stream = stream
        self._unit = normalize(stream.embeddings.double(), dim=1)
        self._tree: MergeTree | None = None
        self._known: dict[tuple[Way, float], list[DecodePoint]] = {}

    def points(self, condition: Condition) -> list[DecodePoint]:
        """What is decoded under a condition, in time order."""
        key = (condition.way, condition.rate)
        if key not in self._known:
            self._known[key] = self._segmented(*key)
        points = self._known[key]
        if condition.pooling == "inner":
            return points
        return [
            decode_point(point.segment, self._unit, times=self.stream.times, pooling=condition.pooling)
            for point in points
        ]

    def _segmented(self, way: Way, rate: float) -> list[DecodePoint]:
        embeddings, times = self.stream.embeddings, self.stream.times
        if way in ONLINE:
            return online_points(embeddings, times, settings=OnlineSettings(method=cast(OnlineMethod, way), rate=rate))
        if way == "ward" and self._tree is None:
            self._tree = chain_ward(embeddings)
        return offline_points(cast(Policy, way), embeddings, times, rate=rate, tree=self._tree)
