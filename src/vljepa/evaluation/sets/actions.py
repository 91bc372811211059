"""What is done in a clip: Something-Something v2, EPIC-KITCHENS-100, EgoExo4D's keysteps, Kinetics-400, folders."""

import difflib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from vljepa.evaluation.sets.files import read_object, read_records, read_table
from vljepa.evaluation.sets.item import Count, Data, Facet, Item, SetError
from vljepa.evaluation.sets.label_lists import LABEL_LISTS, read_labels
from vljepa.evaluation.sets.protocol import ClassificationProtocol
from vljepa.evaluation.sets.record import Record, by_key


@dataclass(frozen=True, kw_only=True)
class Ssv2(ClassificationProtocol):
    """Something-Something v2: 174 templates with their brackets taken off."""

    media: str = "20bn-something-something-v2"


def read_ssv2(root: Path, settings: Ssv2) -> Data:
    """`labels.json` (text to number) and `validation.json` (id, label, template, placeholders)."""
    labels = {name: name for name in read_object(root / "labels.json").values}
    items = []
    for row in read_records(root / "validation.json"):
        label = row.text("template").replace("[", "").replace("]", "")
        if label not in labels:
            near = difflib.get_close_matches(label, labels, n=1)
            raise SetError(
                f"{row.where}: the template without its brackets, {label!r}, is no key of labels.json"
                + (f"; the nearest is {near[0]!r}" if near else "")
            )
        items.append(Item(id=row.text("id"), media=(row.text("id"),), label=label))
    return Data(
        items=tuple(items), labels=labels, expected={"items": Count(number=24_777), "labels": Count(number=174)}
    )


@dataclass(frozen=True, kw_only=True)
class Epic(ClassificationProtocol):
    """EPIC-KITCHENS-100.

    `actions`: which pairs of verb and noun an action may be: those of training and validation (EPIC's own evaluation),
    those of validation, or all. The paper does not say.
    """

    actions: Literal["seen", "validation", "all"] = "seen"


EPIC_COLUMNS = ("narration_id", "participant_id", "video_id", "start_timestamp", "stop_timestamp", "verb_class")


def read_epic(root: Path, settings: Epic) -> Data:
    """The validation segments, with actions, verbs and nouns to choose among."""
    rows = read_epic_rows(root / "EPIC_100_validation.csv")
    items = [
        Item(
            id=row.text("narration_id"),
            media=(epic_video(row),),
            start=row.seconds("start_timestamp"),
            end=row.seconds("stop_timestamp"),
            label=action_of(row),
        )
        for row in rows
    ]
    data = epic_data(root, settings, items=items, rows=rows)
    return replace(data, expected={**data.expected, "items": Count(number=9_668, sure=False)})


def read_epic_rows(path: Path) -> list[Record]:
    """Rows of one of EPIC's annotation files."""
    return read_table(path, columns=[*EPIC_COLUMNS, "noun_class"])


def epic_video(row: Record) -> str:
    """Where a row's video lies."""
    return f"{row.text('participant_id')}/{row.text('video_id')}"


def action_of(row: Record) -> str:
    """The key of a row's action."""
    return f"{row.whole('verb_class')},{row.whole('noun_class')}"


def epic_data(root: Path, settings: Epic, *, items: Sequence[Item], rows: Sequence[Record]) -> Data:
    """Items with the texts of their actions; `rows` are theirs, in order."""
    verbs, nouns = (_epic_classes(root / f"EPIC_100_{kind}_classes.csv") for kind in ("verb", "noun"))
    seen = read_epic_rows(root / "EPIC_100_validation.csv")
    if settings.actions == "seen":
        seen += read_epic_rows(root / "EPIC_100_train.csv")
    for row in seen:
        for classes, name in ((verbs, "verb_class"), (nouns, "noun_class")):
            if str(row.whole(name)) not in classes:
                raise SetError(
                    f"{row.where}: there is no {name} {row.whole(name)} among the {len(classes)} of its list: fetch "
                    "both files again"
                )
    keys = {(row.whole("verb_class"), row.whole("noun_class")) for row in seen}
    if settings.actions == "all":
        keys = {(int(verb), int(noun)) for verb in verbs for noun in nouns}
    return Data(
        items=tuple(items),
        labels={f"{verb},{noun}": f"{verbs[str(verb)]} {nouns[str(noun)]}" for verb, noun in sorted(keys)},
        facets={
            "verb": Facet(labels=verbs, right=tuple(str(row.whole("verb_class")) for row in rows)),
            "noun": Facet(labels=nouns, right=tuple(str(row.whole("noun_class")) for row in rows)),
        },
        expected={
            "verb labels": Count(number=97),
            "noun labels": Count(number=300),
            "labels": {
                "seen": Count(number=3_806, sure=False),
                "validation": Count(number=1_352),
                "all": Count(number=97 * 300),
            }[settings.actions],
        },
    )


def _epic_classes(path: Path) -> dict[str, str]:
    """Number to name, as people would say it: `board:chopping` is a chopping board, `turn-on` is turn on."""
    rows = read_table(path, columns=("id", "key"))
    return {
        number: " ".join(reversed(name.split(":"))).replace("-", " ")
        for number, name in by_key(rows, "id", "key").items()
    }


@dataclass(frozen=True, kw_only=True)
class Keysteps(ClassificationProtocol):
    """EgoExo4D's keystep clips; the benchmark shows the camera on the head alone at test."""

    media: str = "clips_448p"


