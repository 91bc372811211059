"""What is new, changed, renamed, copied or gone since the last time: paths in, the files that need the model out."""

import hashlib
import os
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from vljepa.index.engines.protocol import Engine
from vljepa.index.records import Failure, FileFacts, Medium, NewMedium, NewSegment
from vljepa.index.store import Store
from vljepa.library.walk import Walk, absolute, is_below

_HASHED_AHEAD = 8
_HASH_BYTES = 1 << 20


@dataclass(kw_only=True)
class Counts:
    """How many files were met, and what became of them; `segments` are those that were made now."""

    files: int = 0
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    renamed: int = 0
    copied: int = 0
    dropped: int = 0
    failed: int = 0
    others: int = 0
    segments: int = 0
    seconds: float = 0.0


@dataclass(eq=False)
class Changes:
    """One run over some paths. What needs no model is done while `to_look_at` is read; `finish` drops what is gone."""

    store: Store
    engine: Engine
    made: str
    counts: Counts = field(default_factory=Counts)
    walk: Walk = field(default_factory=Walk)
    failures: list[Failure] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._known = {medium.path: medium for medium in self.store.media()}
        self._failed = {failure.path: failure for failure in self.store.failures()}
        self._here: set[str] = set()
        self._on_its_way: dict[str, list[FileFacts]] = {}
        self._digests: dict[str, str] = {}

    def to_look_at(self, paths: Sequence[Path]) -> Iterator[FileFacts]:
        """The files that the model has to see, with the sha256 of their content, read some files ahead."""
        ahead: deque[Future[FileFacts | Failure]] = deque()
        with ThreadPoolExecutor(2, thread_name_prefix="hash") as pool:
            for path in self._changed(paths):
                ahead.append(pool.submit(hashed, path))
                if len(ahead) >= _HASHED_AHEAD:
                    yield from self._needed(ahead.popleft().result())
            while ahead:
                yield from self._needed(ahead.popleft().result())

    def _changed(self, paths: Sequence[Path]) -> Iterator[str]:
        """Files that are not as they were when they were looked at last."""
        for path in self.walk.files(paths):
            self.counts.files += 1
            self._here.add(path)
            try:
                facts = os.stat(path)
            except OSError:  # it went away while we walked, or leads nowhere; reading it tells which
                yield path
                continue
            stamp = (facts.st_size, facts.st_mtime_ns)
            known, failed = self._known.get(path), self._failed.get(path)
            if known is not None and (known.size, known.mtime_ns) == stamp and known.made == self.made:
                self.counts.unchanged += 1
            elif failed is not None and (failed.size, failed.mtime_ns) == stamp:
                self._note_failure(failed)
            else:
                yield path

    def _needed(self, file: FileFacts | Failure) -> Iterator[FileFacts]:
        """The file, unless something with the same content is there or on its way."""
        if isinstance(file, Failure):
            self.fail(file)
            return
        for medium in self.store.same_content(file.sha256, self.made):
            if medium.path == file.path or not os.path.lexists(medium.path):
                self._rename(medium, file)
                return
        if file.sha256 in self._on_its_way:
            self._on_its_way[file.sha256].append(file)
        elif not self._copy(file):
            self._on_its_way[file.sha256] = []
            self._digests[file.path] = file.sha256
            yield file

    def _rename(self, medium: Medium, file: FileFacts) -> None:
        self.store.rename(medium, path=file.path, size=file.size, mtime_ns=file.mtime_ns)
        if medium.path == file.path:
            self.counts.unchanged += 1
        else:
            self.counts.renamed += 1
            self._known.pop(medium.path, None)

    def _copy(self, file: FileFacts) -> bool:
        """Take over the segments of another file with the same content, if there is one."""
        twin = next(iter(self.store.same_content(file.sha256, self.made)), None)
        if twin is None:
            return False
        self.store.put([copied(self.store, self.engine, twin, file)], self.engine)
        self.counts.copied += 1
        return True

    def keep(self, media: Sequence[NewMedium]) -> None:
        """Store what the model has seen, and the copies that waited for it; what changed meanwhile is not kept."""
        whole = [medium for medium in media if self._still_the_same(medium.file)]
        self.store.put(whole, self.engine)
        for medium in whole:
            self.counts.segments += len(medium.segments)
            self.counts.seconds += medium.seconds
            self.counts.added += medium.file.path not in self._known
            self.counts.changed += medium.file.path in self._known
            for twin in self._on_its_way.pop(medium.file.sha256, []):
                self._copy(twin)

    def _still_the_same(self, file: FileFacts) -> bool:
        try:
            facts = os.stat(file.path)
        except OSError:
            return False
        if (facts.st_size, facts.st_mtime_ns) == (file.size, file.mtime_ns):
            return True
        # Noted with its old size, so that the next run looks at it again; and at its copies, which stay as they are.
        self._fail_alone(
            Failure(
                path=file.path,
                size=file.size,
                mtime_ns=file.mtime_ns,
                error=f"{file.path} changed while it was read: run the same command again when it is complete",
            )
        )
        return False

    def fail(self, failure: Failure) -> None:
        """Note that a file cannot be used, and its copies with it."""
        self._fail_alone(failure)
        for twin in self._on_its_way.pop(self._digests.get(failure.path, ""), []):
            error = failure.error.replace(failure.path, twin.path)
            self._fail_alone(Failure(path=twin.path, size=twin.size, mtime_ns=twin.mtime_ns, error=error))

    def _fail_alone(self, failure: Failure) -> None:
        self.store.fail(failure)
        self._note_failure(failure)
        if failure.path in self._known:  # what it once held is no longer there
            self.store.drop([self._known[failure.path].id], self.engine)

    def _note_failure(self, failure: Failure) -> None:
        self.failures.append(failure)
        self.counts.failed += 1

    def finish(self, paths: Sequence[Path]) -> None:
        """Drop what lay below the paths and is gone; what lies in folders that could not be read is kept."""
        tops, closed = list(map(absolute, paths)), self.walk.unreadable

        def is_gone(path: str) -> bool:
            below = any(is_below(path, top) for top in tops)
            return below and path not in self._here and not any(is_below(path, top) for top in closed)

        gone = [medium.id for medium in self.store.media() if is_gone(medium.path)]
        self.store.drop(gone, self.engine)
        self.store.forgive([path for path in self._failed if is_gone(path)])
        self.counts.dropped, self.counts.others = len(gone), self.walk.others


