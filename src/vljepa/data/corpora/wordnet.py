"""WordNet 3.0 out of its Debian package: which words are English nouns, and what the glosses say (wndb(5WN))."""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from vljepa.data.archives import read_deb


class Synset(NamedTuple):
    """Words of one meaning, its definition, and the sentences that show its use."""

    words: tuple[str, ...]
    definition: str
    examples: tuple[str, ...]


@lru_cache(maxsize=2)
def nouns(package: Path) -> frozenset[str]:
    """All noun lemmas in lower case, words of one lemma joined by blanks."""
    found: set[str] = set()
    for _, content in read_deb(package, "*/index.noun"):
        for line in content.decode("utf-8", errors="replace").splitlines():
            if line and line[0] != " ":
                found.add(line.split(" ", 1)[0].replace("_", " "))
    return frozenset(found)


def synsets(package: Path) -> Iterator[Synset]:
    """All meanings, in the order of the files data.adj, data.adv, data.noun, data.verb."""
    for _, content in sorted(read_deb(package, "*/wordnet/data.*")):
        for line in content.decode("utf-8", errors="replace").splitlines():
            if line and line[0] != " ":
                yield _synset(line)


def _synset(line: str) -> Synset:
    fields, _, gloss = line.partition(" | ")
    parts = fields.split(" ")
    count = int(parts[3], 16)
    words = tuple(word.partition("(")[0].replace("_", " ") for word in parts[4 : 4 + 2 * count : 2])
    definition, *quoted = gloss.split('"')
    examples = tuple(text.strip() for text in quoted[::2] if text.strip())
    return Synset(words, definition.strip(" ;:"), examples)
