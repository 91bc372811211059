"""A source of somebody else's -> our shards, a part a shard, in parallel, going on where it was interrupted.

A part is listed in `shards.json` only after its shard is whole. Content that occurs twice is kept once, and training
samples whose content is in an evaluation set are dropped or refused.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.progress import Progress

from vljepa.config import fingerprint
from vljepa.data.parallel import in_order
from vljepa.data.readers.build import SHOWN, BuildSettings, Built, build, key_of
from vljepa.data.readers.contents import SUFFIX, contents_of, hashes_of, read_contents, write_contents
from vljepa.data.readers.row import Part, ReaderError, Source
from vljepa.data.shards import LISTING, listed_whole, write_listing, write_shard
from vljepa.lock import writer_lock
from vljepa.types import Sample

Leaks = Literal["drop", "refuse"]
TWICE, LEAK = "content twice", "in an evaluation set"


@dataclass(frozen=True, kw_only=True)
class PreparedSource:
    """What a corpus folder now holds of a source: samples by split, rows left out by reason, and remarks."""

    folder: Path
    splits: Mapping[str, int]
    left: Mapping[str, int]
    notes: Sequence[str]
    built: int
    reused: int

    @property
    def total(self) -> int:
        """Samples of all splits."""
        return sum(self.splits.values())


@dataclass
class _State:
    """The folder's listing so far, all content in it, what must not be trained on, and remarks."""

    folder: Path
    settings: BuildSettings
    leaks: Leaks
    place: str
    entries: dict[str, dict[str, Any]]
    forbidden: set[str]
    seen: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)


def prepare_source(
    source: Source,
    into: Path,
    *,
    settings: BuildSettings,
    not_in: Sequence[Path] = (),
    leaks: Leaks = "drop",
    workers: int = 1,
    progress: bool = True,
) -> PreparedSource:
    """Write the shards that `into` does not hold yet; other sources in it stay.

    `not_in`: evaluation sets (corpora or folders of media) that training must not see. Raises ReaderError where nothing
    usable is found, or where `leaks` is "refuse" and there are some.
    """
    settings = replace(settings, source=source.name)
    forbidden = set[str]().union(*map(contents_of, not_in))
    into.mkdir(parents=True, exist_ok=True)
    with writer_lock(into, error=ReaderError):
        _refuse_namesake(source, into)
        state = _State(
            into, settings, leaks, _digest(source.place), listed_whole(into), forbidden, notes=list(source.notes)
        )
        names = {f"{source.name}-{number:05d}.tar": part for number, part in enumerate(source.parts)}
        marks = {name: _mark(part, settings, forbidden) for name, part in names.items()}
        _forget_changed(state, source.name, marks)
        for name in state.entries:
            state.seen.update(key_of(line[0]) for line in read_contents(into, name) or ())
        todo = [name for name in names if name not in state.entries]
        with Progress(console=Console(stderr=True), disable=not progress) as bar:
            task = bar.add_task(f"preparing {source.name}", total=len(names), completed=len(names) - len(todo))
            jobs = [names[name] for name in todo]
            for name, (_, built) in zip(
                todo, in_order(partial(build, settings=settings), jobs, workers=workers), strict=True
            ):
                _store(state, name, built, mark=marks[name])
                bar.update(task, advance=1)
        return _summary(state, source.name, built=len(todo), reused=len(names) - len(todo))


def _mark(part: Part, settings: BuildSettings, forbidden: set[str]) -> str:
    return f"{part.mark}-{fingerprint(settings)}-{sum(int(text[:8], 16) for text in forbidden):x}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _refuse_namesake(source: Source, into: Path) -> None:
    """Another source of the same name would take the place of this one's shards."""
    for entry in listed_whole(into).values():
        if entry.get("source") == source.name and entry.get("place") != _digest(source.place):
            raise ReaderError(
                f"{into} already holds a source {source.name} from another place: give this one a name (--name), or "
                "another folder to go into"
            )


def _forget_changed(state: _State, source: str, marks: Mapping[str, str]) -> None:
    """Shards of this source that would now be others, or are not wanted any more, are made anew or dropped."""
    others = [
        entry
        for name, entry in state.entries.items()
        if entry.get("source") == source and entry.get("part") != marks.get(name)
    ]
    if others:
        _remove(state, others)


def _store(state: _State, name: str, built: Built, *, mark: str) -> None:
    """Write a shard of what is new and not forbidden, then list it."""
    left, kept = Counter(built.left), list[Sample]()
    leaked: list[Sample] = []
    for sample in built.samples:
        digests = hashes_of(sample)
        if sample.split != "test" and digests & state.forbidden:
            leaked.append(sample)
        elif sample.key in state.seen:
            left[TWICE] += 1
        else:
            state.seen.add(sample.key)
            kept.append(sample)
    if leaked and state.leaks == "refuse":
        raise ReaderError(
            f"{len(leaked)} training samples of {name} are in an evaluation set, the first with the caption or label "
            f"{(leaked[0].label or ' '.join(leaked[0].captions))[:60]!r}: take them out, or let --leaks drop do it"
        )
    left[LEAK] += len(leaked)
    state.notes += built.sentences
    entry = write_shard(state.folder, name, samples=kept)
    write_contents(state.folder, name, kept)
    about = {"licence": state.settings.licence, "source": state.settings.source, "part": mark, "place": state.place}
    state.entries[name] = entry | about | {"skipped": {reason: n for reason, n in sorted(left.items()) if n}}
    write_listing(state.folder, sorted(state.entries.values(), key=lambda entry: str(entry["name"])))


def _summary(state: _State, source: str, *, built: int, reused: int) -> PreparedSource:
    mine = [entry for entry in state.entries.values() if entry.get("source") == source]
    splits, left = Counter[str](), Counter[str]()
    for entry in mine:
        splits.update(entry["splits"])
        left.update(entry.get("skipped", {}))
    notes = _first_of_each(state.notes)
    if not splits:
        _remove(state, mine)
        why = notes[-1] if notes else "the source holds no rows"
        raise ReaderError(f"nothing of {source} can be used; for example: {why}")
    return PreparedSource(folder=state.folder, splits=splits, left=left, notes=notes, built=built, reused=reused)


def _first_of_each(notes: Sequence[str]) -> list[str]:
    """Some remarks say enough."""
    most = 4 * SHOWN
    return [*notes[:most], *([f"... and {len(notes) - most} remarks more"] if len(notes) > most else [])]


def _remove(state: _State, entries: Sequence[Mapping[str, Any]]) -> None:
    """Take back what was written."""
    for entry in entries:
        name = str(entry["name"])
        del state.entries[name]
        (state.folder / name).unlink(missing_ok=True)
        (state.folder / name).with_suffix(SUFFIX).unlink(missing_ok=True)
    if state.entries:
        write_listing(state.folder, list(state.entries.values()))
    else:
        (state.folder / LISTING).unlink(missing_ok=True)
