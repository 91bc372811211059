"""The library as requests see it: searched, listed, added to by jobs, and played, but never outside of the roots."""

import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vljepa.library import Library, Medium, Timeline
from vljepa.library.progress import State
from vljepa.serving.service.jobs import Job, Jobs, Tell
from vljepa.serving.service.refusals import Forbidden, NotFound
from vljepa.serving.service.roots import Roots

# SQLite's integers end there.
_ROWS = 2**63
_NONE = "the service has no library: start it with --library FOLDER (made by vljepa index)"


class Archive:
    """A library, or the sentence that there is none."""

    def __init__(self, library: Library | None, roots: Roots, jobs: Jobs) -> None:
        self._library, self._roots, self._jobs = library, roots, jobs

    def close(self) -> None:
        """Let go of the library's files."""
        if self._library is not None:
            self._library.close()

    @property
    def library(self) -> Library:
        """NotFound where there is none."""
        if self._library is None:
            raise NotFound(_NONE)
        return self._library

    def size(self) -> dict[str, Any] | None:
        """How many media, segments and hours it holds; None where there is none."""
        if self._library is None:
            return None
        media = self._library.media()
        return {
            "media": len(media),
            "segments": sum(medium.num_segments for medium in media),
            "hours": round(sum(medium.seconds for medium in media) / 3600, 3),
        }

    def media(self) -> list[Medium]:
        """All media, by path; none where there is no library."""
        return [] if self._library is None else self._library.media()

    def listed(self) -> list[dict[str, Any]]:
        """All media, ready for JSON."""
        return [asdict(medium) | {"path": shown(medium.path)} for medium in self.media()]

    def medium(self, key: str) -> Medium:
        """One of them by its number. NotFound where there is none."""
        number = int(key) if key.isdecimal() and len(key) < 18 else -1
        found = None if self._library is None else self._library.medium(number)
        if found is None:
            raise NotFound(f"there is no medium {key!r}: list the media, or send one")
        return found

    def path(self, key: str) -> Path:
        """Where a medium lies. Forbidden where that is, or has become, a place outside of the roots."""
        recorded = Path(self.medium(key).path)
        if not recorded.exists():
            raise NotFound(f"{recorded.name} is not there any more: run vljepa index again")
        if not self._roots.holds(recorded.resolve()):
            raise Forbidden(f"{recorded.name} lies outside the folders that are open to requests")
        return recorded.resolve()

    def segments(self, key: str) -> list[dict[str, Any]]:
        """The segments of a medium in time order, ready for JSON."""
        rows = self.library.segments(self.medium(key).id)
        return [asdict(row) for row in rows]

    def thumbnail(self, segment: int) -> bytes:
        """The small JPEG of a segment. NotFound where none was kept."""
        picture = self.library.thumbnail(segment) if 0 <= segment < _ROWS else None
        if picture is None:
            raise NotFound(f"segment {segment} has no thumbnail")
        return picture

    def timeline(self, key: str) -> Timeline | None:
        """A video's timeline as the library keeps it; None for pictures."""
        return self.library.merge_tree(self.medium(key).id)

    def search(self, **asked: Any) -> dict[str, Any]:
        """Hits with the numbers of their media, and the probability that nothing here is what was asked for."""
        found = self.library.search(**asked)
        media = {hit.media: self.library.medium_at(hit.media) for hit in found.hits}
        hits = [
            asdict(hit) | {"media": medium.id, "path": shown(medium.path)}
            for hit in found.hits
            if (medium := media[hit.media]) is not None  # it may be gone by now
        ]
        return {"hits": hits, "no_match": found.no_match}

    def add(self, paths: Sequence[str]) -> Job:
        """Index files and folders of the roots, as a job."""
        library = self.library
        places = [self._roots.find(path) for path in paths]
        if not places:
            raise ValueError("there is nothing to index: give at least one path")

        def work(tell: Tell) -> dict[str, Any]:
            def progress(state: State) -> None:
                tell({**asdict(state.counts), "hours": round(state.hours, 4), "line": state.line()})

            indexed = library.add(places, progress=progress)
            return {
                **asdict(indexed.counts),
                "failures": [
                    {"path": shown(failure.path), "error": shown(failure.error)} for failure in indexed.failures
                ],
                "unreadable": [shown(path) for path in indexed.unreadable],
            }

        return self._jobs.start(work)


def shown(path: str) -> str:
    """A path as text: bytes of a name that are no UTF-8 cannot stand in JSON."""
    return os.fsencode(path).decode("utf-8", errors="replace")
