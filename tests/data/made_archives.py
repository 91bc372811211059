"""Small archives in the true formats (.deb, .tgz, .whl, .rcc), for tests of what reads them."""

import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

from PIL import Image


def tar_bytes(files: Mapping[str, bytes], mode: str, *, prefix: str = "") -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(prefix + name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def make_deb(path: Path, files: Mapping[str, bytes], *, data_name: str = "data.tar.xz") -> Path:
    members = {
        "debian-binary": b"2.0\n",
        "control.tar.xz": tar_bytes({"control": b"Package: made\nodd"}, "w:xz"),
        data_name: tar_bytes(files, "w:xz", prefix="./"),
    }
    content = b"!<arch>\n"
    for name, member in members.items():
        content += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(member):<10}`\n".encode() + member
        content += b"\n" * (len(member) % 2)
    path.write_bytes(content)
    return path


def make_tgz(path: Path, files: Mapping[str, bytes]) -> Path:
    path.write_bytes(tar_bytes(files, "w:gz"))
    return path


def make_wheel(path: Path, files: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def rcc_bytes(files: Mapping[str, bytes], *, compress: bool = False) -> bytes:
    """A Qt resource of version 3: one folder a path part, nodes breadth first as rcc writes them."""
    root: dict[str, object] = {}
    for path, content in files.items():
        *folders, name = path.strip("/").split("/")
        place = root
        for folder in folders:
            place = place.setdefault(folder, {})  # type: ignore[assignment]
        place[name] = content
    nodes: list[tuple[str, object]] = [("", root)]
    tree, names, blob = b"", b"", b""
    for name, node in nodes:  # grows while it runs
        name_offset = len(names)
        names += struct.pack(">HI", len(name), 0) + name.encode("utf-16-be")
        if isinstance(node, dict):
            tree += struct.pack(">IHIIQ", name_offset, 2, len(node), len(nodes), 0)
            nodes.extend(sorted(node.items()))
        else:
            assert isinstance(node, bytes)
            raw = struct.pack(">I", len(node)) + zlib.compress(node) if compress else node
            tree += struct.pack(">IHHHIQ", name_offset, int(compress), 0, 0, len(blob), 0)
            blob += struct.pack(">I", len(raw)) + raw
    header = 20
    offsets = (header, header + len(tree), header + len(tree) + len(blob))
    return b"qres" + struct.pack(">IIII", 3, *offsets) + tree + blob + names


def picture_bytes(colour: str | tuple[int, ...], *, size: tuple[int, int] = (40, 30), kind: str = "PNG") -> bytes:
    """A transparent sheet with a filled box in its middle."""
    picture = Image.new("RGBA", size, (0, 0, 0, 0))
    width, height = size
    picture.paste(Image.new("RGBA", (width // 2, height // 2), colour), (width // 4, height // 4))
    stream = io.BytesIO()
    picture.save(stream, kind)
    return stream.getvalue()


def animation_bytes(colours: list[str], *, size: tuple[int, int] = (64, 64)) -> bytes:
    """A lossless animated webp, one plain colour a frame."""
    frames = [Image.new("RGBA", size, colour) for colour in colours]
    stream = io.BytesIO()
    frames[0].save(stream, "WEBP", save_all=True, append_images=frames[1:], duration=40, lossless=True)
    return stream.getvalue()
