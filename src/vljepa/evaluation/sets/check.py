"""A copy of a benchmark looked at before anything is computed: files, hashes, counts, media, times past the end."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from vljepa.data.errors import MediaError
from vljepa.data.video import probe
from vljepa.evaluation.sets.item import Benchmark, Data, SetError
from vljepa.evaluation.sets.media import MediaFolder

SHOWN = 5
# Containers round their durations, and annotators theirs.
PAST_END = 1.0


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What was found: sha256 of each file, counts beside what they should be, and sentences about what is wrong.

    `problems` make the copy another one than the published; `notes` are worth knowing and may well be so.
    """

    benchmark: str
    hashes: Mapping[str, str]
    counts: Mapping[str, int]
    expected: Mapping[str, int]
    missing: tuple[str, ...]
    problems: tuple[str, ...]
    notes: tuple[str, ...]

    def lines(self) -> Iterator[str]:
        """The same for people to read."""
        for name, digest in self.hashes.items():
            yield f"{name}: sha256 {digest[:12]}"
        for name, number in self.counts.items():
            yield f"{name}: {number}" + (f" (expected {self.expected[name]})" if name in self.expected else "")
        if self.missing:
            some = ", ".join(self.missing[:SHOWN])
            yield f"media that are not there: {len(self.missing)}, such as {some}"
        yield from (f"note: {note}" for note in self.notes)
        yield from (f"problem: {problem}" for problem in self.problems)
        yield "this copy can be measured" if not self.problems else "this copy is not the published one"


def open_set(benchmark: Benchmark, root: Path, settings: Any) -> tuple[Data, dict[str, str]]:
    """The set as it was read, and the sha256 of its files.

    SetError where files are missing or are other ones than those that were published.
    """
    _check_files(benchmark, root)
    hashes = {name: _sha256(root / name) for name in benchmark.files if (root / name).is_file()}
    for name, wanted in benchmark.hashes.items():
        if hashes[name] != wanted:
            raise SetError(
                f"{root / name} has the sha256 {hashes[name][:12]}, the published file {wanted[:12]}: fetch it again "
                f"({benchmark.obtain})"
            )
    try:
        return benchmark.read(root, settings), hashes
    except SetError as error:
        files = f"{', '.join(benchmark.files)} in {root}; " if benchmark.files else ""
        raise SetError(f"{error} ({benchmark.name}: {files}{benchmark.obtain})") from error


def check_set(
    benchmark: Benchmark, root: Path, settings: Any, *, tell: Callable[[str], None] = lambda line: None
) -> Checked:
    """Everything that can be known of a copy without a model."""
    hashes: dict[str, str] = {}
    try:
        data, hashes = open_set(benchmark, root, settings)
    except SetError as error:
        return Checked(
            benchmark=benchmark.name, hashes={}, counts={}, expected={}, missing=(), problems=(str(error),), notes=()
        )
    problems, notes = _compared(data)
    notes += [f"{number} left out: {reason}" for reason, number in data.left_out.items()]
    missing: list[str] = []
    if any(item.media for item in data.items):
        folder = root / settings.media
        found, unclear = _found(data, folder)
        missing = [name for name, place in found.items() if place is None]
        if len(missing) > settings.most_failed * len(found):
            problems.append(_are_missing(missing, found, folder, most_failed=settings.most_failed))
        problems += [*unclear, *_empty(found), *_past_end(data, found, tell)]
    swapped = [
        f"{item.id} (from {item.start or 0:g} s to {item.end:g} s)"
        for item in data.items
        if item.end is not None and item.end < (item.start or 0)
    ]
    if swapped:
        # A few of them count as unreadable, as they do when the set is measured: published files may hold some.
        (problems if len(swapped) > settings.most_failed * len(data.items) else notes).append(
            f"{len(swapped)} items end before they start, among them {swapped[0]}: there is nothing to see in them"
        )
    return Checked(
        benchmark=benchmark.name,
        hashes=hashes,
        counts={name: number for name, number in data.counts().items() if number},
        expected={name: count.number for name, count in data.expected.items()},
        missing=tuple(missing),
        problems=tuple(problems),
        notes=tuple(notes),
    )


