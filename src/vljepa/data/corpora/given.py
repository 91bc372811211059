"""Shards that the user gives (`--photos FOLDER`, `--clips FOLDER`): found by the stem of their names, checked, read."""

from collections.abc import Iterator
from pathlib import Path

from vljepa.data.shards import Record, ShardError, check_shard, read_listing, read_records


def read_given(folder: Path, stem: str) -> Iterator[Record]:
    """The records of all shards `stem-000.tar`, `stem-001.tar` ... of the folder, sizes and hashes checked."""
    entries = [entry for entry in read_listing(folder) if entry["name"].rpartition("-")[0] == stem]
    if not entries:
        raise ShardError(f"{folder} lists no shard {stem}-000.tar: give the folder that holds it")
    for entry in entries:
        check_shard(folder, entry, verify=True)
        yield from read_records(folder / entry["name"])
