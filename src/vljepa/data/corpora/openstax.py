"""Photographs and paintings of OpenStax textbooks (CC BY 4.0) with the descriptions written for blind readers.

Split by book: one whole book is for test and one for validation.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from vljepa.data.corpora.given import read_given
from vljepa.data.packages import Package
from vljepa.data.shards import Record
from vljepa.types import Sample, Split, unique

# Real pairs are few and help most: each training picture is seen whole and in so many crops.
CROPS = 4
# Both have many clean photographs; the books left for training keep the widest range of subjects.
_BOOK_SPLITS: dict[str, Split] = {"introduction-political-science": "test", "entrepreneurship": "validation"}
_PANELS = re.compile(
    r"\([a-d]\)|\b(?:image|figure|photo|photograph|painting|picture|part|map|drawing)s? [a-d]\b|\b[A-D]\) "
    r"|^(?:two|three|four|a series of|several) (?:images|photo|photographs|pictures|paintings|portraits|maps)"
    r"|\bthe (?:first|second|third) (?:image|photo|photograph|picture|painting)",
    re.IGNORECASE,
)
_KIND = r"(?:(?:colou?r(?:ful|ed)?|black[- ]and[- ]white|close-?up|aerial|old) )?(?:image|photo|photograph|picture)"
_BOILERPLATE = re.compile(
    rf"^(?:in )?(?:(?:an?|the|this) )?{_KIND}(?: of| shows?| depicts?| is of| features?| showing|,)\s+(?=\S)",
    re.IGNORECASE,
)
_TAIL = re.compile(r" (?:is|are) (?:shown|pictured|depicted|seen)\.?$", re.IGNORECASE)
_SENTENCE = re.compile(r"(?<=[a-z\d\"”)]{2}[.!?]) +(?=[A-Z“\"])")


class Openstax:
    """About a thousand pictures, each with one description by a person."""

    name = "openstax"
    licence = "CC BY 4.0"
    about = "pictures of seven textbooks with descriptions written for blind readers"
    packages: tuple[Package, ...] = ()
    folders = ("photos",)

    def __init__(self) -> None:
        """A source with nothing left out yet."""
        self.skipped: Counter[str] = Counter()

    def parts(self) -> int:
        """One part."""
        return 1

    def samples(self, part: int, files: Mapping[str, Path]) -> Iterator[Sample]:
        """The pictures in the order of the given shards; several panels in one picture are left out and counted."""
        self.skipped = Counter()
        for record in read_given(files["photos"], self.name):
            if record.fields["several_panels"] or _PANELS.search(record.fields["captions"][0]):
                self.skipped["several panels"] += 1
            else:
                yield _sample(record)


def wordings(description: str) -> tuple[str, ...]:
    """The description, then without "A photo of", its first sentence, and that sentence without "A photo of"."""
    sentences = _SENTENCE.split(" ".join(description.split()))
    first = sentences[0]
    return unique([" ".join(sentences), without_boilerplate(" ".join(sentences)), first, without_boilerplate(first)])


def without_boilerplate(text: str) -> str:
    """The text without an opening such as "A photo of" and, in one sentence, an ending such as "is shown"."""
    stripped = _BOILERPLATE.sub("", text)
    if "." not in stripped.rstrip("."):
        stripped = _TAIL.sub(".", stripped)
    return stripped[:1].upper() + stripped[1:]


def _sample(record: Record) -> Sample:
    fields = record.fields
    split = _BOOK_SPLITS.get(fields["book"], "train")
    captions = wordings(fields["captions"][0])
    if split == "train" and fields.get("context"):
        captions = unique([*captions, _SENTENCE.split(fields["context"])[0]])
    return Sample(
        key=record.key,
        media=record.media,
        extension=record.extension,
        captions=captions,
        source="openstax",
        licence=fields["licence"],
        concept=fields["book"],
        split=split,
        credit=" ".join([fields["credit"], fields["source"]]).strip(),
        crops=CROPS,
    )
