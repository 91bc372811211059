"""An engine from its name: `flat`, or KIND:WHERE with what the engine's own client opens."""

from importlib import import_module
from pathlib import Path
from typing import Any

from vljepa.index.engines.flat import Flat
from vljepa.index.engines.protocol import Engine
from vljepa.index.errors import IndexFolderError

DEFAULT = "flat"
# The module, the class, and the extra that brings its client.
_KINDS = {
    "qdrant": ("qdrant", "Qdrant"),
    "lancedb": ("lance", "Lance"),
    "milvus": ("milvus", "Milvus"),
    "pgvector": ("postgres", "Postgres"),
}
_IN_FILES = ("qdrant", "lancedb", "milvus")
EXAMPLES = "flat, qdrant:FOLDER, qdrant:http://host:6333, lancedb:FOLDER, milvus:FILE.db, pgvector:postgresql://..."


def settled(name: str) -> str:
    """The name with a folder or file in it made absolute, so that it means the same from wherever it is opened."""
    kind, colon, where = name.partition(":")
    in_files = kind in _IN_FILES and where and "://" not in where
    return f"{kind}{colon}{Path(where).absolute()}" if in_files else name


def open_engine(name: str, *, folder: Path, dim: int, collection: str) -> Engine:
    """The engine that a name speaks of; `folder` is the library's, `collection` what its vectors are kept under.

    IndexFolderError where there is no such engine or its client is not installed.
    """
    if name == DEFAULT:
        return Flat(folder, dim=dim)
    kind, colon, where = name.partition(":")
    if kind not in _KINDS or not colon or not where:
        raise IndexFolderError(f"unknown engine {name!r}: write one of {EXAMPLES}")
    module, engine = _KINDS[kind]
    try:
        opened: Any = getattr(import_module(f"vljepa.index.engines.{module}"), engine)
        made: Engine = opened(where, dim=dim, collection=collection)
    except ImportError as error:
        raise IndexFolderError(f"the engine {kind} needs its client ({error}): pip install 'vljepa[{kind}]'") from error
    return made