def hashed(path: str) -> FileFacts | Failure:
    """A file's size, time and sha256."""
    try:
        if os.path.exists(path) and not os.path.isfile(path):  # a pipe without a writer, a device without an end
            return _unread(path, f"{path} is a pipe or a device: put a file in its place")
        with open(path, "rb") as file:
            facts = os.fstat(file.fileno())
            digest = hashlib.sha256()
            while content := file.read(_HASH_BYTES):
                digest.update(content)
    except OSError as error:
        return _unread(path, f"{path} cannot be read ({error.strerror})")
    return FileFacts(path=path, size=facts.st_size, mtime_ns=facts.st_mtime_ns, sha256=digest.hexdigest())


def _unread(path: str, error: str) -> Failure:
    """One that is tried again the next time."""
    return Failure(path=path, size=-1, mtime_ns=time.time_ns(), error=error)


def copied(store: Store, engine: Engine, twin: Medium, file: FileFacts) -> NewMedium:
    """A medium with the segments of another one."""
    segments = []
    for row in store.segments(twin.id):
        vectors = np.asarray(engine.get(store.vectors(row.id)), np.float32)
        segments.append(
            NewSegment(
                start=row.start,
                end=row.end,
                vectors=vectors,
                caption=row.caption,
                fidelity=row.fidelity,
                thumbnail=store.thumbnail(row.id),
            )
        )
    return NewMedium(
        file=file,
        kind=twin.kind,
        seconds=twin.seconds,
        made=twin.made,
        segments=tuple(segments),
        timeline=store.timeline(twin.id),
    )
