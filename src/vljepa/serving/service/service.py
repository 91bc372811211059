"""What the product does, with no web in it: one model in memory, a library beside it, requests from many threads.

Every method takes plain values and gives plain values or the tasks' own; a Refusal says no in one sentence, a plain
ValueError says what is wrong with what was asked.
"""

import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor

from vljepa.embedder import Embedder
from vljepa.library import Library
from vljepa.serving.service.archive import Archive
from vljepa.serving.service.jobs import Jobs
from vljepa.serving.service.limits import Limits
from vljepa.serving.service.media import From, Given, Media
from vljepa.serving.service.refusals import Busy, Forbidden, NotMedia, TooLarge
from vljepa.serving.service.roots import Roots
from vljepa.serving.service.shared import SharedEmbedder
from vljepa.serving.service.shared import request as timed
from vljepa.serving.service.shelf import Shelf, Upload
from vljepa.serving.service.streams import LiveStream, Streams
from vljepa.serving.service.watching import Playing
from vljepa.serving.service.worker import Observe, Worker
from vljepa.streaming.watch import WatchSettings
from vljepa.tasks.answer import Answer, answer
from vljepa.tasks.candidates import Ranking
from vljepa.tasks.caption import Caption, caption
from vljepa.tasks.classify import classify
from vljepa.types import Clip

# Seconds for streams and jobs to tell what they have when the service stops.
GRACE = 10.0


