"""What is inside packages, read without installing them: wheels (zip), npm packages (tar.gz), Debian packages (ar)."""

import fnmatch
import io
import lzma
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from vljepa.data.packages import PackageError

_AR_MAGIC = b"!<arch>\n"
_AR_HEADER = 60


@contextmanager
def open_zip_member(archive: Path, member: str) -> Iterator[IO[bytes]]:
    """One file inside a wheel, as a stream. Raises PackageError where the archive or the member cannot be opened."""
    try:
        opened = zipfile.ZipFile(archive)
    except (zipfile.BadZipFile, OSError) as error:
        raise PackageError(f"{archive} cannot be read as a wheel ({error}): delete it and fetch it again") from error
    with opened:
        if member not in opened.namelist():
            raise PackageError(f"{archive.name} holds no file {member!r}: this is not the version that was expected")
        with opened.open(member) as stream:
            yield stream


def zip_members(archive: Path, pattern: str = "*") -> list[str]:
    """Names of the files in a wheel that match a shell pattern, sorted."""
    with zipfile.ZipFile(archive) as opened:
        return sorted(name for name in opened.namelist() if fnmatch.fnmatch(name, pattern))


def read_tgz(archive: Path, pattern: str = "*") -> Iterator[tuple[str, bytes]]:
    """Name and bytes of each regular file of a tar.gz that matches, in the archive's order."""
    try:
        with tarfile.open(archive, mode="r:gz") as opened:
            yield from _matching(opened, pattern)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise PackageError(f"{archive} cannot be read as tar.gz ({error}): delete it and fetch it again") from error


def read_deb(archive: Path, pattern: str = "*") -> Iterator[tuple[str, bytes]]:
    """Name (without leading ./) and bytes of each regular file that a Debian package would install and that matches."""
    with archive.open("rb") as stream:
        name, payload = _data_member(stream, archive)
        if name.endswith(".zst"):
            raise PackageError(f"{archive.name} is packed with zstd, which is not read here: use Debian's package")
        if not name.endswith((".xz", ".gz", ".tar")):
            raise PackageError(f"{archive.name}: cannot unpack {name}; data.tar, data.tar.gz and data.tar.xz are read")
        try:
            with tarfile.open(fileobj=payload, mode="r|*") as opened:
                yield from _matching(opened, pattern)
        except (tarfile.TarError, lzma.LZMAError, EOFError) as error:
            raise PackageError(f"{archive} is damaged ({error}): delete it and fetch it again") from error


def _matching(opened: tarfile.TarFile, pattern: str) -> Iterator[tuple[str, bytes]]:
    for entry in opened:
        name = entry.name.removeprefix("./")
        if entry.isreg() and fnmatch.fnmatch(name, pattern):
            content = opened.extractfile(entry)
            assert content is not None, "regular files can be extracted"
            yield name, content.read()


def _data_member(stream: IO[bytes], archive: Path) -> tuple[str, io.BytesIO]:
    """The member data.tar.* of an ar archive (man 5 ar): 60-byte headers, contents padded to an even length."""
    if stream.read(len(_AR_MAGIC)) != _AR_MAGIC:
        raise PackageError(f"{archive} is not a Debian package: delete it and fetch it again")
    while len(header := stream.read(_AR_HEADER)) == _AR_HEADER:
        name, size = header[:16].decode("ascii").rstrip(" /"), header[48:58].decode("ascii").strip()
        if not size.isdigit():
            raise PackageError(f"{archive} is damaged: {name!r} has no size; delete it and fetch it again")
        if name.startswith("data.tar"):
            return name, io.BytesIO(stream.read(int(size)))
        stream.seek(int(size) + int(size) % 2, io.SEEK_CUR)
    raise PackageError(f"{archive} holds no data.tar: delete it and fetch it again")
