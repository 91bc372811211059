"""Reader for Qt's binary resource files (.rcc): a tree of named files, some of them zlib-compressed."""

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from vljepa.data.packages import PackageError

_FOLDER, _ZLIB, _ZSTD = 2, 1, 4


class _Resource(NamedTuple):
    content: bytes
    tree: int
    data: int
    names: int
    node_size: int


def read_rcc(content: bytes, *, name: str) -> Iterator[tuple[str, bytes]]:
    """Path (starting with "/") and bytes of each file inside. Raises PackageError where it is not a whole .rcc file."""
    if content[:4] != b"qres":
        raise PackageError(f"{name} is not a Qt resource file")
    try:
        version, tree, data, names = struct.unpack(">IIII", content[4:20])
        resource = _Resource(content, tree, data, names, 22 if version >= 2 else 14)
        yield from _walk(resource, 0, path="")
    except (struct.error, zlib.error, RecursionError) as error:
        raise PackageError(f"{name} is a damaged Qt resource file ({error})") from error


def _walk(resource: _Resource, node: int, *, path: str) -> Iterator[tuple[str, bytes]]:
    start = resource.tree + node * resource.node_size
    name_offset, flags = struct.unpack(">IH", resource.content[start : start + 6])
    place = f"{path}/{_name(resource, name_offset)}" if node else ""
    if flags & _FOLDER:
        count, first = struct.unpack(">II", resource.content[start + 6 : start + 14])
        for child in range(first, first + count):
            yield from _walk(resource, child, path=place)
    else:
        (offset,) = struct.unpack(">I", resource.content[start + 10 : start + 14])
        yield place, _content(resource, offset, flags=flags, place=place)


def _name(resource: _Resource, offset: int) -> str:
    """A 16-bit length, a 32-bit hash, then the name in UTF-16."""
    start = resource.names + offset
    (length,) = struct.unpack(">H", resource.content[start : start + 2])
    return resource.content[start + 6 : start + 6 + 2 * length].decode("utf-16-be")


def _content(resource: _Resource, offset: int, *, flags: int, place: str) -> bytes:
    start = resource.data + offset
    (length,) = struct.unpack(">I", resource.content[start : start + 4])
    raw = resource.content[start + 4 : start + 4 + length]
    if len(raw) != length:
        raise struct.error(f"{place} is cut short")
    if flags & _ZSTD:
        raise PackageError(f"{place} is packed with zstd, which is not read here")
    # The compressed form starts with the unpacked size in four bytes.
    return zlib.decompress(raw[4:]) if flags & _ZLIB else raw
