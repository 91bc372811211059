"""Steps and tasks of instructional videos: COIN and CrossTask, recognition and what comes next."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from vljepa.evaluation.sets.files import field_of, read_columns, read_json, read_text, spaced
from vljepa.evaluation.sets.item import Count, Data, Item, SetError
from vljepa.evaluation.sets.protocol import ClassificationProtocol

Classes = Literal["text", "id"]


@dataclass(frozen=True, kw_only=True)
class CoinSteps(ClassificationProtocol):
    """`classes`: the 778 step ids have 749 different texts; "text" scores the texts, "id" counts equal ones as ties."""

    classes: Classes = "text"


@dataclass(frozen=True, kw_only=True)
class CoinTasks(ClassificationProtocol):
    """180 tasks, whose CamelCase names are written as words."""

    query: str = "What is the overall activity in the video?"


@dataclass(frozen=True, kw_only=True)
class CoinNext(CoinSteps):
    """`shown`: the step before alone (VideoLLM-online, with which the paper compares), or `history` seconds that end
    with it (ProcedureVRL: 68)."""

    query: str = "What is the next step?"
    shown: Literal["step", "history"] = "step"
    history: float = 68.0


Video = Mapping[str, Any]


def _coin(root: Path) -> tuple[dict[str, Video], Path]:
    """All videos by id."""
    path = root / "COIN.json"
    database = field_of(read_json(path), "database", path)
    for name, video in database.items():
        for field in ("class", "subset", "start", "end", "annotation"):
            if field not in video:
                raise SetError(f"{path}: video {name} has no {field!r}; it has {', '.join(video)}")
    return dict(database), path


def _testing(videos: Mapping[str, Video]) -> dict[str, Video]:
    return {name: video for name, video in videos.items() if video["subset"] == "testing"}


def _coin_labels(videos: Mapping[str, Video], classes: Classes) -> tuple[dict[str, str], dict[str, Count]]:
    """Key to text of every step of the whole set, and how many there must be."""
    steps = {str(step["id"]): str(step["label"]).strip() for video in videos.values() for step in video["annotation"]}
    steps = dict(sorted(steps.items(), key=lambda step: int(step[0])))
    if classes == "id":
        return steps, {"labels": Count(number=778), "label texts": Count(number=749)}
    return {text: text for text in steps.values()}, {"labels": Count(number=749)}


def _step_key(step: Mapping[str, Any], classes: Classes) -> str:
    return str(step["id"]) if classes == "id" else str(step["label"]).strip()


def _in_time(video: Video) -> list[Mapping[str, Any]]:
    return sorted(video["annotation"], key=lambda step: tuple(map(float, step["segment"])))


def read_coin_steps(root: Path, settings: CoinSteps) -> Data:
    """Every annotated segment of the testing videos."""
    videos, _ = _coin(root)
    labels, expected = _coin_labels(videos, settings.classes)
    items = [
        Item(
            id=f"{name}:{number}",
            media=(name,),
            start=float(step["segment"][0]),
            end=float(step["segment"][1]),
            label=_step_key(step, settings.classes),
        )
        for name, video in _testing(videos).items()
        for number, step in enumerate(_in_time(video))
    ]
    return Data(items=tuple(items), labels=labels, expected=expected)


def read_coin_tasks(root: Path, settings: CoinTasks) -> Data:
    """Testing videos from `start` to `end`, by task."""
    videos, _ = _coin(root)
    labels = {name: spaced(name) for name in sorted({str(video["class"]) for video in videos.values()})}
    items = [
        Item(
            id=name,
            media=(name,),
            start=float(video["start"]),
            end=float(video["end"]),
            label=str(video["class"]),
        )
        for name, video in _testing(videos).items()
    ]
    expected = {"labels": Count(number=180), "items": Count(number=2_797, sure=False)}
    return Data(items=tuple(items), labels=labels, expected=expected)


def read_coin_next(root: Path, settings: CoinNext) -> Data:
    """Pairs of neighbouring steps of the testing videos: the first is seen, the second is the answer."""
    videos, _ = _coin(root)
    labels, expected = _coin_labels(videos, settings.classes)
    items = []
    for name, video in _testing(videos).items():
        for number, (step, after) in enumerate(pairwise(_in_time(video))):
            start, end = map(float, step["segment"])
            if settings.shown == "history":
                start = max(0.0, end - settings.history)
            items.append(
                Item(
                    id=f"{name}:{number}",
                    media=(name,),
                    start=start,
                    end=end,
                    label=_step_key(after, settings.classes),
                )
            )
    return Data(items=tuple(items), labels=labels, expected=expected)


@dataclass(frozen=True, kw_only=True)
class CrossTask(ClassificationProtocol):
    """CrossTask has no standard split for recognition.

    `videos`: those of `videos_val.csv`, or all annotated ones. `tasks`: the 18 annotated tasks to choose among, or all
    83. `classes`: step names that occur in several tasks are one class ("text") or one each ("id").
    """

    videos: Literal["validation", "all"] = "validation"
    tasks: Literal["primary", "all"] = "primary"
    classes: Classes = "text"


@dataclass(frozen=True, kw_only=True)
class CrossTaskTasks(CrossTask):
    """Whole videos by task."""

    query: str = "What is the overall activity in the video?"


@dataclass(frozen=True, kw_only=True)
class _Task:
    number: str
    title: str
    steps: tuple[str, ...]


def _tasks(path: Path) -> dict[str, _Task]:
    """Blocks of number, title, address, number of steps, steps with commas between them, and an empty line."""
    tasks = {}
    for block in read_text(path).replace("\r\n", "\n").strip().split("\n\n"):
        lines = [line.strip() for line in block.strip().split("\n")]
        if len(lines) != 5:
            raise SetError(
                f"{path}: the block of task {lines[0]!r} has {len(lines)} lines, expected 5 and an empty one"
            )
        steps = tuple(step.strip() for step in lines[4].split(","))
        if len(steps) != int(lines[3]):
            raise SetError(
                f"{path}: task {lines[0]} ({lines[1]}) says {lines[3]} steps and lists {len(steps)}: a step's name "
                "has a comma in it, and the published list has none"
            )
        tasks[lines[0]] = _Task(number=lines[0], title=lines[1], steps=steps)
    return tasks


def _crosstask(root: Path, settings: CrossTask) -> tuple[dict[str, _Task], list[tuple[str, str, Path]]]:
    """The annotated tasks, and task, video and annotation file of each video of the split."""
    tasks = _tasks(root / "tasks_primary.txt")
    list_of = root / ("videos_val.csv" if settings.videos == "validation" else "videos.csv")
    found = []
    for task, video, _ in read_columns(list_of, columns=("task", "vid", "url")):
        path = root / "annotations" / f"{task}_{video}.csv"
        if task in tasks and path.is_file():
            found.append((task, video, path))
    return tasks, found


def read_crosstask_steps(root: Path, settings: CrossTask) -> Data:
    """Each annotated step, a line `step,start,end` of its video's file; steps are numbered from 1."""
    tasks, videos = _crosstask(root, settings)
    items = []
    for task, video, path in videos:
        for line, (number, start, end) in enumerate(read_columns(path, columns=("step", "start", "end"))):
            steps = tasks[task].steps
            if not 1 <= int(number) <= len(steps):
                raise SetError(f"{path}, line {line + 1}: there is no step {number}: task {task} has {len(steps)}")
            items.append(
                Item(
                    id=f"{task}_{video}:{line}",
                    media=(video,),
                    start=float(start),
                    end=float(end),
                    label=_crosstask_key(tasks[task], int(number) - 1, settings.classes),
                )
            )
    labels = {
        _crosstask_key(task, place, settings.classes): step
        for task in tasks.values()
        for place, step in enumerate(task.steps)
    }
    number_of_steps = 105 if settings.classes == "text" else 133
    return Data(items=tuple(items), labels=labels, expected={"labels": Count(number=number_of_steps, sure=False)})


def _crosstask_key(task: _Task, place: int, classes: Classes) -> str:
    return task.steps[place] if classes == "text" else f"{task.number}:{place + 1}"


def read_crosstask_tasks(root: Path, settings: CrossTaskTasks) -> Data:
    """Whole videos; the labels are the titles of the annotated tasks, or of all."""
    tasks, videos = _crosstask(root, settings)
    labels = {number: task.title for number, task in tasks.items()}
    if settings.tasks == "all":
        labels |= {number: task.title for number, task in _tasks(root / "tasks_related.txt").items()}
    items = [Item(id=f"{task}_{video}", media=(video,), label=task) for task, video, _ in videos]
    return Data(items=tuple(items), labels=labels, expected=_task_count(settings.tasks))


def _task_count(tasks: str) -> dict[str, Count]:
    return {"labels": Count(number=18) if tasks == "primary" else Count(number=83, sure=False)}
