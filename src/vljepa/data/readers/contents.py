"""What a corpus or a folder holds, as hashes: by them duplicates are found, and what leaks from an evaluation set.

Beside each shard that is prepared from a source lies `NAME.contents`, a line a sample: the sha256 of its medium and,
where it was cut from a longer file, the sha256 of that.
"""

from collections.abc import Iterator
from pathlib import Path

from vljepa.data.packages import sha256_of
from vljepa.data.readers.build import content_of
from vljepa.data.readers.row import ReaderError
from vljepa.data.shards import LISTING, check_shard, read_listing, read_shard, write_file
from vljepa.types import Sample

SUFFIX = ".contents"


def hashes_of(sample: Sample) -> frozenset[str]:
    """The sha256 of the sample's medium, and of the file that it was cut from."""
    return frozenset({content_of(sample.media), sample.origin} - {""})


def write_contents(folder: Path, shard: str, samples: list[Sample]) -> None:
    """The hashes of a shard's samples, beside it."""
    lines = (" ".join([content_of(sample.media), sample.origin]).strip() for sample in samples)
    write_file(_beside(folder, shard), "".join(f"{line}\n" for line in lines).encode())


def read_contents(folder: Path, shard: str) -> list[list[str]] | None:
    """A list of hashes for each sample of a shard, that of its medium first; None where none were written."""
    path = _beside(folder, shard)
    return [line.split() for line in path.read_text().splitlines()] if path.is_file() else None


def contents_of(folder: Path) -> set[str]:
    """Hashes of all that a corpus (a folder with shards.json) or any other folder of files holds.

    Raises ReaderError where there is nothing, ShardError for a shard that is missing or damaged.
    """
    if not folder.is_dir():
        raise ReaderError(f"there is no folder {folder} to compare with: check the path after --not-in")
    found = set(_of_corpus(folder) if (folder / LISTING).is_file() else _of_files(folder))
    if not found:
        raise ReaderError(f"{folder} after --not-in holds nothing to compare with: give a corpus or a folder of media")
    return found


def _of_corpus(folder: Path) -> Iterator[str]:
    for entry in read_listing(folder):
        check_shard(folder, entry, verify=False)
        listed = read_contents(folder, entry["name"])
        if listed is not None:
            yield from (digest for line in listed for digest in line)
            continue
        for sample in read_shard(folder / entry["name"]):
            yield from hashes_of(sample)


def _of_files(folder: Path) -> Iterator[str]:
    return (sha256_of(path) for path in folder.rglob("*") if path.is_file())


def _beside(folder: Path, shard: str) -> Path:
    return (folder / shard).with_suffix(SUFFIX)
