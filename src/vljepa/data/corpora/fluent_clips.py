"""Animated three-dimensional emoji (Fluent, MIT) as clips of 8 frames over one loop, with their names and tags."""

import hashlib
import io
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from vljepa.data.archives import read_tgz
from vljepa.data.corpora.corpus import split_of
from vljepa.data.corpora.emoji import Emoji, file_name, read_names
from vljepa.data.corpora.media import on_colour, pale_colour
from vljepa.data.corpora.wordings import name_questions, picture_captions, with_article
from vljepa.data.encode import encode_mp4
from vljepa.data.package_list import EMOJIBASE, FLUENT_ANIM
from vljepa.types import Sample

NUM_FRAMES, FPS = 8, 4.0
_PEOPLE = 1
_TONES = {1: "light", 2: "medium-light", 3: "medium", 4: "medium-dark", 5: "dark"}
_TONES_KEPT = 2


class FluentClips:
    """About 1,500 clips of some 735 names: all without a skin tone, and two tones of each that comes in tones."""

    name = "fluent-clips"
    licence = "MIT"
    about = "animated emoji as clips of eight frames with their Unicode names and tags"
    packages = (*FLUENT_ANIM, EMOJIBASE)
    folders: tuple[str, ...] = ()

    def __init__(self) -> None:
        """A source with nothing left out yet."""
        self.skipped: Counter[str] = Counter()

    def parts(self) -> int:
        """One part for each of the four packages."""
        return len(FLUENT_ANIM)

    def samples(self, part: int, files: Mapping[str, Path]) -> Iterator[Sample]:
        """The clips of one package in the order of their names; those left out are counted in `skipped`."""
        self.skipped = Counter()
        emoji = read_names(files[EMOJIBASE.name])
        names = sorted({one.concept for one in emoji.values()})
        for path, content in sorted(read_tgz(files[FLUENT_ANIM[part].name], "*.webp")):
            known = emoji.pop(file_name(path), None)
            if known is None:
                self.skipped["flag, no name, or the same emoji twice"] += 1
            elif known.tone and known.tone not in kept_tones(known.name):
                self.skipped["further skin tone"] += 1
            elif (frames := frames_of(content)) is None:
                self.skipped["not animated"] += 1
            else:
                yield _sample(known, encode_mp4(frames, fps=FPS), names=names)


def kept_tones(name: str) -> frozenset[int]:
    """Which two of the five skin tones of a name are taken, drawn by the name's hash so that all tones occur."""
    order = sorted(_TONES, key=lambda tone: hashlib.sha256(f"{name}/{tone}".encode()).digest())
    return frozenset(order[:_TONES_KEPT])


def frames_of(content: bytes) -> UInt8[np.ndarray, "time height width 3"] | None:
    """Eight frames spread evenly over the loop on one background, or None where the picture does not move."""
    colour = pale_colour(content)
    with Image.open(io.BytesIO(content)) as picture:
        count = getattr(picture, "n_frames", 1)
        if count < 2:
            return None
        wanted = [index * count // NUM_FRAMES for index in range(NUM_FRAMES)]
        # Frames of a webp are stored as changes: going through them in order decodes each once.
        decoded = {}
        for index in sorted(set(wanted)):
            picture.seek(index)
            decoded[index] = np.asarray(on_colour(picture, colour))
        return np.stack([decoded[index] for index in wanted])


def _sample(emoji: Emoji, media: bytes, *, names: list[str]) -> Sample:
    styles = ("an animation of", "a clip of")
    query = "what is happening?" if emoji.group == _PEOPLE else "what is this?"
    tone = f"{with_article(emoji.name)} with {_TONES[emoji.tone]} skin" if emoji.tone else emoji.concept
    return Sample(
        key=f"fluent-clips-{emoji.file}",
        media=media,
        extension="mp4",
        captions=picture_captions(emoji.name, styles=styles, tags=emoji.tags, detail=tone),
        source="fluent-clips",
        licence="MIT",
        concept=emoji.concept,
        split=split_of(emoji.concept),
        questions=name_questions(emoji.concept, names, query=query),
        label=emoji.name,
        credit="Fluent Emoji, Microsoft; packaged by LobeHub",
    )
