"""What a reader makes of a benchmark's files: items, the labels to choose among, and how many of each there must be."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Task = Literal["classification", "retrieval", "vqa", "triplets", "anticipation", "world", "streams"]


class SetError(ValueError):
    """A copy of a benchmark that cannot be used; the sentence names the file, what it holds and what it should."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """One thing to score.

    `media`: names below the set's folder of media, with or without ending; several are seen one after the other as one
    clip. `start` and `end` cut it, in seconds. `text` is the question, the caption, or the first of three sentences.
    `label` is the right one among the set's labels or among the item's own `candidates`. `group` is the part of the set
    that is scored by itself as well; items of one `pair` are also scored together, right only where all are.
    """

    id: str
    media: tuple[str, ...] = ()
    start: float | None = None
    end: float | None = None
    text: str = ""
    label: str = ""
    candidates: tuple[str, ...] = ()
    group: str = ""
    pair: str = ""


@dataclass(frozen=True, kw_only=True)
class Count:
    """How many there should be; `sure` where that was counted in the published file, and not only read about."""

    number: int
    sure: bool = True


@dataclass(frozen=True, kw_only=True)
class Facet:
    """Another question about the same items: its labels (key to text), and the right key of each item, in order."""

    labels: Mapping[str, str]
    right: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Data:
    """A benchmark as it was read.

    `labels`: key to text, what every item chooses among; empty where items bring their candidates. `facets`: further
    labels of the same items by name. `expected`: counts by name, as `counts` gives them. `blobs`: media that lie inside
    an annotation file, by name. `left_out`: rows that the protocol leaves out, by reason.
    """

    items: tuple[Item, ...]
    labels: Mapping[str, str] = field(default_factory=dict)
    facets: Mapping[str, Facet] = field(default_factory=dict)
    expected: Mapping[str, Count] = field(default_factory=dict)
    blobs: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    left_out: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_items(self.items)
        for item in self.items:
            if self.labels and item.label not in self.labels:
                raise SetError(
                    f"item {item.id} has the label {item.label!r}, which is none of the {len(self.labels)}, such as "
                    f"{next(iter(self.labels))!r}: the labels and the annotations are of different versions"
                )

    def counts(self) -> dict[str, int]:
        """Items, distinct media, labels, distinct texts of labels, and items of each group."""
        found = {
            "items": len(self.items),
            "media": len({name for item in self.items for name in item.media}),
            "labels": len(self.labels),
            "label texts": len(set(self.labels.values())),
        }
        found |= {f"{name} labels": len(facet.labels) for name, facet in self.facets.items()}
        groups = Counter(item.group for item in self.items if item.group)
        return found | {f"items of {name}": number for name, number in sorted(groups.items())}


def _check_items(items: tuple[Item, ...]) -> None:
    """SetError for a set without items and for ids that stand there twice."""
    if not items:
        raise SetError("the annotations hold no item: this is another file, or another split")
    twice = [name for name, times in Counter(item.id for item in items).items() if times > 1]
    if twice:
        raise SetError(
            f"{len(twice)} ids stand there twice, among them {', '.join(map(repr, twice[:3]))}: take the file as it "
            "was published"
        )


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """A public set by name: its task, the files that must be there, how to read them, and where people get them.

    `settings` holds the protocol's choices with their defaults; `hashes` the sha256 of files that are always the same.
    """

    name: str
    task: Task
    measures: str
    files: tuple[str, ...]
    obtain: str
    read: Callable[[Path, Any], Data]
    settings: Any
    hashes: Mapping[str, str] = field(default_factory=dict)
