"""EgoExo4D's atomic action descriptions: a folder as its downloader leaves it -> takes with timed sentences.

Read are `takes.json`, `annotations/atomic_descriptions_val.json` and, of each take, the video of the camera on the head
(`takes/NAME/frame_aligned_videos/...`, the copy of 448 pixels where it is there).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vljepa.evaluation.sets.files import read_object, read_records
from vljepa.evaluation.sets.item import SetError
from vljepa.evaluation.sets.record import Record

DESCRIPTIONS = Path("annotations") / "atomic_descriptions_val.json"
TAKES = Path("takes.json")
# The paper's streams are of procedural tasks; the tasks' and the takes' names say which those are.
PROCEDURAL = ("cooking", "bike", "health", "cpr", "covid")
_ANYBODY = re.compile(r"\bC\b")


@dataclass(frozen=True, kw_only=True)
class Description:
    """A sentence about one second of a take."""

    time: float
    text: str


@dataclass(frozen=True, kw_only=True)
class Take:
    """A recording with the sentences of one annotator, in time order."""

    name: str
    video: Path
    descriptions: tuple[Description, ...]


def is_ego_exo(root: Path) -> bool:
    """Whether a folder holds EgoExo4D's descriptions."""
    return (root / DESCRIPTIONS).is_file()


def read_takes(root: Path, *, procedural: bool = True) -> tuple[list[Take], int]:
    """Takes with their descriptions and video, by name; the second value counts those whose video is not there.

    Of several annotators counts the one who wrote most. Left out are rejected annotations, what the annotator was
    unsure of, and what the camera on the head does not see. `procedural`: only takes whose name or task is procedural.
    SetError where a file is missing or not as EgoExo4D writes it, and where no take has a video.
    """
    annotated = read_object(root / DESCRIPTIONS).record("annotations")
    takes, missing = [], 0
    for facts in sorted(read_records(root / TAKES), key=lambda facts: facts.text("take_name")):
        if facts.text("take_uid") not in annotated.values or (procedural and not _is_procedural(facts)):
            continue
        descriptions = _descriptions(annotated.records(facts.text("take_uid")))
        video = _video(root, facts)
        missing += video is None
        if video is not None and descriptions:
            takes.append(Take(name=facts.text("take_name"), video=video, descriptions=descriptions))
    if missing and not takes:
        raise SetError(
            f"{missing} takes are described and none has a video: expected are such as "
            f"{root}/takes/NAME/frame_aligned_videos/downscaled/448/aria01_214-1.mp4; fetch them (egoexo --parts "
            "downscaled_takes/448)"
        )
    return takes, missing


def _is_procedural(facts: Record) -> bool:
    told = " ".join(str(facts.values.get(name, "")) for name in ("parent_task_name", "task_name", "take_name")).lower()
    return any(task in told for task in PROCEDURAL)


def _descriptions(annotations: list[Record]) -> tuple[Description, ...]:
    """The longest list of sentences that are seen from the head."""
    usable = [list(_seen(one.records("descriptions"))) for one in annotations if not one.values.get("rejected")]
    usable.sort(key=len)
    return tuple(sorted(usable[-1], key=lambda description: description.time)) if usable else ()


def _seen(descriptions: list[Record]) -> Iterator[Description]:
    """Flags are true, 1 or "1"; the letter C, which stands for whoever wears the camera, becomes a person."""
    for one in descriptions:
        flags = one.values
        if _flag(flags.get("unsure")) or not _flag(flags.get("ego_visible", True)):
            continue
        if not str(flags.get("text") or "").strip():
            continue
        yield Description(time=one.number("timestamp"), text=_ANYBODY.sub("a person", one.text("text")))


def _flag(value: object) -> bool:
    return str(value).lower() in ("1", "true")


def _video(root: Path, facts: Record) -> Path | None:
    """The colour video of the camera on the head, small where there is a small copy; None where it was not fetched."""
    if not facts.values.get("frame_aligned_videos"):
        return None
    cameras = facts.record("frame_aligned_videos")
    for name in cameras.values:
        if name.lower().startswith("aria") and "rgb" in (streams := cameras.record(name)).values:
            told = Path(streams.record("rgb").text("relative_path"))
            folder = root / str(facts.values.get("root_dir") or f"takes/{facts.text('take_name')}")
            small = folder / told.parent / "downscaled" / "448" / told.name
            return next((path for path in (small, folder / told) if path.is_file()), None)
    return None