def _found(data: Data, folder: Path) -> tuple[dict[str, Path | bytes | None], list[str]]:
    """Where each medium of the set lies, and sentences about names that could mean two files."""
    media = MediaFolder(folder, blobs=data.blobs)
    found: dict[str, Path | bytes | None] = {}
    unclear = []
    for name in dict.fromkeys(name for item in data.items for name in (*item.media, *_clips(data, item.candidates))):
        try:
            found[name] = media.find(name)
        except SetError as error:
            unclear.append(str(error))
    more = f" ({len(unclear)} names could mean two files)" if len(unclear) > 1 else ""
    return found, [f"{sentence}{more}" for sentence in unclear[:1]]


def _are_missing(
    missing: Sequence[str], found: Mapping[str, Path | bytes | None], folder: Path, *, most_failed: float
) -> str:
    if not folder.is_dir():
        return (
            f"there is no folder {folder} for the {len(found)} media: put them there, or say where with --set media=..."
        )
    return (
        f"{len(missing)} of {len(found)} media are not below {folder}, more than most_failed = {most_failed:g} allows: "
        f"fetch them (such as {missing[0]}), or name another folder with --set media=..."
    )


def _empty(found: Mapping[str, Path | bytes | None]) -> Iterator[str]:
    empty = [place for place in found.values() if _is_empty(place)]
    if empty:
        yield f"{len(empty)} media are empty files (0 bytes), such as {empty[0]}: fetch them again"


def _is_empty(place: Path | bytes | None) -> TypeGuard[Path]:
    return isinstance(place, Path) and not place.stat().st_size


def _clips(data: Data, candidates: tuple[str, ...]) -> tuple[str, ...]:
    """Candidates that are media: those of items without labels that show something."""
    return () if data.labels else candidates


def _check_files(benchmark: Benchmark, root: Path) -> None:
    if not root.is_dir():
        raise SetError(f"there is no folder {root}: give the one that holds {benchmark.name} with --root")
    folders = [name for name in benchmark.files if (root / name).is_dir()]
    if folders:
        raise SetError(f"{root / folders[0]} is a folder, expected a file of that name ({benchmark.obtain})")
    gone = [name for name in benchmark.files if not (root / name).is_file() and name not in _OPTIONAL]
    if gone:
        raise SetError(
            f"{root} holds no {', '.join(gone)}: {benchmark.name} needs {', '.join(benchmark.files)} there "
            f"({benchmark.obtain})"
        )


# Read for one choice of the settings alone.
_OPTIONAL = frozenset({"EPIC_100_train.csv", "val_1.json", "videos_val.csv"})


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _compared(data: Data) -> tuple[list[str], list[str]]:
    """Counts that differ: problems where the right number is sure, notes where it was only read about."""
    problems: list[str] = []
    notes: list[str] = []
    found = data.counts()
    for name, count in data.expected.items():
        if found.get(name, 0) != count.number:
            sentence = f"{found.get(name, 0)} {name}, expected {count.number}"
            (problems if count.sure else notes).append(sentence)
    return problems, notes


def _past_end(data: Data, found: Mapping[str, Path | bytes | None], tell: Callable[[str], None]) -> Iterator[str]:
    """A sentence where annotations reach past the end of their video; each video is opened once."""
    latest = _latest(data)
    late, unreadable = [], []
    for number, (name, second) in enumerate(latest.items()):
        if number % 500 == 499:
            tell(f"{number + 1} of {len(latest)} videos looked at")
        place = found.get(name)
        if place is None or _is_empty(place):
            continue
        try:
            duration = probe(place).duration
        except MediaError as error:
            unreadable.append(str(error))
            continue
        if second > duration + PAST_END:
            late.append(f"{name} ends at {duration:.1f} s and is annotated up to {second:.1f} s")
    if unreadable:
        yield f"{len(unreadable)} videos cannot be read: {'; '.join(unreadable[:SHOWN])}"
    if late:
        yield f"{len(late)} videos are shorter than their annotations: {'; '.join(late[:SHOWN])}"


def _latest(data: Data) -> dict[str, float]:
    """The last second of each medium that an annotation speaks of."""
    latest: dict[str, float] = {}
    for item in data.items:
        second = item.end if item.end is not None else item.start
        if second is not None:
            latest[item.media[0]] = max(second, latest.get(item.media[0], 0.0))
    return latest
