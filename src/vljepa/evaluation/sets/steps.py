"""Steps and tasks of instructional videos: COIN and CrossTask, recognition and what comes next."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

from vljepa.evaluation.sets.files import read_columns, read_object, read_text, spaced
from vljepa.evaluation.sets.item import Count, Data, Item, SetError
from vljepa.evaluation.sets.protocol import ClassificationProtocol
from vljepa.evaluation.sets.record import Record

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


@dataclass(frozen=True, kw_only=True)
class _Step:
    key: str
    label: str
    start: float
    end: float


@dataclass(frozen=True, kw_only=True)
class _Video:
    task: str
    testing: bool
    start: float
    end: float
    steps: tuple[_Step, ...]


def _coin(root: Path) -> dict[str, _Video]:
    """All videos by id, their steps in time."""
    database = read_object(root / "COIN.json").record("database")
    return {name: _coin_video(video) for name, video in database.members("video")}


def _coin_video(video: Record) -> _Video:
    return _Video(
        task=video.text("class"),
        testing=video.text("subset") == "testing",
        start=video.number("start"),
        end=video.number("end"),
        steps=tuple(sorted(map(_coin_step, video.records("annotation")), key=lambda step: (step.start, step.end))),
    )


def _coin_step(step: Record) -> _Step:
    start, end = step.span("segment")
    return _Step(key=str(step.whole("id")), label=step.text("label"), start=start, end=end)


def _testing(videos: Mapping[str, _Video]) -> dict[str, _Video]:
    return {name: video for name, video in videos.items() if video.testing}


def _coin_labels(videos: Mapping[str, _Video], classes: Classes) -> tuple[dict[str, str], dict[str, Count]]:
    """Key to text of every step of the whole set, and how many there must be."""
    steps = {step.key: step.label for video in videos.values() for step in video.steps}
    steps = dict(sorted(steps.items(), key=lambda step: int(step[0])))
    if classes == "id":
        return steps, {"labels": Count(number=778), "label texts": Count(number=749)}
    return {text: text for text in steps.values()}, {"labels": Count(number=749)}


def _step_key(step: _Step, classes: Classes) -> str:
    return step.key if classes == "id" else step.label


def read_coin_steps(root: Path, settings: CoinSteps) -> Data:
    """Every annotated segment of the testing videos."""
    videos = _coin(root)
    labels, expected = _coin_labels(videos, settings.classes)
    items = [
        Item(
            id=f"{name}:{number}",
            media=(name,),
            start=step.start,
            end=step.end,
            label=_step_key(step, settings.classes),
        )
        for name, video in _testing(videos).items()
        for number, step in enumerate(video.steps)
    ]
    return Data(items=tuple(items), labels=labels, expected=expected)


def read_coin_tasks(root: Path, settings: CoinTasks) -> Data:
    """Testing videos from `start` to `end`, by task."""
    videos = _coin(root)
    labels = {name: spaced(name) for name in sorted({video.task for video in videos.values()})}
    items = [
        Item(
            id=name,
            media=(name,),
            start=video.start,
            end=video.end,
            label=video.task,
        )
        for name, video in _testing(videos).items()
    ]
    expected = {"labels": Count(number=180), "items": Count(number=2_797, sure=False)}
    return Data(items=tuple(items), labels=labels, expected=expected)


def read_coin_next(root: Path, settings: CoinNext) -> Data:
    """Pairs of neighbouring steps of the testing videos: the first is seen, the second is the answer."""
    videos = _coin(root)
    labels, expected = _coin_labels(videos, settings.classes)
    items = []
    for name, video in _testing(videos).items():
        for number, (step, after) in enumerate(pairwise(video.steps)):
            start = step.start if settings.shown == "step" else max(0.0, step.end - settings.history)
            items.append(
                Item(
                    id=f"{name}:{number}",
                    media=(name,),
                    start=start,
                    end=step.end,
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
        if str(len(steps)) != lines[3]:
            raise SetError(
                f"{path}: task {lines[0]} ({lines[1]}) says {lines[3]} steps and lists {len(steps)}: a step's name "
                "has a comma in it, and the published list has none"
            )
        if lines[0] in tasks:
            raise SetError(f"{path}: task {lines[0]} stands there twice: take the file as it was published")
        tasks[lines[0]] = _Task(number=lines[0], title=lines[1], steps=steps)
    return tasks


@dataclass(frozen=True, kw_only=True)
class _Listed:
    """A video of an annotated task, with its file of annotations."""

    task: str
    video: str
    path: Path


def _crosstask(root: Path, settings: CrossTask) -> tuple[dict[str, _Task], list[_Listed], dict[str, int]]:
    """The annotated tasks, their videos of the split that are annotated, and how many are not."""
    tasks = _tasks(root / "tasks_primary.txt")
    list_of = root / ("videos_val.csv" if settings.videos == "validation" else "videos.csv")
    listed = []
    for row in read_columns(list_of, columns=("task", "vid", "url")):
        task, video = row.text("task"), row.text("vid")
        if task in tasks:
            listed.append(_Listed(task=task, video=video, path=root / "annotations" / f"{task}_{video}.csv"))
    found = [one for one in listed if one.path.is_file()]
    if listed and not found:
        raise SetError(
            f"there is no {listed[0].path}, nor a file for any other of the {len(listed)} videos of {list_of.name}: "
            "the annotations are files TASK_VIDEO.csv in that folder"
        )
    bare = len(listed) - len(found)
    return tasks, found, {"videos without a file in annotations": bare} if bare else {}


def read_crosstask_steps(root: Path, settings: CrossTask) -> Data:
    """Each annotated step, a line `step,start,end` of its video's file; steps are numbered from 1."""
    tasks, videos, left_out = _crosstask(root, settings)
    items = []
    for one in videos:
        task = tasks[one.task]
        for line, row in enumerate(read_columns(one.path, columns=("step", "start", "end"))):
            number = row.whole("step")
            if not 1 <= number <= len(task.steps):
                raise SetError(f"{row.where}: there is no step {number}: task {one.task} has {len(task.steps)}")
            items.append(
                Item(
                    id=f"{one.task}_{one.video}:{line}",
                    media=(one.video,),
                    start=row.seconds("start"),
                    end=row.seconds("end"),
                    label=_crosstask_key(task, number - 1, settings.classes),
                )
            )
    labels = {
        _crosstask_key(task, place, settings.classes): step
        for task in tasks.values()
        for place, step in enumerate(task.steps)
    }
    number_of_steps = 105 if settings.classes == "text" else 133
    expected = {"labels": Count(number=number_of_steps, sure=False)}
    return Data(items=tuple(items), labels=labels, expected=expected, left_out=left_out)


def _crosstask_key(task: _Task, place: int, classes: Classes) -> str:
    return task.steps[place] if classes == "text" else f"{task.number}:{place + 1}"


def read_crosstask_tasks(root: Path, settings: CrossTaskTasks) -> Data:
    """Whole videos; the labels are the titles of the annotated tasks, or of all."""
    tasks, videos, left_out = _crosstask(root, settings)
    labels = {number: task.title for number, task in tasks.items()}
    if settings.tasks == "all":
        labels |= {number: task.title for number, task in _tasks(root / "tasks_related.txt").items()}
    items = [Item(id=f"{one.task}_{one.video}", media=(one.video,), label=one.task) for one in videos]
    return Data(items=tuple(items), labels=labels, expected=_task_count(settings.tasks), left_out=left_out)


def _task_count(tasks: str) -> dict[str, Count]:
    return {"labels": Count(number=18) if tasks == "primary" else Count(number=83, sure=False)}
