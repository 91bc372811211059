"""Scenes composed of clip-art and of emoji: two to four things with sides and counts ("a dog left of a tree").

A scene's split is its things' split: what is named in a test scene is never named in a training scene.
"""

import io
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from vljepa.data.archives import read_deb, read_tgz
from vljepa.data.corpora.corpus import split_of
from vljepa.data.corpora.drawing import Placed, ground
from vljepa.data.corpora.emoji import file_name, read_names
from vljepa.data.corpora.media import SIDE, jpeg_from_picture, trimmed
from vljepa.data.corpora.openclipart import UnusableDrawing, cut_out, read_drawings
from vljepa.data.corpora.scene_words import Scene, SceneWords
from vljepa.data.corpora.shapes import relation_of, scattered, side_by_side
from vljepa.data.corpora.wordings import with_article
from vljepa.data.corpora.wordnet import nouns
from vljepa.data.package_list import EMOJIBASE, FLUENT_3D, OPENCLIPART_PNG, OPENCLIPART_SVG, WORDNET
from vljepa.types import Sample, Split

A_PART = 3_000
# Animals, food, places, activities, objects: things that stand beside others, not faces, people and signs.
_EMOJI_GROUPS = (3, 4, 5, 6, 7)
_MOST_WORDS = 2


@dataclass(frozen=True, kw_only=True)
class CutOuts:
    """Pictures with a transparent ground by what they show, things of the splits apart."""

    style: str
    by_name: dict[str, list[Image.Image]] = field(default_factory=dict)

    def add(self, name: str, picture: Image.Image) -> None:
        """One more picture of a thing; names of several things at once, or of no countable one, are left out."""
        if with_article(name) == name or len(name.split()) > _MOST_WORDS:
            return
        self.by_name.setdefault(name, []).append(picture)

    def names(self, split: Split) -> list[str]:
        """Names of one split, in order."""
        return sorted(name for name in self.by_name if split_of(name) == split)


class Scenes:
    """Six thousand pictures: one part of emoji, one of clip-art."""

    name = "scenes"
    licence = "MIT"
    about = "clip-art and emoji composed into scenes with sides and counts"
    packages = (FLUENT_3D, EMOJIBASE, OPENCLIPART_SVG, OPENCLIPART_PNG, WORDNET)
    folders: tuple[str, ...] = ()

    def __init__(self, *, a_part: int = A_PART) -> None:
        """A source with nothing left out yet; `a_part`: scenes of a part."""
        self.a_part = a_part
        self.skipped: Counter[str] = Counter()

    def parts(self) -> int:
        """One part for each kind of pictures."""
        return 2

    def samples(self, part: int, files: Mapping[str, Path]) -> Iterator[Sample]:
        """The scenes of one part, each made from its number and the packages alone."""
        self.skipped = Counter()
        read: Callable[[Mapping[str, Path]], CutOuts] = (emoji_cut_outs, clip_art_cut_outs)[part]
        cut_outs = read(files)
        names: dict[Split, list[str]] = {split: cut_outs.names(split) for split in ("train", "validation", "test")}
        for number in range(self.a_part):
            sample = _sample(cut_outs, names, number)
            if sample is None:
                self.skipped["too few things in the split"] += 1
            else:
                yield sample


def emoji_cut_outs(files: Mapping[str, Path]) -> CutOuts:
    """Three-dimensional emoji of things."""
    found = CutOuts(style="emoji")
    known = read_names(files[EMOJIBASE.name])
    for path, content in sorted(read_tgz(files[FLUENT_3D.name], "*.webp")):
        emoji = known.pop(file_name(path), None)
        if emoji and emoji.group in _EMOJI_GROUPS and not emoji.tone:
            with Image.open(io.BytesIO(content)) as picture:
                found.add(emoji.concept, trimmed(picture.convert("RGBA"), margin=0.0))
    return found


