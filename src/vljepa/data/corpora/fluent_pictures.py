"""Three-dimensional emoji pictures (Fluent, MIT) with the names and tags of emojibase (MIT)."""

import io
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from PIL import Image

from vljepa.data.archives import read_tgz
from vljepa.data.corpora.corpus import split_of
from vljepa.data.corpora.emoji import Emoji, file_name, read_names
from vljepa.data.corpora.media import jpeg_from_picture, on_colour, pale_colour, shrunk
from vljepa.data.corpora.wordings import name_questions, picture_captions
from vljepa.data.package_list import EMOJIBASE, FLUENT_3D
from vljepa.types import Sample


class FluentPictures:
    """About 1,600 emoji, without flags and skin tones."""

    name = "fluent-pictures"
    licence = "MIT"
    about = "three-dimensional emoji with their Unicode names and tags"
    packages = (FLUENT_3D, EMOJIBASE)
    folders: tuple[str, ...] = ()

    def __init__(self) -> None:
        """A source with nothing left out yet."""
        self.skipped: Counter[str] = Counter()

    def parts(self) -> int:
        """One part: the package is small."""
        return 1

    def samples(self, part: int, files: Mapping[str, Path]) -> Iterator[Sample]:
        """All pictures in the order of their names; those left out are counted in `skipped`."""
        self.skipped = Counter()
        emoji = read_names(files[EMOJIBASE.name])
        names = sorted({one.concept for one in emoji.values()})
        for path, content in sorted(read_tgz(files[FLUENT_3D.name], "*.webp")):
            known = emoji.pop(file_name(path), None)
            if known is None:
                self.skipped["flag, no name, or the same emoji twice"] += 1
            elif known.tone:
                self.skipped["skin tone variant"] += 1
            else:
                with Image.open(io.BytesIO(content)) as picture:
                    jpeg = jpeg_from_picture(shrunk(on_colour(picture, pale_colour(content))))
                yield _sample(known, jpeg, names=names)


def _sample(emoji: Emoji, media: bytes, *, names: list[str]) -> Sample:
    return Sample(
        key=f"fluent-pictures-{emoji.file}",
        media=media,
        extension="jpg",
        captions=picture_captions(
            emoji.name, styles=("a picture of", "an emoji of"), tags=emoji.tags, detail=emoji.concept
        ),
        source="fluent-pictures",
        licence="MIT",
        concept=emoji.concept,
        split=split_of(emoji.concept),
        questions=name_questions(emoji.concept, names),
        label=emoji.name,
        credit="Fluent Emoji, Microsoft; packaged by LobeHub",
    )
