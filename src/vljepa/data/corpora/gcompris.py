"""Photographs and drawings of GCompris: only those whose own licence is public domain, CC0 or CC BY.

Debian's copyright file names a licence for each file; share-alike, GPL and GFDL pictures are left out and counted.
"""

import fnmatch
import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from vljepa.data.archives import read_deb
from vljepa.data.corpora.corpus import split_of
from vljepa.data.corpora.media import jpeg_from_picture, on_colour, pale_colour, shrunk
from vljepa.data.corpora.qt_resource import read_rcc
from vljepa.data.corpora.wordings import clean_name, name_questions, picture_captions, singular
from vljepa.data.package_list import GCOMPRIS
from vljepa.types import Sample

_ALLOWED = re.compile(r"^(?:public-domain|CC0-[\d.]+|CC-BY-[\d.]+)$")
# File names that say nothing, or say it in another language: the folder or a look at the picture gives the name.
_NAMES = {
    "solar": "solar panels",
    "buffetset": "cup and saucer",
    "great wall": "the great wall",
    "leaning tower of pisa": "the leaning tower of pisa",
    "le musee": "museum",
    "cuting tool": "cutting tool",
    "zimni palace": "the winter palace",
    "plier": "pliers",
    "screw driver": "screwdriver",
}
# Two frames of a swimming fish side by side in each file.
_SPRITES = "/clickgame/"
_PICTURE = (".webp", ".png", ".jpg", ".jpeg")


class Terms(NamedTuple):
    """One paragraph of the copyright file."""

    patterns: tuple[str, ...]
    holder: str
    licence: str


class Gcompris:
    """About fifty pictures of tools, fish, animals and monuments."""

    name = "gcompris"
    licence = "public domain, CC0 or CC BY (each sample says which)"
    about = "photographs of an educational suite, named by their files"
    packages = (GCOMPRIS,)
    folders: tuple[str, ...] = ()

    def __init__(self) -> None:
        """A source with nothing left out yet."""
        self.skipped: Counter[str] = Counter()

    def parts(self) -> int:
        """One part."""
        return 1

    def samples(self, part: int, files: Mapping[str, Path]) -> Iterator[Sample]:
        """The pictures in the order of their paths; those left out are counted in `skipped` by licence."""
        self.skipped = Counter()
        terms, found = read_gcompris(files[GCOMPRIS.name])
        kept = {}
        for path, content in sorted(found.items()):
            own = terms_of(path, terms)
            name = _name(path)
            if own is None or not _ALLOWED.match(own.licence):
                self.skipped[f"licence {own.licence if own else 'not stated'}"] += 1
            elif _SPRITES in path:
                self.skipped["sprites, not pictures"] += 1
            elif not name:
                self.skipped["no name"] += 1
            else:
                kept[path] = (name, own, content)
        names = sorted({name for name, _, _ in kept.values()})
        for path, (name, own, content) in kept.items():
            yield _sample(path, content, name=name, terms=own, names=names)


def read_gcompris(package: Path) -> tuple[list[Terms], dict[str, bytes]]:
    """The paragraphs of the copyright file, and all pictures of all .rcc files by their path in the source tree."""
    terms: list[Terms] = []
    pictures: dict[str, bytes] = {}
    for path, content in read_deb(package, "usr/share/*"):
        if path.endswith("/copyright"):
            terms = read_terms(content.decode("utf-8", errors="replace"))
        elif path.endswith(".rcc"):
            for place, inner in read_rcc(content, name=path):
                if place.lower().endswith(_PICTURE):
                    pictures[place.partition("/gcompris/")[2] or place.lstrip("/")] = inner
    return terms, pictures


def read_terms(text: str) -> list[Terms]:
    """The `Files:` paragraphs of a copyright file in Debian's machine-readable form."""
    found = []
    for paragraph in re.split(r"\n\s*\n", text):
        fields = re.match(r"Files:(.*?)\nCopyright:(.*?)\nLicense:([^\n]*)", paragraph.strip(), re.DOTALL)
        if fields:
            files, holder, licence = fields.groups()
            found.append(Terms(tuple(files.split()), " ".join(holder.split()), licence.strip()))
    return found


def terms_of(path: str, terms: Sequence[Terms]) -> Terms | None:
    """The last paragraph that names the file, its ending aside: the pictures were recoded to webp since."""
    stem = path.rpartition(".")[0]
    for own in reversed(terms):
        for pattern in own.patterns:
            wanted = pattern.rpartition(".")[0] if pattern.lower().endswith(_PICTURE) else pattern
            if fnmatch.fnmatchcase(stem, wanted) or fnmatch.fnmatchcase(path, pattern):
                return own
    return None


def _name(path: str) -> str:
    name = clean_name(path.rpartition("/")[2].rpartition(".")[0])
    return _NAMES.get(name, name) if len(name) > 2 else ""


def _sample(path: str, content: bytes, *, name: str, terms: Terms, names: list[str]) -> Sample:
    with Image.open(io.BytesIO(content)) as picture:
        media = jpeg_from_picture(shrunk(on_colour(picture, pale_colour(content))))
    concept = singular(name.removeprefix("the "))
    return Sample(
        key="gcompris-" + re.sub(r"[^a-z0-9]+", "-", path.partition("activities/")[2].lower()).strip("-")[-70:],
        media=media,
        extension="jpg",
        captions=picture_captions(name, styles=("a photo of", "a picture of"), detail=concept),
        source="gcompris",
        licence=terms.licence,
        concept=concept,
        split=split_of(concept),
        questions=name_questions(name, names),
        label=name,
        credit=f"{terms.holder}, in GCompris",
    )