def clip_art_cut_outs(files: Mapping[str, Path]) -> CutOuts:
    """Drawings whose sheet is transparent."""
    found = CutOuts(style="drawing")
    drawings, _ = read_drawings(files[OPENCLIPART_SVG.name], nouns(files[WORDNET.name]))
    concepts = {drawing.path: drawing.concept for drawing in drawings}
    for path, content in read_deb(files[OPENCLIPART_PNG.name], "usr/share/openclipart/png/*.png"):
        concept = concepts.get(path.partition("/png/")[2].removesuffix(".png"))
        if concept is None:
            continue
        try:
            picture = cut_out(content)
        except UnusableDrawing:
            continue  # counted by the source that shows it alone
        if picture.getchannel("A").getextrema()[0] == 0:
            found.add(concept, picture)
    return found


def _sample(cut_outs: CutOuts, names: Mapping[Split, Sequence[str]], number: int) -> Sample | None:
    concept = f"{cut_outs.style} scene {number}"
    split = split_of(concept)
    random = np.random.default_rng([23, len(cut_outs.style), number])
    scene = _arranged(names[split], random)
    if scene is None:
        return None
    words = SceneWords(scene, random)
    return Sample(
        key=f"scenes-{cut_outs.style}-{number:05d}",
        media=jpeg_from_picture(_composed(scene.things, cut_outs, random)),
        extension="jpg",
        captions=words.captions(),
        negatives=words.negatives(),
        questions=words.questions(),
        source="scenes",
        licence="MIT" if cut_outs.style == "emoji" else "public domain",
        concept=concept,
        split=split,
        credit="Fluent Emoji, Microsoft" if cut_outs.style == "emoji" else "Open Clip Art Library",
        crops=0,
    )


def _arranged(names: Sequence[str], random: np.random.Generator) -> Scene | None:
    """Two things side by side, several of one beside another one, or three and four different ones."""
    draw = random.random()
    count = 2 if draw < 0.75 else int(random.integers(3, 5))
    chosen = _unlike([names[place] for place in random.permutation(len(names))], count)
    others = tuple(name for name in names if not any(_alike(name, own) for own in chosen))
    if len(chosen) < count or len(others) < 5:
        return None
    kinds = [(name, "") for name in chosen]
    if draw < 0.5:
        first, second = side_by_side(kinds, random)
        return Scene(things=(first, second), relation=relation_of(first, second), names=others)
    if draw < 0.75:
        kinds = [kinds[0]] * int(random.integers(2, 5)) + kinds[1:] * int(random.integers(0, 2))
    return Scene(things=scattered(kinds, random), names=others)


def _unlike(names: Sequence[str], count: int) -> list[str]:
    """The first names of which none shares a word with another."""
    chosen: list[str] = []
    for name in names:
        if len(chosen) < count and not any(_alike(name, own) for own in chosen):
            chosen.append(name)
    return chosen


def _alike(one: str, other: str) -> bool:
    return not set(one.split()).isdisjoint(other.split())


def _composed(things: Sequence[Placed], cut_outs: CutOuts, random: np.random.Generator) -> Image.Image:
    """The things on a ground, things of one name from one picture or from several, now and then mirrored."""
    canvas = ground((), random, unseen=False).resize((SIDE, SIDE), Image.Resampling.BOX)
    one_picture = bool(random.random() < 0.5)
    chosen: dict[str, Image.Image] = {}
    for thing in things:
        pictures = cut_outs.by_name[thing.noun]
        picture = pictures[int(random.integers(len(pictures)))]
        picture = chosen.setdefault(thing.noun, picture) if one_picture else picture
        scale = thing.size * SIDE / max(picture.size)
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        picture = picture.resize(size, Image.Resampling.LANCZOS)
        if random.random() < 0.3:
            picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        place = (round(thing.x * SIDE - size[0] / 2), round(thing.y * SIDE - size[1] / 2))
        canvas.paste(picture, place, picture)
    return canvas
