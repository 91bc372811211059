"""Drawings of the Open Clip Art Library (public domain): PNG twins of the SVG files, whose RDF holds title and tags."""

import fnmatch
import html
import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from vljepa.data.archives import read_deb
from vljepa.data.corpora.corpus import split_of
from vljepa.data.corpora.media import MAX_PIXELS, jpeg_from_picture, on_colour, pale_colour, shrunk, trimmed
from vljepa.data.corpora.wordings import clean_name, main_name, name_questions, picture_captions
from vljepa.data.corpora.wordnet import nouns
from vljepa.data.package_list import OPENCLIPART_PNG, OPENCLIPART_SVG, WORDNET
from vljepa.types import Sample, unique

_LEFT_OUT = (
    *("computer/icons/*", "computer/buttons/*", "computer/folders/*", "computer/diagrams/*", "buttons/*", "shapes/*"),
    *("special/*", "logos/*", "unsorted/duplicates/*", "signs_and_symbols/flags/*", "signs_and_symbols/led/*"),
    *("signs_and_symbols/map_symbols/*", "recreation/games/cards/*", "people/stickmen/*", "transportation/roadsigns/*"),
    "decorations/*",
)
# One prolific author wrote all titles in Italian; their words are too often English words with another meaning.
_ITALIAN = re.compile(r"archit|rollandin|_francesc|italian", re.IGNORECASE)
_NO_TAG = re.compile(
    r"hash|unsorted|clip ?art|musicstuff|usholiday|icon|signs|mapsym|externalsource|^symbol$|^shape$|^\W*$"
)
_AUTHOR_TITLES = re.compile(
    r"clipart by|cliparts?$|symbol_signs|road signs|collection|submission|sibmission", re.IGNORECASE
)
_SIDE_PARTS = re.compile(r"<dc:(publisher|creator|rights|source).*?</dc:\1>", re.DOTALL)


class Drawing(NamedTuple):
    """What the SVG says about one drawing; `path` is the folder and name without ending, the same for the PNG twin."""

    path: str
    name: str
    concept: str
    description: str
    tags: tuple[str, ...]


class Openclipart:
    """About two thousand drawings with names, tags and now and then a sentence."""

    name = "openclipart"
    licence = "public domain"
    about = "drawings of the Open Clip Art Library with their titles and tags"
    packages = (OPENCLIPART_SVG, OPENCLIPART_PNG, WORDNET)
    folders: tuple[str, ...] = ()

    def __init__(self) -> None:
        """A source with nothing left out yet."""
        self.skipped: Counter[str] = Counter()

    def parts(self) -> int:
        """Four parts, drawings dealt out in the order of their paths."""
        return 4

    def samples(self, part: int, files: Mapping[str, Path]) -> Iterator[Sample]:
        """The drawings of one part; reasons of those left out are counted in `skipped`."""
        self.skipped = Counter()
        drawings, reasons = read_drawings(files[OPENCLIPART_SVG.name], nouns(files[WORDNET.name]))
        if part == 0:
            self.skipped.update(reasons)
        names = [drawing.concept for drawing in drawings]
        mine = {drawing.path: drawing for drawing in drawings[part :: self.parts()]}
        media: dict[str, bytes | None] = {}
        for path, content in read_deb(files[OPENCLIPART_PNG.name], "usr/share/openclipart/png/*.png"):
            place = path.partition("/png/")[2].removesuffix(".png")
            if place in mine:
                media[place] = self._jpeg(content)
        self.skipped["PNG missing, or a link to another drawing"] += len(mine) - len(media)
        for place, jpeg in sorted(media.items()):
            if jpeg is not None:
                yield _sample(mine[place], jpeg, names=names)

    def _jpeg(self, content: bytes) -> bytes | None:
        try:
            return jpeg_from_picture(on_colour(cut_out(content), pale_colour(content)))
        except UnusableDrawing as reason:
            self.skipped[str(reason)] += 1
            return None


class UnusableDrawing(ValueError):
    """A PNG that is left out; the message is the reason."""


