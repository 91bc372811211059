"""The frozen X-Encoder's view of a corpus, computed once: a file of frame features and a file of facts a shard.

A folder holds `NAME.npy` (float16, frame x width), `NAME.jsonl` (one sample a line: where its frames lie, what is true
of it) and `features.json` (fingerprint of encoder, processor and frame rule, so that no other view is mixed in). Where
the corpus lists its shards, `NAME.jsonl.of` holds the sha256 of the one that was looked at: another is looked at anew.
"""

import hashlib
import json
import os
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy.typing import NDArray
from torch import Tensor

from vljepa.config import fingerprint
from vljepa.data.media import MediaError, read_clip
from vljepa.data.processor import Processor
from vljepa.data.shards import listed_whole, read_shard
from vljepa.models.x_encoder import XEncoder
from vljepa.types import Clip, Question, Sample, Told

BATCH_FRAMES = 32


class FeaturesError(ValueError):
    """A feature folder that does not fit; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """A sample without its medium: `first` and `count` locate its frames in its shard, for each of its views."""

    key: str
    shard: str
    views: tuple[int, ...]
    count: int
    captions: tuple[str, ...]
    negatives: tuple[str, ...]
    questions: tuple[Question, ...]
    label: str
    concept: str
    split: str
    source: str
    backwards: Told | None = None
    weights: tuple[float, ...] = ()

    @property
    def corpus(self) -> str:
        """Name of the corpus source: its shard's name without the number."""
        return self.shard.rsplit("-", 1)[0]


def encoder_fingerprint(x_encoder: XEncoder, processor: Processor, num_frames: int) -> str:
    """Twelve digits that change with the encoder's weights, the preprocessing or the number of frames."""
    digest = hashlib.sha256(f"{fingerprint(x_encoder.settings)} {processor.to_json()} {num_frames}".encode())
    for name, weight in sorted(x_encoder.network.state_dict().items()):
        digest.update(name.encode() + weight.float().cpu().numpy().tobytes())
    return digest.hexdigest()[:12]


