"""Nineteen published lists of class names (as mmaction2 distributes them): read, counted, and written as words."""

import re
from dataclasses import dataclass
from pathlib import Path

from vljepa.evaluation.sets.files import read_object, read_text, spaced
from vljepa.evaluation.sets.item import SetError
from vljepa.evaluation.sets.record import Record


@dataclass(frozen=True, kw_only=True)
class LabelList:
    """A list's file, how many names it holds, and how many different ones (Gym has two classes of one name)."""

    file: str
    number: int
    distinct: int | None = None


LABEL_LISTS = {
    "activitynet": LabelList(file="activitynet__label_map.txt", number=200),
    "ava": LabelList(file="ava__label_map.txt", number=60),
    "diving48": LabelList(file="diving48__label_map.txt", number=48),
    "gym99": LabelList(file="gym__label_map.txt", number=99, distinct=98),
    "gym99-skeleton": LabelList(file="skeleton__label_map_gym99.txt", number=99, distinct=98),
    "hmdb51": LabelList(file="hmdb51__label_map.txt", number=51),
    "hvu": LabelList(file="hvu__label_map.json", number=3142),
    "jester": LabelList(file="jester__label_map.txt", number=27),
    "kinetics400": LabelList(file="kinetics__label_map_k400.txt", number=400),
    "kinetics600": LabelList(file="kinetics__label_map_k600.txt", number=600),
    "kinetics700": LabelList(file="kinetics__label_map_k700.txt", number=700),
    "kinetics710": LabelList(file="kinetics710__label_map_k710.txt", number=710),
    "moments": LabelList(file="mit__label_map.txt", number=339),
    "multi-moments": LabelList(file="mmit__label_map.txt", number=313),
    "multisports": LabelList(file="multisports__label_map.txt", number=66),
    "ntu60": LabelList(file="skeleton__label_map_ntu60.txt", number=60),
    "ssv1": LabelList(file="sthv1__label_map.txt", number=174),
    "ssv2": LabelList(file="sthv2__label_map.txt", number=174),
    "ucf101": LabelList(file="ucf101__label_map.txt", number=101),
}
_NUMBERED = re.compile(r"^\d+: ")


def read_labels(root: Path, name: str) -> dict[str, str]:
    """Key (the name as it is published, with its number in front where two are alike) to words.

    Names without blanks are CamelCase or joined by underscores.
    SetError where the file holds another number of names than the published one.
    """
    known = LABEL_LISTS[name]
    path = root / known.file
    names = _tags(read_object(path)) if path.suffix == ".json" else _lines(path)
    keys = [key for key, _ in names]
    if len(keys) != known.number:
        raise SetError(f"{path} holds {len(keys)} names, expected {known.number}: fetch it again")
    if len(set(keys)) != (known.distinct or known.number):
        raise SetError(f"{path} holds {len(set(keys))} different names, expected {known.distinct or known.number}")
    return {
        key if keys.count(key) == 1 else f"{number}: {key}": text if " " in text else spaced(text)
        for number, (key, text) in enumerate(names)
    }


def _lines(path: Path) -> list[tuple[str, str]]:
    """A name a line; some lists number them ("12: stand"), which says nothing about the class."""
    names = [_NUMBERED.sub("", line.strip()) for line in read_text(path).splitlines() if line.strip()]
    return [(name, name) for name in names]


def _tags(groups: Record) -> list[tuple[str, str]]:
    """HVU's tags by kind; one name may be a tag of several kinds."""
    return [(f"{kind}/{tag}", tag) for kind in groups.values for tag in groups.texts(kind)]
