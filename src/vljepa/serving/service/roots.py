"""Which files the service may read: those under its roots, whatever links and dots a path is made of."""

from collections.abc import Iterable
from pathlib import Path

from vljepa.serving.service.refusals import Forbidden, NotFound


class Roots:
    """Folders whose contents may be read. A relative path is looked for in each of them in turn."""

    def __init__(self, folders: Iterable[Path]) -> None:
        """ValueError for what is no folder."""
        self.folders = tuple(dict.fromkeys(folder.resolve() for folder in folders))
        for folder in self.folders:
            if not folder.is_dir():
                raise ValueError(f"the root {folder} is no folder: name one that exists")

    def find(self, path: str) -> Path:
        """The file or folder itself, without links. Forbidden outside the roots, also where nothing is there.

        NotFound for what would lie in a root and does not.
        """
        if not self.folders:
            raise Forbidden("no folder is open to requests: start the service with --root FOLDER, or send the medium")
        try:
            found = [(folder / path).resolve() for folder in self.folders]
        except (OSError, ValueError, RuntimeError) as error:  # a loop of links, a zero byte, a name that is too long
            raise NotFound("there is no such file: check the path") from error
        there = [place for place in found if self.holds(place) and _exists(place)]
        if not there and not all(map(self.holds, found)):
            raise Forbidden(f"{path!r} lies outside the folders that are open to requests: name a file in one of them")
        if not there:
            raise NotFound(f"there is no {path!r} in the folders that are open to requests: check the path")
        return there[0]

    def holds(self, resolved: Path) -> bool:
        """Whether a path without links lies in a root."""
        return any(resolved.is_relative_to(folder) for folder in self.folders)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False
