"""EgoExo4D's atomic action descriptions: a folder as its downloader leaves it -> takes with timed sentences.

Read are `takes.json`, `annotations/atomic_descriptions_val.json` and, of each take, the video of the camera on the head
(`takes/NAME/frame_aligned_videos/...`, the copy of 448 pixels where it is there).
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
    ValueError where a file is missing or not as EgoExo4D writes it.
    """
    annotated = _load(root / DESCRIPTIONS).get("annotations")
    listed = _load(root / TAKES)
    if not isinstance(annotated, dict) or not isinstance(listed, list):
        raise ValueError(f"{root / DESCRIPTIONS} or {TAKES} is not as EgoExo4D writes it: download the two again")
    takes, missing = [], 0
    for facts in sorted(listed, key=lambda facts: str(facts.get("take_name"))):
        if facts.get("take_uid") not in annotated or (procedural and not _is_procedural(facts)):
            continue
        descriptions = _descriptions(annotated[facts["take_uid"]])
        video = _video(root, facts)
        missing += video is None
        if video is not None and descriptions:
            takes.append(Take(name=str(facts["take_name"]), video=video, descriptions=descriptions))
    return takes, missing


def _load(path: Path) -> Any:
    if not path.is_file():
        raise ValueError(f"{path} is missing: fetch EgoExo4D's metadata and annotations (egoexo --parts annotations)")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is no JSON ({error}): download it again") from error


def _is_procedural(facts: Mapping[str, Any]) -> bool:
    told = f"{facts.get('parent_task_name', '')} {facts.get('task_name', '')} {facts.get('take_name', '')}".lower()
    return any(task in told for task in PROCEDURAL)


def _descriptions(annotations: list[Mapping[str, Any]]) -> tuple[Description, ...]:
    """The longest list of sentences that are seen from the head."""
    usable = [list(_seen(one["descriptions"])) for one in annotations if not one.get("rejected")]
    usable.sort(key=len)
    return tuple(sorted(usable[-1], key=lambda description: description.time)) if usable else ()


def _seen(descriptions: list[Mapping[str, Any]]) -> Iterator[Description]:
    """Flags are true, 1 or "1"; the letter C, which stands for whoever wears the camera, becomes a person."""
    for one in descriptions:
        if _flag(one.get("unsure")) or not _flag(one.get("ego_visible", True)) or not str(one.get("text", "")).strip():
            continue
        yield Description(time=float(one["timestamp"]), text=_ANYBODY.sub("a person", str(one["text"]).strip()))


def _flag(value: object) -> bool:
    return str(value).lower() in ("1", "true")


def _video(root: Path, facts: Mapping[str, Any]) -> Path | None:
    """The colour video of the camera on the head, small where there is a small copy; None where it was not fetched."""
    for name, streams in (facts.get("frame_aligned_videos") or {}).items():
        if name.lower().startswith("aria") and "rgb" in streams:
            told = Path(streams["rgb"]["relative_path"])
            folder = root / str(facts.get("root_dir") or f"takes/{facts['take_name']}")
            small = folder / told.parent / "downscaled" / "448" / told.name
            return next((path for path in (small, folder / told) if path.is_file()), None)
    return None