def read_keysteps(root: Path, settings: Keysteps) -> Data:
    """`keystep_segment_val.json` and `label_mapping.csv`; names may hold commas and brackets, so both are parsed."""
    labels = by_key(
        read_table(root / "label_mapping.csv", columns=("label_id", "step_name")), key="label_id", text="step_name"
    )
    items = [
        Item(id=row.text("ego_segment_name"), media=(row.text("ego_segment_name"),), label=row.text("label_id"))
        for row in read_object(root / "keystep_segment_val.json").records("segments")
    ]
    return Data(items=tuple(items), labels=labels, expected={"labels": Count(number=278)})


@dataclass(frozen=True, kw_only=True)
class Kinetics(ClassificationProtocol):
    """`names`: media are ID_000010_000020 as the usual downloaders write them, or the ID alone."""

    media: str = "val"
    names: Literal["range", "id"] = "range"


def read_kinetics(root: Path, settings: Kinetics) -> Data:
    """`val.csv` (label, youtube_id, time_start, time_end, split); lists differ by age, so their hash is told."""
    items = []
    for row in read_table(root / "val.csv", columns=("label", "youtube_id", "time_start", "time_end", "split")):
        if row.text("split").startswith(("train", "test")):
            raise SetError(f"{row.where} is of the split {row.text('split')}, expected validate: this is another list")
        video = row.text("youtube_id")
        cut = f"{video}_{row.whole('time_start'):06d}_{row.whole('time_end'):06d}"
        items.append(Item(id=cut, media=(cut if settings.names == "range" else video,), label=row.text("label")))
    labels = {item.label: item.label for item in sorted(items, key=lambda item: item.label)}
    return Data(
        items=tuple(items),
        labels=labels,
        expected={"items": Count(number=19_906, sure=False), "labels": Count(number=400)},
    )


@dataclass(frozen=True, kw_only=True)
class ClassFolders(ClassificationProtocol):
    """A folder a class, named as in one of the known label lists.

    `labels`: name of the list; its file must lie in the root under the name that it was published with.
    """

    media: str = "."
    labels: str = "ucf101"


def read_class_folders(root: Path, settings: ClassFolders) -> Data:
    """`CLASS/MEDIUM` below the folder of media, with the published list's names as texts."""
    if settings.labels not in LABEL_LISTS:
        raise SetError(f"there is no label list {settings.labels!r}: there are {', '.join(LABEL_LISTS)}")
    labels = read_labels(root, settings.labels)
    names = _files_by_folder(root / settings.media)
    items = [
        Item(id=f"{folder}/{name}", media=(f"{folder}/{name}",), label=folder)
        for folder in labels
        for name in names.get(folder, ())
    ]
    if not items:
        raise SetError(
            f"{root / settings.media} holds no folder named as one of the {len(labels)} labels of {settings.labels}, "
            f"such as {next(iter(labels))!r}"
        )
    unknown = sorted(set(names) - set(labels) - {"packages"})  # where embeddings are kept
    left_out = {f"folders that are named as no label, such as {unknown[0]!r}": len(unknown)} if unknown else {}
    return Data(items=tuple(items), labels=labels, left_out=left_out)


@dataclass(frozen=True, kw_only=True)
class ImageNet(ClassificationProtocol):
    """ImageNet's validation pictures in 1000 folders; the paper quotes its figure without prompt ensembling.

    `prompts`: "bare" asks for the names alone, "ensemble" averages the field's 80 templates.
    """

    media: str = "val"
    query: str = ""
    prompts: Literal["bare", "ensemble"] = "bare"


IMAGENET_NAMES = "en_classnames.json"
IMAGENET_TEMPLATES = "en_zeroshot_classification_templates.json"


def read_imagenet(root: Path, settings: ImageNet) -> Data:
    """`val/WNID/*.JPEG`, the folders in sorted order being classes 0 to 999, and the field's names of the classes."""
    names = read_object(root / IMAGENET_NAMES).texts("imagenet1k")
    files = _files_by_folder(root / settings.media)
    if len(files) != len(names):
        raise SetError(
            f"{root / settings.media} holds {len(files)} folders of classes, expected {len(names)}: a folder a class, "
            "as n01440764"
        )
    # Two pairs of classes share a name ("missile", "sunglasses"): as everywhere, equal texts are ties.
    labels = dict(zip(sorted(files), names, strict=True))
    items = [
        Item(id=name, media=(f"{folder}/{name}",), label=folder) for folder in sorted(files) for name in files[folder]
    ]
    return Data(
        items=tuple(items), labels=labels, expected={"items": Count(number=50_000), "labels": Count(number=1000)}
    )


def imagenet_templates(root: Path) -> tuple[str, ...]:
    """The field's 80 templates with {} for the name."""
    texts = read_object(root / IMAGENET_TEMPLATES).texts("imagenet1k")
    return tuple(text.replace("{c}", "{}") for text in texts)


def _files_by_folder(folder: Path) -> dict[str, list[str]]:
    """Names of files by the folder directly below `folder` in which they lie."""
    if not folder.is_dir():
        raise SetError(f"there is no folder {folder}: it should hold a folder for each class")
    return {
        entry.name: sorted(file.name for file in os.scandir(entry.path) if _is_shown(file))
        for entry in os.scandir(folder)
        if entry.is_dir()
    }


def _is_shown(file: os.DirEntry[str]) -> bool:
    """Whether it is a file and not one that a system leaves beside others (.DS_Store, ._NAME, Thumbs.db)."""
    return file.is_file() and not file.name.startswith(".") and file.name != "Thumbs.db"
