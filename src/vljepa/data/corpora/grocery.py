"""Photographs of groceries taken in shops (MIT), with the product's name and its kind; split by picture."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from vljepa.data.corpora.corpus import split_of
from vljepa.data.corpora.given import read_given
from vljepa.data.corpora.wordings import name_questions, singular, with_article
from vljepa.data.packages import Package
from vljepa.data.shards import Record
from vljepa.types import Sample, unique


class Grocery:
    """1,608 pictures of 81 products."""

    name = "grocery"
    licence = "MIT"
    about = "photographs of 81 products taken in shops"
    packages: tuple[Package, ...] = ()
    folders = ("photos",)

    def __init__(self) -> None:
        """A source with nothing left out yet."""
        self.skipped: Counter[str] = Counter()

    def parts(self) -> int:
        """One part."""
        return 1

    def samples(self, part: int, files: Mapping[str, Path]) -> Iterator[Sample]:
        """The pictures in the order of the given shards."""
        self.skipped = Counter()
        records = list(read_given(files["photos"], self.name))
        names = sorted({product_name(record.fields["label"], record.fields["coarse"]) for record in records})
        for record in records:
            yield _sample(record, names=names)


def product_name(label: str, coarse: str) -> str:
    """ "Conference" of kind "Pear" is a conference pear; names that tell their kind stay as they are."""
    name, kind = label.lower(), singular(coarse.lower())
    return name if kind in name else f"{name} {kind}"


def _sample(record: Record, *, names: list[str]) -> Sample:
    name = product_name(record.fields["label"], record.fields["coarse"])
    kind = singular(record.fields["coarse"].lower())
    captions = [f"a photo of {with_article(name)} in a shop", name, f"{name} on a shop shelf", f"{kind}: {name}"]
    return Sample(
        key=record.key,
        media=record.media,
        extension=record.extension,
        captions=unique(captions if kind != name else captions[:3]),
        source="grocery",
        licence=record.fields["licence"],
        concept=record.key,
        split=split_of(record.key),
        questions=name_questions(name, names, query="what product is this?"),
        label=name,
        credit=record.fields["source"],
    )
