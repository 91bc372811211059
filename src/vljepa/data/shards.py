"""A corpus is a folder of tar shards and `shards.json`: Samples in, `key.extension` + `key.json` on disk, Samples out.

The same samples always give the same bytes (no times, no owners), and a shard has its name only when it is whole.
"""

import io
import json
import os
import tarfile
import tempfile
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

from vljepa.data.packages import sha256_of
from vljepa.types import Event, Question, Sample, Split, Told

LISTING = "shards.json"
_AGAIN = "delete it and prepare the corpus again"


class ShardError(ValueError):
    """A shard that is missing, damaged, not the listed one, or holds a record that is not a sample."""


class Record(NamedTuple):
    """One medium and the fields of its JSON, before they are a sample."""

    key: str
    extension: str
    media: bytes
    fields: Mapping[str, Any]


def record_from_sample(sample: Sample) -> dict[str, Any]:
    """What `key.json` holds: all fields but the key, the media and the extension; empty ones are left out."""
    record = _told(sample)
    record |= {name: value for name in ("credit", "origin") if (value := getattr(sample, name))}
    if sample.crops != 1:
        record["crops"] = sample.crops
    if sample.weights:
        record["weights"] = list(sample.weights)
    if sample.events:
        record["events"] = [{"action": e.action, "start": e.start, "end": e.end} for e in sample.events]
    if sample.backwards is not None:
        record["backwards"] = _told(sample.backwards)
    return record | {name: getattr(sample, name) for name in ("source", "licence", "concept", "split")}


def _told(told: Sample | Told) -> dict[str, Any]:
    record: dict[str, Any] = {"captions": list(told.captions)}
    if told.label:
        record["label"] = told.label
    if told.negatives:
        record["negatives"] = list(told.negatives)
    if told.questions:
        record["questions"] = [
            {"query": q.query, "answer": q.answer, "candidates": list(q.candidates), "kind": q.kind}
            for q in told.questions
        ]
    return record


def sample_from(record: Mapping[str, Any], media: bytes, *, extension: str, key: str) -> Sample:
    """The sample of a record; `concept` and `split` may be missing (the key, and train). Raises ShardError by field."""
    split = record.get("split", "train")
    if split not in ("train", "validation", "test"):
        raise ShardError(f"{key}: split is {split!r}, but only train, validation and test exist")
    captions = record.get("captions")
    if not isinstance(captions, list) or not all(isinstance(caption, str) for caption in captions):
        raise ShardError(f"{key}: the record needs a list of captions")
    missing = [name for name in ("source", "licence") if not isinstance(record.get(name), str)]
    if missing:
        raise ShardError(f"{key}: the record has no {missing[0]}: each sample must say where it comes from")
    try:
        questions = tuple(_question(question) for question in record.get("questions", ()))
        events = tuple(_event(event) for event in record.get("events", ()))
        backwards = told_from(record["backwards"]) if "backwards" in record else None
    except (KeyError, TypeError) as error:
        raise ShardError(f"{key}: a question or event of the record lacks {error}") from error
    known: Split = split
    return Sample(
        key=key,
        media=media,
        extension=extension,
        captions=tuple(captions),
        source=record["source"],
        licence=record["licence"],
        concept=record.get("concept", key),
        split=known,
        negatives=tuple(record.get("negatives", ())),
        questions=questions,
        events=events,
        label=record.get("label", ""),
        credit=record.get("credit", ""),
        backwards=backwards,
        weights=_weights(record, key=key),
        origin=record.get("origin", ""),
        crops=_crops(record, key=key),
    )


def told_from(record: Mapping[str, Any]) -> Told:
    """What a record tells of a medium; KeyError or TypeError where a field is missing or of another kind."""
    return Told(
        captions=tuple(record["captions"]),
        negatives=tuple(record.get("negatives", ())),
        questions=tuple(_question(question) for question in record.get("questions", ())),
        label=record.get("label", ""),
    )


