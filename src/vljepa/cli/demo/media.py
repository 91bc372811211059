"""What the demo shows: camera clips and photographs out of registry packages, and our own stream; nothing is invented.

A package that cannot be had is said and left out; nothing else takes its place.
"""

import gzip
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from vljepa.data.archives import read_deb, zip_members
from vljepa.data.package_list import FOOLBOX, OPENCV_DOC
from vljepa.data.packages import PackageError, fetch
from vljepa.types import Event

LABELS = (
    "bull mastiff", "folding chair", "beaker", "buckeye", "strawberry", "thatched roof", "jeep", "yurt", "bottle cap",
    "drum", "loafer", "prayer rug", "cannon", "spoonbill", "goose", "dalmatian", "bald eagle", "leafhopper",
    "dung beetle", "piano", "bicycle", "umbrella", "teapot", "sailing boat", "tabby cat", "traffic light",
)  # fmt: skip
# Chosen for the page once, by hand: (number of the sample, its true label, what is asked of it, answers).
PICTURES = (
    (4, "strawberry", "what colour is it?", ("red", "green", "blue", "yellow")),
    (16, "dalmatian", "what is in the picture?", ("a dog", "a cat", "a bird", "a car")),
    (17, "bald eagle", "what is in the picture?", ("a bird", "a fish", "a dog", "a flower")),
    (6, "jeep", "what is in the picture?", ("a car", "a boat", "a house", "an animal")),
    (15, "goose", "what animal is it?", ("a bird", "a horse", "an insect", "a dog")),
    (10, "drum", "what is it used for?", ("making music", "cooking", "driving", "writing")),
    (13, "cannon", "what is in the picture?", ("a weapon", "a fruit", "a bird", "a shoe")),
    (1, "folding chair", "what is it used for?", ("sitting", "eating", "flying", "writing")),
    (19, "dung beetle", "what animal is it?", ("an insect", "a bird", "a fish", "a dog")),
)


@dataclass(frozen=True, kw_only=True)
class Footage:
    """A video to watch; `truth`: what is known to happen in it, if anything is."""

    name: str
    title: str
    credit: str
    path: Path
    truth: tuple[Event, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Photo:
    """A picture to name and to ask about."""

    name: str
    label: str
    question: str
    candidates: tuple[str, ...]
    credit: str
    path: Path


@dataclass(frozen=True, kw_only=True)
class Media:
    """All that could be had, and a sentence for all that could not."""

    footage: tuple[Footage, ...]
    photos: tuple[Photo, ...]
    missing: tuple[str, ...]


def gather_media(folder: Path, *, cache: Path, tell: Callable[[str], None]) -> Media:
    """Lay out the demo's media in `folder`, downloading packages into `cache` where they are not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    footage: list[Footage] = []
    photos: list[Photo] = []
    missing: list[str] = []
    tell("fetching real camera clips (Debian package opencv-doc, 96 MB) ...")
    try:
        footage += camera_clips(folder, cache)
    except PackageError as error:
        missing.append(f"The real camera clips are left out: {error}.")
    footage += own_streams()
    if not any(found.truth for found in footage):
        missing.append("The stream with known events is left out: this copy of vljepa does not hold it.")
    tell("fetching photographs (PyPI package foolbox, 2 MB) ...")
    try:
        photos += photographs(folder, cache)
    except PackageError as error:
        missing.append(f"The photographs are left out: {error}.")
    for sentence in missing:
        tell(sentence)
    return Media(footage=tuple(footage), photos=tuple(photos), missing=tuple(missing))


def camera_clips(folder: Path, cache: Path) -> list[Footage]:
    """Two camera clips of OpenCV's documentation; PackageError where they cannot be had."""
    credit = "OpenCV documentation (Debian package opencv-doc)"
    found = {
        "vtest": Footage(name="vtest", title="People crossing a square", credit=credit, path=folder / "vtest.avi"),
        "cup": Footage(name="cup", title="A hand and a cup", credit=credit, path=folder / "cup.mp4"),
    }
    if not all(footage.path.exists() for footage in found.values()):
        archive = fetch(OPENCV_DOC, cache)
        for name, content in read_deb(archive, "*/examples/data/vtest.avi"):
            _write(folder / Path(name).name, content)
        for _, content in read_deb(archive, "*/html/cup.mp4.gz"):
            _write(folder / "cup.mp4", gzip.decompress(content))
    return [footage for footage in found.values() if footage.path.exists()]


def own_streams() -> list[Footage]:
    """The stream that comes with the package, with the events that its makers know; none where this copy lacks it.

    `stream.json`: {"title", "credit", "events": [{"action", "start", "end"}, ...]}.
    """
    shipped = Path(str(resources.files("vljepa"))) / "shipped"
    path, facts = shipped / "stream.mp4", shipped / "stream.json"
    if not (path.is_file() and facts.is_file()):
        return []
    about = json.loads(facts.read_text(encoding="utf-8"))
    truth = tuple(
        Event(action=event["action"], start=float(event["start"]), end=float(event["end"])) for event in about["events"]
    )
    return [Footage(name="stream", title=about["title"], credit=about["credit"], path=path, truth=truth)]


def photographs(folder: Path, cache: Path) -> list[Photo]:
    """ImageNet samples that a package carries; PackageError where it cannot be had."""
    archive = fetch(FOOLBOX, cache)
    photos = []
    with zipfile.ZipFile(archive) as opened:
        for number, label, question, candidates in PICTURES:
            (member,) = zip_members(archive, f"foolbox/data/imagenet_{number:02d}_*.jpg")
            path = folder / Path(member).name
            _write(path, opened.read(member))
            photos.append(
                Photo(
                    name=path.stem,
                    label=label,
                    question=question,
                    candidates=candidates,
                    credit="ImageNet sample in foolbox 3.3.4",
                    path=path,
                )
            )
    return photos


def _write(path: Path, content: bytes) -> None:
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_bytes(content)
    temporary.replace(path)
