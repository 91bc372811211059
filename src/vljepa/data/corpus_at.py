"""A corpus at a folder or at any address that fsspec opens: its listing, and single records by shard and number.

A shard at an address is fetched whole into a cache folder, checked against the listing, and then read like a local one.
"""

import json
import os
import tarfile
import tempfile
from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from vljepa.data.packages import sha256_of
from vljepa.data.shards import LISTING, Record, ShardError, check_shard
from vljepa.types import Split

KNOWN_SHARDS = 8


@dataclass(frozen=True, kw_only=True)
class Shard:
    """A listed shard and how many of its samples are of the wanted split."""

    name: str
    count: int
    entry: dict[str, Any]


class CorpusAt:
    """A corpus, one split of it. Raises ShardError where the listing or a shard is missing or damaged."""

    def __init__(self, address: str, *, split: Split = "train", cache: Path | None = None) -> None:
        self.address, self.split = address.rstrip("/"), split
        self.cache = cache or Path(tempfile.gettempdir()) / "vljepa-shards"
        self._known: OrderedDict[str, _Places] = OrderedDict()

    @property
    def is_remote(self) -> bool:
        """Whether the shards have to be fetched."""
        return "://" in self.address

    @cached_property
    def shards(self) -> list[Shard]:
        """The shards that hold something of the split, in the order of the listing; local ones are seen to be there."""
        entries = self._listing()
        found = []
        for entry in entries:
            count = int(entry.get("splits", {}).get(self.split, 0))
            if not self.is_remote:
                check_shard(Path(self.address), entry, verify=False)
            if count:
                found.append(Shard(name=str(entry["name"]), count=count, entry=entry))
        if not found:
            raise ShardError(f"{self.address} holds no sample for {self.split}: prepare it, or name another corpus")
        return found

    def _listing(self) -> list[dict[str, Any]]:
        import fsspec

        where = f"{self.address}/{LISTING}"
        try:
            with fsspec.open(where, "rb") as stream:
                entries = json.loads(stream.read())["shards"]
            return [dict(entry) for entry in entries]
        except FileNotFoundError as error:
            raise ShardError(f"{self.address} is not a corpus: it holds no {LISTING}") from error
        except (ImportError, OSError, ValueError, KeyError, TypeError) as error:
            raise ShardError(f"{where} cannot be read ({error}): check the address, or prepare the corpus") from error

    def record(self, shard: Shard, number: int) -> Record:
        """The split's record of that number, from 0, in a shard."""
        known = self._known.pop(shard.name, None) or _Places(self._local(shard), shard, self.split)
        self._known[shard.name] = known  # the latest used is the last to be forgotten
        while len(self._known) > KNOWN_SHARDS:
            self._known.popitem(last=False)
        return known.record(number)

    def _local(self, shard: Shard) -> Path:
        if not self.is_remote:
            return Path(self.address) / shard.name
        target = self.cache / f"{str(shard.entry['sha256'])[:16]}-{shard.name}"
        if not target.is_file():
            self._fetch(shard, target)
        return target

    def _fetch(self, shard: Shard, target: Path) -> None:
        """Fetched beside, checked, renamed: several processes may do so at once."""
        import fsspec

        self.cache.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=self.cache)
        os.close(handle)
        try:
            with fsspec.open(f"{self.address}/{shard.name}", "rb") as stream, open(temporary, "wb") as out:
                while piece := stream.read(1 << 22):
                    out.write(piece)
            found = sha256_of(Path(temporary))
            if found != shard.entry["sha256"]:
                raise ShardError(f"{self.address}/{shard.name} has sha256 {found}, not the listed one: upload it again")
            os.replace(temporary, target)
        except FileNotFoundError as error:
            raise ShardError(f"shard {self.address}/{shard.name} is listed but missing: upload it again") from error
        finally:
            Path(temporary).unlink(missing_ok=True)

    def __getstate__(self) -> dict[str, Any]:
        """Another process finds the places of the shards that it reads by itself."""
        return {**self.__dict__, "_known": OrderedDict()}


class _Places:
    """Where the records of one split lie in a tar; only headers and records are read, media are passed over."""

    def __init__(self, path: Path, shard: Shard, split: Split) -> None:
        self._path = path
        try:
            members = _members(path)
            self._places = [place for place in members if self._fields(place).get("split", "train") == split]
        except (OSError, tarfile.TarError) as error:
            raise ShardError(f"shard {path} is damaged or missing ({error}): prepare the corpus again") from error
        if len(self._places) != shard.count:
            raise ShardError(
                f"shard {path} holds {len(self._places)} samples for {split} and lists {shard.count}: "
                "prepare the corpus again"
            )

    def _fields(self, place: "_Place") -> dict[str, Any]:
        content = self._bytes(*place.record)
        try:
            fields = json.loads(content)
        except ValueError as error:
            raise ShardError(f"{self._path}: the record of {place.key} is not JSON ({error})") from error
        return dict(fields)

    def _bytes(self, offset: int, size: int) -> bytes:
        with self._path.open("rb") as file:
            file.seek(offset)
            content = file.read(size)
        if len(content) != size:
            raise ShardError(f"shard {self._path} is cut short: prepare the corpus again")
        return content

    def record(self, number: int) -> Record:
        place = self._places[number]
        return Record(place.key, place.extension, self._bytes(*place.medium), self._fields(place))


@dataclass(frozen=True, kw_only=True)
class _Place:
    """Offsets and sizes of a sample's medium and record."""

    key: str
    extension: str
    medium: tuple[int, int]
    record: tuple[int, int]


def _members(path: Path) -> list[_Place]:
    found: dict[str, dict[str, tuple[int, int]]] = {}
    with tarfile.open(path, mode="r:") as archive:
        for entry in archive:
            key, _, extension = entry.name.partition(".")
            found.setdefault(key, {})[extension] = (entry.offset_data, entry.size)
    places = []
    for key, files in found.items():
        record = files.pop("json", None)
        if record is None or len(files) != 1:
            raise ShardError(f"shard {path}: {key} is not one medium and one record: prepare the corpus again")
        ((extension, medium),) = files.items()
        places.append(_Place(key=key, extension=extension, medium=medium, record=record))
    return places