def write_features(
    corpus: Path,
    into: Path,
    x_encoder: XEncoder,
    *,
    processor: Processor,
    num_frames: int,
    shards: list[str] | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> dict[str, int]:
    """Every shard's features; shards that are already there are kept. Returns samples by shard, -1 where kept."""
    into.mkdir(parents=True, exist_ok=True)
    mark = encoder_fingerprint(x_encoder, processor, num_frames)
    _claim(into, mark, num_frames)
    network = x_encoder.channels_last()
    names = shards or sorted(path.stem for path in corpus.glob("*.tar"))
    counts: dict[str, int] = {}
    listed = {entry["name"]: str(entry["sha256"]) for entry in listed_whole(corpus).values()}
    for name in names:
        digest = listed.get(f"{name}.tar", "")
        if _is_done(into, name, digest):
            counts[name] = -1
            continue
        (into / f"{name}.jsonl").unlink(missing_ok=True)
        (into / f"{name}.jsonl.of").write_text(digest)
        counts[name] = _write_shard(corpus / f"{name}.tar", into, network, processor, num_frames)
        report(f"{name}: {counts[name]} samples")
    return counts


def features_of(
    corpus: Path, x_encoder: XEncoder, *, processor: Processor, num_frames: int, report: Callable[[str], None]
) -> tuple["Features", int]:
    """A corpus's features by this encoder, kept in a folder inside it, and how many samples were looked at just now."""
    into = corpus / "features" / encoder_fingerprint(x_encoder, processor, num_frames)
    counts = write_features(corpus, into, x_encoder, processor=processor, num_frames=num_frames, report=report)
    return Features(into, shards=counts), sum(count for count in counts.values() if count > 0)


def _is_done(into: Path, name: str, digest: str) -> bool:
    """Whether the shard was looked at, and was this one where both say which they are."""
    of = into / f"{name}.jsonl.of"
    found = of.read_text() if of.exists() else ""
    return (into / f"{name}.jsonl").exists() and (not digest or not found or digest == found)


def _claim(into: Path, mark: str, num_frames: int) -> None:
    facts = into / "features.json"
    if facts.exists():
        found = json.loads(facts.read_text())["fingerprint"]
        if found != mark:
            raise FeaturesError(
                f"{into} holds the features of another encoder, processor or number of frames ({found}, now {mark}): "
                "name another folder, or delete this one"
            )
        return
    facts.write_text(json.dumps({"fingerprint": mark, "frames": num_frames}))


def _write_shard(path: Path, into: Path, network: XEncoder, processor: Processor, num_frames: int) -> int:
    rows: list[NDArray[np.float16]] = []
    lines: list[str] = []
    waiting: list[UInt8[Tensor, "time 3 height width"]] = []
    total = 0
    for sample, views in _decoded(path, processor, num_frames):
        firsts = []
        for view in views:
            waiting.append(view)
            firsts.append(total)
            total += len(view)
        lines.append(json.dumps(_facts(sample, path.stem, firsts, len(views[0]))))
        if sum(len(view) for view in waiting) >= BATCH_FRAMES:
            rows.append(_encoded(network, waiting, processor))
            waiting = []
    rows.append(_encoded(network, waiting, processor))
    _write_whole(into / f"{path.stem}.npy", np.concatenate(rows))
    temporary = into / f"{path.stem}.jsonl.tmp"
    temporary.write_text("\n".join(lines) + "\n")
    os.replace(temporary, into / f"{path.stem}.jsonl")  # last: its presence says that the shard is done
    return len(lines)


def _encoded(network: XEncoder, views: list[Tensor], processor: Processor) -> NDArray[np.float16]:
    if not views:
        return np.zeros((0, network.settings.frame_width), np.float16)
    return frame_features(network, torch.cat(views), processor).to(torch.float16).numpy()


def _write_whole(path: Path, array: NDArray[np.float16]) -> None:
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as file:
        np.save(file, array)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def frame_features(
    network: XEncoder, frames: UInt8[Tensor, "time 3 height width"], processor: Processor
) -> Float[Tensor, "time kept"]:
    """Features of prepared frames, a bounded number at a time."""
    device = network.mean.device
    parts = [network.features(processor.pixels(some.to(device))).cpu() for some in frames.split(BATCH_FRAMES)]
    return torch.cat(parts)


def _decoded(path: Path, processor: Processor, num_frames: int) -> Iterator[tuple[Sample, list[Tensor]]]:
    """Samples with their prepared views, decoded one ahead of the encoder."""

    def prepare(sample: Sample) -> list[Tensor]:
        clip = read_clip(sample.media, num_frames=num_frames)
        return [processor.frames_from_clip(view) for view in _views(clip, sample)]

    with ThreadPoolExecutor(1) as pool:
        waiting: list[tuple[Sample, Future[list[Tensor]]]] = []
        for sample in read_shard(path):
            waiting.append((sample, pool.submit(prepare, sample)))
            if len(waiting) > 4:
                yield _finished(*waiting.pop(0), path)
        for pair in waiting:
            yield _finished(*pair, path)


def _finished(sample: Sample, future: "Future[list[Tensor]]", path: Path) -> tuple[Sample, list[Tensor]]:
    try:
        return sample, future.result()
    except MediaError as error:
        raise FeaturesError(f"{path}: sample {sample.key}: {error}") from error


def _views(clip: Clip, sample: Sample) -> list[Clip]:
    """Training pictures are seen twice: whole, and as a mirrored crop (not mirrored where sides are spoken of)."""
    if len(clip.times) > 1 or sample.split != "train":
        return [clip]
    digest = hashlib.sha256(sample.key.encode()).digest()
    height, width = clip.frames.shape[1:3]
    part = 0.7 + 0.2 * digest[0] / 255
    top = int((1 - part) * height * digest[1] / 255)
    left = int((1 - part) * width * digest[2] / 255)
    cut = clip.frames[:, top : top + int(part * height), left : left + int(part * width)]
    speaks_of_sides = any(word in caption.lower() for caption in sample.captions for word in ("left", "right"))
    cut = cut if speaks_of_sides else cut.flip(2)
    return [clip, Clip(frames=cut.contiguous(), times=clip.times)]


def _facts(sample: Sample, shard: str, firsts: list[int], count: int) -> dict[str, Any]:
    return {
        "key": sample.key,
        "shard": shard,
        "views": firsts,
        "count": count,
        "captions": sample.captions,
        "negatives": sample.negatives,
        "questions": [asdict(question) for question in sample.questions],
        "label": sample.label,
        "concept": sample.concept,
        "split": sample.split,
        "source": sample.source,
        "backwards": asdict(sample.backwards) if sample.backwards else None,
        "weights": sample.weights,
    }


class Features:
    """An opened feature folder: items, and their frames on demand from memory-mapped files.

    `shards`: names without ending of those that count; None takes all that are there.
    """

    def __init__(self, folder: Path, *, shards: Collection[str] | None = None) -> None:
        if not (folder / "features.json").exists():
            raise FeaturesError(f"{folder} is no feature folder (features.json is missing): make it with vljepa train")
        self.fingerprint: str = json.loads((folder / "features.json").read_text())["fingerprint"]
        self.items: list[Item] = []
        self._frames: dict[str, NDArray[np.float16]] = {}
        for path in sorted(folder.glob("*.jsonl")):
            if shards is not None and path.stem not in shards:
                continue
            self._frames[path.stem] = np.load(folder / f"{path.stem}.npy", mmap_mode="r")
            self.items += [_item(json.loads(line)) for line in path.read_text().splitlines() if line]

    def frames(self, item: Item, view: int = 0) -> Float[Tensor, "time width"]:
        """Frame features of one view."""
        first = item.views[view]
        rows = np.asarray(self._frames[item.shard][first : first + item.count], dtype=np.float32)
        return torch.from_numpy(rows)


def _item(facts: dict[str, Any]) -> Item:
    if "backwards" not in facts:
        raise FeaturesError(f"the features of {facts['shard']} are of an older version: delete their folder")
    backwards = facts["backwards"]
    told: dict[str, Any] = (
        facts | _lists(facts) | {"backwards": Told(**backwards | _lists(backwards)) if backwards else None}
    )
    numbers: dict[str, Any] = {name: tuple(facts[name]) for name in ("views", "weights") if name in facts}
    return Item(**told | numbers)


def _lists(facts: dict[str, Any]) -> dict[str, Any]:
    asked = [Question(**question | {"candidates": tuple(question["candidates"])}) for question in facts["questions"]]
    return {
        "captions": tuple(facts["captions"]),
        "negatives": tuple(facts["negatives"]),
        "questions": tuple(asked),
    }


def channel_statistics(features: Features, x_encoder: XEncoder, *, samples: int = 3000) -> tuple[Tensor, Tensor]:
    """Mean and 1 / standard deviation of each feature channel over cells of training pictures."""
    train = [item for item in features.items if item.split == "train" and item.count == 1]
    chosen = train[:: max(1, len(train) // samples)]
    num_cells = x_encoder.settings.cells**2
    channels = len(x_encoder.mean)
    rows = torch.cat([features.frames(item)[0, : num_cells * channels].reshape(num_cells, channels) for item in chosen])
    return rows.mean(0), 1 / rows.std(0).clamp(min=1e-3)
