"""Image-text shards in webdataset form, as DataComp, CC3M and CC12M are fetched: key.jpg, key.txt and key.json.

A source is a tar, a folder of tars, or an address with wildcards that fsspec opens; each tar is one part. Clips instead
of pictures are read as well. The caption is `key.txt`, or `caption` of `key.json`, whose `url` becomes the credit.
"""

import hashlib
import json
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from vljepa.data.readers.row import Left, Part, ReaderError, Row, Source

TEXTS = ("txt", "json", "cls")


def open_image_text(address: str) -> Source:
    """The tars at an address. Raises ReaderError where there are none."""
    from fsspec.core import has_magic, url_to_fs

    pattern = f"{address.rstrip('/')}/*.tar" if Path(address).is_dir() else address
    try:
        files, path = url_to_fs(pattern)
        found = sorted(files.glob(path)) if has_magic(path) else [path]
        sizes = {path: int(files.info(path)["size"]) for path in found if files.exists(path)}
    except (ImportError, OSError, ValueError) as error:
        raise ReaderError(f"{address} cannot be opened ({error}): check the address") from error
    if not sizes:
        raise ReaderError(f"{address} holds no tar: give a tar, a folder of tars, or an address such as s3://b/x-*.tar")
    full = {files.unstrip_protocol(path): size for path, size in sizes.items()}
    parts: list[Part] = [Tar(path, size) for path, size in full.items()]
    return Source(name="image-text", place=address, parts=parts)


@dataclass(frozen=True)
class Tar:
    """One shard at an address, and its size in bytes."""

    address: str
    size: int

    @property
    def mark(self) -> str:
        """Changes with the name and the size."""
        return hashlib.sha256(f"{self.address} {self.size}".encode()).hexdigest()[:16]

    def rows(self) -> Iterator[Row | Left]:
        """A row a key. ReaderError where the tar is damaged or cut short."""
        import fsspec

        name = self.address.rpartition("/")[2]
        with fsspec.open(self.address, "rb") as stream:
            try:
                with tarfile.open(fileobj=stream, mode="r|*") as archive:
                    for key, files in _keys(archive):
                        yield _row(files, where=f"{name}: {key}")
            except (tarfile.TarError, EOFError) as error:
                raise ReaderError(f"{self.address} is damaged or cut short ({error}): fetch it again") from error


def _keys(archive: tarfile.TarFile) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Files that share a key stand together in a webdataset."""
    present, files = "", dict[str, bytes]()
    for entry in archive:
        if not entry.isfile():
            continue
        folder, _, name = entry.name.rpartition("/")
        key, _, extension = name.partition(".")
        whole = f"{folder}/{key}" if folder else key
        if whole != present and files:
            yield present, files
            files = {}
        present = whole
        content = archive.extractfile(entry)
        files[extension.lower()] = b"" if content is None else content.read()
    if files:
        yield present, files


def _row(files: Mapping[str, bytes], *, where: str) -> Row | Left:
    media = {extension: content for extension, content in files.items() if extension not in TEXTS}
    if len(media) != 1:
        there = ", ".join(sorted(files)) or "nothing"
        return Left(reason="no medium", sentence=f"{where} holds {there}, not one medium with its texts")
    try:
        facts = json.loads(files.get("json", b"{}"))
        if not isinstance(facts, dict):
            raise ValueError(f"key.json is {facts!r}, expected an object")
        caption = files["txt"].decode("utf-8-sig") if "txt" in files else facts.get("caption")
    except ValueError as error:
        return Left(reason="line that makes no sense", sentence=f"{where}: its texts cannot be read ({error})")
    if not isinstance(caption, str) or not caption.strip():
        return Left(reason="no text", sentence=f"{where} has no caption: write key.txt")
    ((extension, content),) = media.items()
    return Row(
        media=content,
        extension=extension,
        where=where,
        captions=(caption.strip(),),
        licence=str(facts.get("license") or ""),
        credit=str(facts.get("url") or ""),
    )