def _weights(record: Mapping[str, Any], *, key: str) -> tuple[float, ...]:
    """One number a caption, or none at all: how often it is drawn."""
    weights = tuple(float(weight) for weight in record.get("weights", ()))
    if weights and (len(weights) != len(record["captions"]) or min(weights) < 0 or sum(weights) <= 0):
        raise ShardError(f"{key}: weights must be one number from 0 for each caption, not all 0")
    return weights


def _crops(record: Mapping[str, Any], *, key: str) -> int:
    crops = record.get("crops", 1)
    if not isinstance(crops, int) or crops < 0:
        raise ShardError(f"{key}: crops is {crops!r}: give a whole number from 0")
    return crops


def _question(record: Mapping[str, Any]) -> Question:
    return Question(
        query=record["query"], answer=record["answer"], candidates=tuple(record["candidates"]), kind=record["kind"]
    )


def _event(record: Mapping[str, Any]) -> Event:
    return Event(action=record["action"], start=float(record["start"]), end=float(record["end"]))


def write_shard(folder: Path, name: str, *, samples: Iterable[Sample]) -> dict[str, Any]:
    """Write `name` into `folder` (aside, synced, renamed) and return its name, count, bytes, sha256 and splits.

    Raises ShardError where two samples share a key. Nothing is left behind when `samples` fails half-way.
    """
    folder.mkdir(parents=True, exist_ok=True)
    keys: set[str] = set()
    splits: Counter[str] = Counter()
    with (
        _whole_file(folder / name) as stream,
        tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for sample in samples:
            if sample.key in keys:
                raise ShardError(f"{name}: two samples have the key {sample.key!r}")
            keys.add(sample.key)
            splits[sample.split] += 1
            _add(tar, f"{sample.key}.{sample.extension}", sample.media)
            _add(tar, f"{sample.key}.json", json.dumps(record_from_sample(sample), ensure_ascii=False).encode())
    size, digest = (folder / name).stat().st_size, sha256_of(folder / name)
    return {"name": name, "count": len(keys), "bytes": size, "sha256": digest, "splits": dict(sorted(splits.items()))}


def read_shard(path: Path) -> Iterator[Sample]:
    """The samples of one shard in its order. Raises ShardError naming the file and the key that is wrong."""
    for record in read_records(path):
        try:
            yield sample_from(record.fields, record.media, extension=record.extension, key=record.key)
        except ShardError as error:
            raise ShardError(f"{path}: {error}") from error


def read_records(path: Path) -> Iterator[Record]:
    """The media and records of one shard as they stand, for shards whose fields are not only those of a sample."""
    if not path.is_file():
        raise ShardError(f"shard {path} is missing: prepare the corpus again, or take it out of {LISTING}")
    try:
        with tarfile.open(path, mode="r:") as archive:
            yield from _records(archive, path)
    except tarfile.TarError as error:
        raise ShardError(f"shard {path} is damaged or cut short ({error}): {_AGAIN}") from error


def read_listing(folder: Path) -> list[dict[str, Any]]:
    """The entries of `shards.json` (name, count, bytes, sha256, licence, source ...). Raises ShardError if unusable."""
    path = folder / LISTING
    if not path.is_file():
        raise ShardError(f"{folder} is not a corpus: it holds no {LISTING}")
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["shards"]
        return [dict(entry) | {"name": str(entry["name"])} for entry in entries]
    except (json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise ShardError(f"{path} is damaged ({error}): {_AGAIN}") from error


def listed_whole(folder: Path) -> dict[str, dict[str, Any]]:
    """Entries of the listed shards, by name, that are there in their listed size; none where nothing is listed yet."""
    if not (folder / LISTING).exists():
        return {}
    return {
        entry["name"]: entry
        for entry in read_listing(folder)
        if (folder / entry["name"]).is_file() and (folder / entry["name"]).stat().st_size == entry["bytes"]
    }


def write_file(path: Path, content: bytes) -> None:
    """Put a file in its place in one step."""
    with _whole_file(path) as stream:
        stream.write(content)


def write_listing(folder: Path, entries: Sequence[Mapping[str, Any]]) -> None:
    """Put `shards.json` in its place in one step."""
    listing = json.dumps({"shards": list(entries)}, indent=1, ensure_ascii=False)
    write_file(folder / LISTING, f"{listing}\n".encode())


def source_of(entry: Mapping[str, Any]) -> str:
    """The source of a listed shard: what it says, or else the stem of its name ("grocery" of grocery-000.tar)."""
    return str(entry.get("source") or entry["name"].rpartition("-")[0])


def read_corpus(
    folder: Path, *, split: Split | None = None, sources: Collection[str] | None = None, verify: bool = False
) -> Iterator[Sample]:
    """The samples of a corpus in the order of its listing, of one split and of some sources where these are given.

    Sizes are always compared with the listing, hashes when `verify`. Raises ShardError (missing or damaged shard)
    and ValueError for a source that the corpus does not hold.
    """
    entries = read_listing(folder)
    for source in sources or ():
        if source not in {source_of(entry) for entry in entries}:
            held = ", ".join(sorted({source_of(entry) for entry in entries}))
            raise ValueError(f"{folder} holds no source {source!r}; it holds: {held or 'nothing'}")
    for entry in entries:
        if sources is None or source_of(entry) in sources:
            check_shard(folder, entry, verify=verify)
            for sample in read_shard(folder / entry["name"]):
                if split is None or sample.split == split:
                    yield sample


def check_shard(folder: Path, entry: Mapping[str, Any], *, verify: bool) -> None:
    """ShardError unless the listed shard is there with the listed size (and, with `verify`, the listed sha256)."""
    path = folder / entry["name"]
    if not path.is_file():
        raise ShardError(f"shard {path} is listed in {LISTING} but missing: prepare the corpus again")
    size = path.stat().st_size
    if size != entry["bytes"]:
        raise ShardError(f"shard {path} has {size} bytes instead of {entry['bytes']}: {_AGAIN}")
    if verify and (found := sha256_of(path)) != entry["sha256"]:
        raise ShardError(f"shard {path} has sha256 {found} instead of {entry['sha256']}: {_AGAIN}")


def _records(archive: tarfile.TarFile, path: Path) -> Iterator[Record]:
    """Pairs of a medium and its record stand side by side, in either order."""
    waiting: dict[str, tuple[str, bytes]] = {}
    for entry in archive:
        key, _, extension = entry.name.partition(".")
        content = _content(archive, entry, path=path)
        if key not in waiting:
            waiting[key] = (extension, content)
            continue
        pair = dict([waiting.pop(key), (extension, content)])
        if "json" not in pair or len(pair) != 2:
            raise ShardError(f"{path}: {key} has no record {key}.json")
        fields = _fields(pair.pop("json"), where=f"{path}: {key}")
        ((extension, media),) = pair.items()
        yield Record(key, extension, media, fields)
    for key, (extension, _) in waiting.items():
        lacks = "medium" if extension == "json" else f"record {key}.json"
        raise ShardError(f"{path}: {key} has no {lacks}: {_AGAIN}")


def _content(archive: tarfile.TarFile, entry: tarfile.TarInfo, *, path: Path) -> bytes:
    stream = archive.extractfile(entry)
    content = b"" if stream is None else stream.read()
    if len(content) != entry.size:
        raise ShardError(f"shard {path} is cut short at {entry.name}: {_AGAIN}")
    return content


def _fields(content: bytes, *, where: str) -> Mapping[str, Any]:
    try:
        fields = json.loads(content)
    except ValueError as error:
        raise ShardError(f"{where}: the record is not JSON ({error})") from error
    if not isinstance(fields, dict):
        raise ShardError(f"{where}: the record is not a JSON object")
    return fields


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), 0o644
    archive.addfile(entry, io.BytesIO(content))


@contextmanager
def _whole_file(path: Path) -> Iterator[IO[bytes]]:
    """A stream to a temporary neighbour of `path` that takes its name only after everything is on the disk."""
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