def cut_out(content: bytes) -> Image.Image:
    """The drawing without its empty sheet, short side at most 256, its ground transparent. Raises UnusableDrawing."""
    # Read from the header, because Pillow warns or refuses when it merely opens the largest ones.
    width, height = int.from_bytes(content[16:20], "big"), int.from_bytes(content[20:24], "big")
    if not content.startswith(b"\x89PNG") or not 0 < width * height <= MAX_PIXELS:
        raise UnusableDrawing("oversize, or no PNG")
    try:
        with Image.open(io.BytesIO(content)) as picture:
            return shrunk(trimmed(picture.convert("RGBA")))
    except (OSError, SyntaxError) as error:
        raise UnusableDrawing("damaged PNG") from error


def read_drawings(package: Path, words: frozenset[str]) -> tuple[list[Drawing], Counter[str]]:
    """All drawings with a usable English name, sorted by path, and how many were left out by reason."""
    texts = {}
    reasons: Counter[str] = Counter()
    for path, content in read_deb(package, "usr/share/openclipart/svg/*.svg"):
        place = path.partition("/svg/")[2].removesuffix(".svg")
        if any(fnmatch.fnmatch(place, pattern) for pattern in _LEFT_OUT):
            reasons["icons, shapes, flags, cards, road signs"] += 1
        elif _ITALIAN.search(place):
            reasons["title in Italian"] += 1
        else:
            texts[place] = _SIDE_PARTS.sub("", content[:60_000].decode("utf-8", errors="replace"))
    titles = Counter(_field(text, "title") for text in texts.values())
    drawings = []
    for place, text in sorted(texts.items()):
        drawing = _drawing(place, text, words=words, shared=titles[_field(text, "title")] > 3)
        if drawing is None:
            reasons["no English name, or a flag"] += 1
        else:
            drawings.append(drawing)
    return drawings, reasons


def _field(text: str, name: str) -> str:
    found = re.search(rf"<dc:{name}>(.*?)</dc:{name}>", text, re.DOTALL)
    return " ".join(html.unescape(found[1]).split()) if found else ""


def _drawing(place: str, text: str, *, words: frozenset[str], shared: bool) -> Drawing | None:
    """The title names the drawing, unless many drawings share it or it names the author: then the file's name does."""
    title = _field(text, "title")
    stem, plain = clean_name(place.rpartition("/")[2].removeprefix("aiga_")), clean_name(title.partition(" - ")[0])
    untitled = not plain or _AUTHOR_TITLES.search(title) or (shared and plain not in stem)
    name = stem if untitled else plain
    if untitled and place.startswith("unsorted/"):
        return None
    if not 0 < len(name.split()) <= 6:
        return None
    concept = main_name(name, words)
    if not concept or len(concept) < 3:
        return None
    tags = [
        clean_name(tag) for tag in re.findall(r"<rdf:li>(.*?)</rdf:li>", text, re.DOTALL) if not _NO_TAG.search(tag)
    ]
    if not {"flag", "flags"}.isdisjoint(tags):
        return None
    sentence = _sentence(_field(text, "description"), title)
    return Drawing(place, name, concept, sentence, tuple(tag for tag in unique(tags) if 2 < len(tag) < 20))


def _sentence(description: str, title: str) -> str:
    """The description where it says more than the title and reads like a sentence in English letters."""
    plain = (
        description.isascii()
        and "@" not in description
        and "http" not in description
        and "svg" not in description.lower()
    )
    long_enough = 4 <= len(description.split()) <= 30 and description.lower().strip(".") != title.lower().strip(".")
    return description if plain and long_enough else ""


def _sample(drawing: Drawing, media: bytes, *, names: list[str]) -> Sample:
    return Sample(
        key="openclipart-" + re.sub(r"[^a-z0-9]+", "-", drawing.path.lower()).strip("-")[-70:],
        media=media,
        extension="jpg",
        captions=picture_captions(
            drawing.name,
            styles=("a drawing of", "clip art of"),
            tags=drawing.tags,
            description=drawing.description,
            detail=drawing.concept,
        ),
        source="openclipart",
        licence="public domain",
        concept=drawing.concept,
        split=split_of(drawing.concept),
        questions=name_questions(drawing.concept, names),
        label=drawing.concept,
        credit="Open Clip Art Library",
    )