class Service:
    """Close it when it is over: what was accepted is finished first."""

    def __init__(
        self,
        embedder: Embedder,
        *,
        library: Path | None = None,
        roots: Sequence[Path] = (),
        sources: dict[str, str] | None = None,
        remote: bool = False,
        limits: Limits | None = None,
        observe: Observe = lambda kind, size, seconds: None,
    ) -> None:
        """`sources`: cameras and addresses that may be watched, by name; `remote`: web addresses are fetched."""
        self.limits = limits or Limits()
        with ExitStack() as undo:  # where a library or a root cannot be used, nothing stays behind
            self.worker = Worker(most_waiting=4 * self.limits.requests, observe=observe)
            undo.callback(self.worker.close)
            self.embedder = SharedEmbedder(embedder, self.worker)
            opened = None if library is None else undo.enter_context(Library.open(library, self.embedder))
            indexed = [] if opened is None else opened.roots
            self.roots = Roots([*roots, *(root if root.is_dir() else root.parent for root in indexed)])
            undo.pop_all()
        self.shelf = Shelf(most_bytes=self.limits.kept)
        self.jobs = Jobs("jobs")
        self.archive = Archive(opened, self.roots, self.jobs)
        self.media = Media(self.limits, locate=self.locate, remote=remote)
        self.playing = Playing(self.embedder, self.media, self.archive, self.limits)
        self.streams = Streams(self.embedder, self.limits, named=sources or {})

    def close(self) -> None:
        """Finish what was accepted, then let go of everything."""
        self.streams.close(GRACE)
        self.jobs.close()
        self.playing.close()
        self.worker.close()
        self.archive.close()
        self.shelf.close()

    def hang_up(self) -> None:
        """Tell streams to end, so that those who follow them are told and let go; returns at once."""
        threading.Thread(target=self.streams.close, args=(GRACE,), name="hang up", daemon=True).start()

    def request(self) -> AbstractContextManager[float]:
        """One request: gives the moment until which it is to be answered, by the monotonic clock."""
        return timed(self.limits.seconds)

    def embed(self, items: Sequence[str | Given], *, query: str = "") -> list[Float[Tensor, "dim"]]:
        """The embedding of each text and medium (of the answer to `query`, if there is one), in their order."""
        self._check_count(items, "inputs")
        with self.request() as deadline:
            texts = [item for item in items if isinstance(item, str)]
            clips = [self._clip(item, deadline) for item in items if not isinstance(item, str)]
            written = iter(self.embedder.texts(texts).cpu())
            seen = iter(self.embedder.predict_clips(clips, query.strip()).cpu())
            return [next(written) if isinstance(item, str) else next(seen) for item in items]

    def classify(self, medium: Given, labels: Sequence[str], *, query: str = "") -> Ranking:
        """As `vljepa.Model.classify`."""
        self._check_count(labels, "labels")
        with self.request() as deadline:
            return classify(self.embedder, [self._clip(medium, deadline)], labels=labels, query=query)[0]

    def answer(self, medium: Given, question: str, *, candidates: Sequence[str] | None = None) -> Answer:
        """As `vljepa.Model.ask`."""
        self._check_count(candidates or (), "candidates")
        with self.request() as deadline:
            clips = [self._clip(medium, deadline)]
            return answer(self.embedder, clips, question=question, candidates=candidates)[0]

    def caption(self, medium: Given, *, query: str = "") -> Caption:
        """As `vljepa.Model.caption`."""
        with self.request() as deadline:
            return caption(self.embedder, [self._clip(medium, deadline)], query=query)[0]

    def search(self, *, like: Given | None = None, **asked: Any) -> dict[str, Any]:
        """As `vljepa.library.Library.search`, ready for JSON."""
        with self.request() as deadline:
            example = None
            if like is not None:
                example = self.media.source(like, deadline=deadline)
                with self.media.decoding(deadline):
                    self.media.check(example)
            return self.archive.search(like=example, **asked)

    def keep(self, content: bytes, *, name: str) -> Upload:
        """Keep a picture or video for a while; its id stands for it in every request, streams included.

        NotMedia or TooLarge for what would not be read: what lies on the shelf may be decoded without a further look.
        """
        if not content:
            raise NotMedia("the file is empty (0 bytes): send a picture or a video")
        with self.request() as deadline, self.media.decoding(deadline):
            kind = self.media.check(content)
        return self.shelf.put(content, name=name, kind=kind)

    def watch(self, source: str, *, settings: WatchSettings) -> LiveStream:
        """Watch a source by its name, or a medium by its path or id, while requests go on."""
        return self.streams.open(self._source(source), name=source, settings=settings)

    def facts(self) -> dict[str, Any]:
        """What the service is, ready for JSON."""
        return {
            "status": "ok" if self.worker.alive else "stopping",
            "model": self.embedder.name,
            "fingerprint": self.embedder.bundle.fingerprint,
            "dimensions": self.embedder.dim,
            "device": str(self.embedder.device),
            "waiting": self.worker.waiting,
            "library": self.archive.size(),
            "sources": sorted(self.streams.named),
        }

    def count_tokens(self, texts: Sequence[str]) -> int:
        """How many tokens the Y-Encoder reads of some texts."""
        return sum(len(self.embedder.bundle.target_tokenizer.ids(text)) for text in texts)

    def locate(self, origin: From, name: str) -> Path:
        """Where a path of a root, an upload or a medium of the library lies."""
        if origin == "path":
            return self.roots.find(name)
        if name.startswith("upload-"):
            return self.shelf.get(name).path
        return self.archive.path(name)

    def _source(self, source: str) -> Path | str:
        if source in self.streams.named:
            return self.streams.named[source]
        if "://" in source or source.startswith(("camera:", "/dev/")) or source == "-":
            names = ", ".join(sorted(self.streams.named)) or "none"
            raise Forbidden(
                f"cameras and addresses are watched by the names that the service was started with ({names}): "
                "start it with --source NAME=ADDRESS"
            )
        return self.locate("path" if not source.startswith("upload-") and not source.isdecimal() else "media", source)

    def _clip(self, given: Given, deadline: float) -> Clip:
        if not self.worker.alive:
            raise Busy("the service is stopping: try again later", after=5)
        own = self.embedder
        return self.media.clip(
            given, num_frames=own.num_frames, side=own.side, sampling=own.sampling, deadline=deadline
        )

    def _check_count(self, items: Sequence[Any], what: str) -> None:
        if len(items) > self.limits.items:
            raise TooLarge(f"{len(items)} {what} are given, more than {self.limits.items}: send them in parts")
