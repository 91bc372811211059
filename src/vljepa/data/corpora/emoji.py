"""Names of emoji from emojibase (MIT), and what two emoji must share to be the same concept."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from vljepa.data.archives import read_tgz
from vljepa.data.corpora.wordings import word_set
from vljepa.data.packages import PackageError
from vljepa.types import unique

_FLAGS, _COMPONENTS = 9, 2
_GENDER = re.compile(r"^(?:man|woman|person|men|women|people|mx|mrs\.?|deaf man|deaf woman)(?: with)? ", re.IGNORECASE)
_WHO = word_set("man woman person people")
_SIDE = re.compile(r",? facing right$")


class Emoji(NamedTuple):
    """One picture of the set: `file` is its name without ending, `tone` 0 or 1 to 5 for a skin tone."""

    file: str
    name: str
    concept: str
    tags: tuple[str, ...]
    group: int
    tone: int


def read_names(package: Path) -> dict[str, Emoji]:
    """Emoji by file name (code points joined by "-", lower case, without fe0f); flags and skin patches are left out."""
    for _, content in read_tgz(package, "package/en/data.json"):
        return {emoji.file: emoji for entry in json.loads(content) for emoji in _with_tones(entry)}
    raise PackageError(f"{package.name} holds no package/en/data.json: this is not the version that was expected")


def file_name(path: str) -> str:
    """The key of `read_names` for a path such as package/assets/1f3ca-200d-2640-fe0f.webp."""
    stem = path.rpartition("/")[2].partition(".")[0].lower()
    return "-".join(point for point in stem.split("-") if point != "fe0f")


def spoken(label: str) -> str:
    """A Unicode label as one would say it: "woman: red hair" -> "woman with red hair", times with a clock."""
    name = label.lower().replace("\u2019", "'").replace("\u201c", "").replace("\u201d", "")
    if name.endswith((" o'clock", "-thirty")):
        return f"clock at {name}"
    who, colon, what = name.replace(": facing right", " facing right").partition(": ")
    if not colon or who not in _WHO:
        return f"{who} {what}".strip() if who == "keycap" else f"{who}, {what}" if colon else who
    return f"{what} {who}" if what == "bald" else f"{who} with {what}"


def concept_of(name: str) -> str:
    """The name without who does it and which way it looks: all swimmers are one concept, never torn apart."""
    concept = _GENDER.sub("", _SIDE.sub("", name)).partition(", ")[0]
    animal = concept.removesuffix(" face")
    return animal if animal in _FACED else concept


_FACED = word_set(
    "dog cat tiger horse cow pig mouse rabbit bear panda monkey fox hamster frog dragon wolf lion unicorn "
    "koala moose sun moon wind"
)


def _with_tones(entry: dict[str, Any]) -> Iterator[Emoji]:
    group = entry.get("group", _COMPONENTS)
    if group in (_FLAGS, _COMPONENTS):
        return
    name = spoken(entry["label"])
    concept = concept_of(name)
    tags = unique([tag for tag in entry.get("tags", ()) if tag.isascii() and tag.replace(" ", "").isalpha()])
    yield Emoji(file_name(entry["hexcode"]), name, concept, tags, group, 0)
    for skin in entry.get("skins", ()):
        tone = skin["tone"]
        if isinstance(tone, int):
            yield Emoji(file_name(skin["hexcode"]), name, concept, tags, group, tone)
