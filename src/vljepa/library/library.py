"""A folder that knows what was seen in many videos and pictures, and finds the moment that one asks for."""

import json
import shlex
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from vljepa.config import settings_from
from vljepa.embedder import Embedder
from vljepa.index.engines.opened import DEFAULT, open_engine, settled
from vljepa.index.errors import IndexFolderError
from vljepa.index.files import told_when_full
from vljepa.index.records import Failure, FileFacts, Medium, NewMedium, SegmentRow
from vljepa.index.store import FILE_NAME, Store
from vljepa.library.changes import Changes, Counts
from vljepa.library.finding import Asked, Found, find
from vljepa.library.looking import Looked, Spent, looked_at
from vljepa.library.progress import Progress, State
from vljepa.library.settings import IndexSettings
from vljepa.library.timeline import Timeline
from vljepa.library.walk import absolute
from vljepa.lock import writer_lock

Look = Callable[[Iterator[FileFacts], IndexSettings, Spent, Callable[[], None]], Iterator[list[Looked]]]


@dataclass(frozen=True, kw_only=True)
class Indexed:
    """What became of the files, those that could not be used, and folders that could not be read."""

    counts: Counts
    failures: tuple[Failure, ...]
    unreadable: tuple[str, ...]
    state: State


class Library:
    """An open library. Close it, or use it in a `with` statement.

    Threads may search while one adds; the model works for one of them at a time.
    """

    def __init__(self, folder: Path, store: Store, embedder: Embedder | None) -> None:
        self.folder, self.embedder = folder, embedder
        self._store, self._facts = store, store.facts()
        self._engine = open_engine(
            self._facts["engine"],
            folder=folder,
            dim=int(self._facts["dim"]),
            collection=f"vljepa_{self._facts['library']}",
        )
        self._model_lock = nullcontext() if embedder is None else embedder.lock

    @classmethod
    def open(
        cls,
        folder: Path | str,
        embedder: Embedder | None = None,
        *,
        create: bool = False,
        engine: str | None = None,
    ) -> "Library":
        """Open a library, or make one with `create` where there is none; the model is needed to add and to search.

        `engine` is where a new library keeps its vectors, see `open_engine`. IndexFolderError where there is no
        library, or where it was made by another model.
        """
        folder = Path(folder)
        if not _is_made(folder):
            if not create:
                raise IndexFolderError(f"there is no index in {folder}: vljepa index PATHS --into {_quoted(folder)}")
            _create(folder, embedder, engine or DEFAULT)
        store = Store(folder)
        try:
            facts = store.facts()
            if embedder is not None:
                _check_model(folder, facts, embedder)
            if engine is not None and settled(engine) != settled(facts["engine"]):
                raise IndexFolderError(
                    f"{folder} keeps its vectors in {facts['engine']}, not in {engine}: leave --engine out, "
                    "or index into another folder"
                )
            library = cls(folder, store, embedder)
        except BaseException:
            store.close()
            raise
        try:
            if embedder is not None:
                library._check_vectors()
        except BaseException:
            library.close()
            raise
        return library

    def __enter__(self) -> "Library":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of files and connections."""
        self._engine.close()
        self._store.close()

    @property
    def model(self) -> str:
        """Name and fingerprint of the model that made it."""
        return self._facts["model"]

    @property
    def roots(self) -> list[Path]:
        """Files and folders that it was made from and that are still there."""
        roots = map(Path, json.loads(self._facts["roots"]))
        return [root for root in roots if root.exists()]

    @property
    def settings(self) -> IndexSettings:
        """How its media became segments."""
        return settings_from(IndexSettings, json.loads(self._facts["settings"]))

    def add(
        self,
        paths: Sequence[Path | str],
        *,
        settings: IndexSettings | None = None,
        progress: Progress = lambda state: None,
        look: Look | None = None,
    ) -> Indexed:
        """Bring the library up to date with some files and folders: new, changed, renamed, copied and deleted ones.

        What is as it was costs no model call. `settings`: None for those that it was made with; others make everything
        below the paths anew. `look` does the seeing elsewhere (see `distributed`). May be interrupted at any moment,
        and goes on where it was. IndexFolderError where another process is writing.
        """
        tops = [Path(path) for path in paths]
        with writer_lock(self.folder, error=IndexFolderError):
            self._store.sweep(self._engine)
            settings = self._agreed(settings, tops)
            changes, spent = Changes(self._store, self._engine, settings.made), Spent()
            state = State(changes.counts, spent)
            for done in (look or self._look)(changes.to_look_at(tops), settings, spent, lambda: progress(state)):
                changes.keep([one for one in done if isinstance(one, NewMedium)])
                for one in done:
                    if isinstance(one, Failure):
                        changes.fail(one)
                progress(state)
            changes.finish(tops)
            self._finish_engine()
        progress(state)
        return Indexed(
            counts=changes.counts,
            failures=tuple(changes.failures),
            unreadable=tuple(changes.walk.unreadable),
            state=state,
        )

    def _look(
        self, files: Iterator[FileFacts], settings: IndexSettings, spent: Spent, seen: Callable[[], None]
    ) -> Iterator[list[Looked]]:
        return looked_at(files, self._model(), settings=settings, spent=spent, lock=self._model_lock, seen=seen)

    def _agreed(self, settings: IndexSettings | None, tops: Sequence[Path]) -> IndexSettings:
        """The settings to use from now on; they and the paths are remembered."""
        settings = settings or self.settings
        roots = sorted({*json.loads(self._facts["roots"]), *map(absolute, tops)})
        self._store.set_facts(settings=json.dumps(settings.to_facts()), roots=json.dumps(roots))
        self._facts = self._store.facts()
        return settings

    def _finish_engine(self) -> None:
        build = getattr(self._engine, "build_graph", None)
        if build is not None:
            build()

    def search(
        self,
        text: str | None = None,
        *,
        like: Path | str | bytes | None = None,
        question: str | None = None,
        top: int = 10,
        path: str | None = None,
        start: float | None = None,
        end: float | None = None,
        min_seconds: float | None = None,
        max_seconds: float | None = None,
    ) -> Found:
        """The moments that fit a text, an example (a picture or video), or both, best first; see `Found`.

        `path`: part of the path, or a pattern with * and ?. `start` and `end`: only what is seen between these seconds
        of its video. `min_seconds` and `max_seconds`: only videos of such a length. `question`: the best hits are asked
        this, and ranked by how well their answer fits the text (or the example's answer).
        """
        asked = Asked(
            text=text,
            like=Path(like) if isinstance(like, str) else like,
            question=question,
            top=top,
            path=path,
            start=start,
            end=end,
            min_seconds=min_seconds,
            max_seconds=max_seconds,
        )
        with self._model_lock:
            return find(asked, self._store, self._engine, self._model())

    def media(self) -> list[Medium]:
        """All media, by path."""
        return self._store.media()

    def medium(self, number: int) -> Medium | None:
        """One medium by its number."""
        return self._store.medium(number)

    def medium_at(self, path: str) -> Medium | None:
        """One medium by its path."""
        return self._store.medium_at(path)

    def segments(self, media: int) -> list[SegmentRow]:
        """The segments of a medium, in time order."""
        return self._store.segments(media)

    def failures(self) -> list[Failure]:
        """Files that could not be used, and why."""
        return self._store.failures()

    def thumbnail(self, segment: int) -> bytes | None:
        """The small JPEG of a segment, where one was kept."""
        return self._store.thumbnail(segment)

    def merge_tree(self, media: int) -> Timeline | None:
        """A video's windows and the tree that cuts them into segments at any rate; None for pictures."""
        packed = self._store.timeline(media)
        return None if packed is None else Timeline.from_bytes(packed)

    def _check_vectors(self) -> None:
        """IndexFolderError where the engine has lost vectors. Rows are counted twice, since somebody may be writing."""
        before, held = self._store.num_vectors(), self._engine.stats().count
        known = min(before, self._store.num_vectors())
        if held < known:
            raise IndexFolderError(
                f"{self.folder} knows of {known} vectors, of which {held} are in its engine {self._facts['engine']}: "
                f"bring them back, or make them anew: {_command_to_rebuild(self.folder, self._facts)}"
            )

    def _model(self) -> Embedder:
        if self.embedder is None:
            raise ValueError("the library was opened without a model: give one to Library.open")
        return self.embedder


def _is_made(folder: Path) -> bool:
    """Whether there is a library; a process that was killed while it made one may have left a file without facts."""
    if not (folder / FILE_NAME).is_file():
        return False
    store = Store(folder)
    try:
        return "library" in store.facts()
    finally:
        store.close()


def _create(folder: Path, embedder: Embedder | None, engine: str, settings: str | None = None) -> None:
    """An empty library that knows who may write into it; `settings` as they are kept, None for the defaults."""
    if embedder is None:
        raise ValueError("a new library needs the model that will fill it: give one to Library.open")
    with told_when_full(folder):
        folder.mkdir(parents=True, exist_ok=True)
    library, engine = uuid.uuid4().hex[:12], settled(engine)
    # Before there is a library: an engine that cannot be opened must not leave half of one.
    open_engine(engine, folder=folder, dim=embedder.dim, collection=f"vljepa_{library}").close()
    store = Store(folder)
    store.set_facts(
        library=library,
        model=_model_name(embedder),
        processor=_processor(embedder),
        dim=str(embedder.dim),
        engine=engine,
        settings=settings or json.dumps(IndexSettings().to_facts()),
        roots="[]",
    )
    store.close()


def rebuild(folder: Path, embedder: Embedder, *, engine: str | None = None) -> None:
    """Empty a library, if there is one, and hand it to this model; its settings and its engine stay."""
    if not _is_made(folder):
        return
    with writer_lock(folder, error=IndexFolderError):
        library = Library.open(folder)
        facts = library._facts
        if engine is not None and settled(engine) not in (DEFAULT, settled(facts["engine"])):
            # One that cannot be opened must not cost the library.
            open_engine(engine, folder=folder, dim=embedder.dim, collection=f"vljepa_{facts['library']}").close()
        library._store.drop([medium.id for medium in library.media()], library._engine)
        library.close()
        for path in [*folder.glob("library.sqlite*"), *folder.glob("vectors*")]:
            path.unlink(missing_ok=True)
    _create(folder, embedder, engine or facts["engine"], facts["settings"])


def _model_name(embedder: Embedder) -> str:
    return f"{embedder.name} {embedder.bundle.fingerprint}"


def _processor(embedder: Embedder) -> str:
    from vljepa.config import fingerprint

    return fingerprint(embedder.bundle.processor.settings)


def _check_model(folder: Path, facts: dict[str, str], embedder: Embedder) -> None:
    given = (_model_name(embedder), _processor(embedder), str(embedder.dim))
    if given == (facts["model"], facts["processor"], facts["dim"]):
        return
    raise IndexFolderError(
        f"{folder} was made by the model {facts['model']} (processor {facts['processor']}), and this one is {given[0]} "
        f"(processor {given[1]}): give that model, or rebuild it with this one: "
        f"{_command_to_rebuild(folder, facts)}"
    )


def _command_to_rebuild(folder: Path, facts: dict[str, str]) -> str:
    roots = " ".join(map(_quoted, json.loads(facts["roots"]))) or "PATHS"
    return f"vljepa index {roots} --into {_quoted(folder)} --rebuild"


def _quoted(path: Path | str) -> str:
    return shlex.quote(str(path))
