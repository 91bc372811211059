"""The frozen X-Encoder's view of a corpus, computed once: a file of frame features and a file of facts a shard.

A folder holds `NAME.npy` (frame x width, float16 or what `data.rows` knows besides), `NAME.jsonl` (one sample a line:
where its frames lie, what is true of it) and `features.json` (number type, and the fingerprint of it, encoder,
processor and frame rule, so that no other view is mixed in). Where the corpus lists its shards, `NAME.jsonl.of` holds
the sha256 of the one that was looked at (and "in part", where some clips are there with their words alone): another is
looked at anew, and those that are done are kept.
"""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from vljepa.config import fingerprint
from vljepa.data.ahead import decoded_views
from vljepa.data.media import MediaError
from vljepa.data.processor import Processor
from vljepa.data.rows import Rows, RowType, write_rows
from vljepa.data.shards import LISTING, check_shard, listed_whole, read_listing
from vljepa.models.lite_encoder import LiteEncoder
from vljepa.models.x_encoder import XEncoder, frames_at_once
from vljepa.runtime import shared_by_ranks
from vljepa.types import Question, Sample, Told

BATCH_FRAMES = 32
_IN_PART = " in part"


class FeaturesError(ValueError):
    """A feature folder that does not fit; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """A sample without its medium: `views` and `count` locate its frames in its shard, for each of its views.

    `picture`: it is one picture, however many frames it is looked at in.
    """

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
    picture: bool
    backwards: Told | None = None
    weights: tuple[float, ...] = ()

    @property
    def corpus(self) -> str:
        """Name of the corpus source: its shard's name without the number."""
        return self.shard.rsplit("-", 1)[0]


def encoder_fingerprint(x_encoder: XEncoder, processor: Processor, num_frames: int, kind: RowType = "float16") -> str:
    """Twelve digits that change with the encoder's weights, the preprocessing, the frames or a number type."""
    digest = hashlib.sha256(f"{fingerprint(x_encoder.settings)} {processor.to_json()} {num_frames}".encode())
    digest.update(b"" if kind == "float16" else kind.encode())  # float16 was the only one once
    digest.update(b"in 8 bits" if x_encoder.in_eight_bits else b"")
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
    kind: RowType = "float16",
    skip: bool = False,
    words_alone: Callable[[Sample], bool] | None = None,
) -> dict[str, int]:
    """Every shard's features; shards that are already there are kept. Returns samples by shard, -1 where kept.

    `skip`: a sample that cannot be decoded is left out with its reason noted (`Features.skipped`), not an error.
    `words_alone`: clips of which nobody will ask for frames; their items have no views, and whoever asks for all later
    has such shards looked at anew.
    """
    into.mkdir(parents=True, exist_ok=True)
    mark = encoder_fingerprint(x_encoder, processor, num_frames, kind)
    _claim(into, mark, num_frames, kind)
    look = _Look(x_encoder.channels_last(), processor, num_frames, kind, skip, words_alone)
    names = shard_names(corpus) if shards is None else shards
    counts: dict[str, int] = {}
    listed = {entry["name"]: str(entry["sha256"]) for entry in listed_whole(corpus).values()}
    for name in names:
        digest = listed.get(f"{name}.tar", "")
        if _is_done(into, name, digest, in_part=words_alone is not None):
            counts[name] = -1
            continue
        (into / f"{name}.jsonl").unlink(missing_ok=True)
        (into / f"{name}.jsonl.of").write_text(digest + (_IN_PART if words_alone else ""))
        counts[name] = look.write_shard(corpus / f"{name}.tar", into)
        report(f"{name}: {counts[name]} samples")
    return counts


def shard_names(corpus: Path) -> list[str]:
    """Shards without their ending, in order. ShardError where a listed one is missing or was cut short."""
    for entry in read_listing(corpus) if (corpus / LISTING).exists() else ():
        check_shard(corpus, entry, verify=False)
    return sorted(path.stem for path in corpus.glob("*.tar"))


def features_of(
    corpus: Path,
    x_encoder: XEncoder,
    *,
    processor: Processor,
    num_frames: int,
    report: Callable[[str], None],
    kind: RowType = "float16",
    shards: Sequence[str] | None = None,
) -> tuple["Features", int]:
    """A corpus's features by this encoder, kept in a folder inside it, and how many samples were looked at just now.

    Ranks share the shards (those named in `shards`, else all). What cannot be decoded is left out: `Features.skipped`
    counts it.
    """
    into = corpus / "features" / encoder_fingerprint(x_encoder, processor, num_frames, kind)
    names = shard_names(corpus) if shards is None else list(shards)

    def look(shards: list[str]) -> dict[str, int]:
        return write_features(
            corpus,
            into,
            x_encoder,
            processor=processor,
            num_frames=num_frames,
            shards=shards,
            report=report,
            kind=kind,
            skip=True,
        )

    counts = shared_by_ranks(look, names)
    return Features(into, shards=names, skip=True), sum(count for count in counts.values() if count > 0)


def _is_done(into: Path, name: str, digest: str, *, in_part: bool) -> bool:
    """Whether the shard was looked at (`in_part`: or some of it), and was this one where both say which they are."""
    of = into / f"{name}.jsonl.of"
    found, part, _ = (of.read_text() if of.exists() else "").partition(_IN_PART)
    if part and not in_part:
        return False
    return (into / f"{name}.jsonl").exists() and (not digest or not found or digest == found)


def _claim(into: Path, mark: str, num_frames: int, kind: RowType) -> None:
    facts = into / "features.json"
    if facts.exists():
        found = json.loads(facts.read_text())["fingerprint"]
        if found != mark:
            raise FeaturesError(
                f"{into} holds the features of another encoder, processor, number of frames or number type ({found}, "
                f"now {mark}): name another folder, or delete this one"
            )
        return
    facts.write_text(json.dumps({"fingerprint": mark, "frames": num_frames, "type": kind}))


@dataclass(frozen=True)
class _Look:
    """How shards are looked at."""

    network: XEncoder
    processor: Processor
    num_frames: int
    kind: RowType
    skip: bool
    words_alone: Callable[[Sample], bool] | None

    def write_shard(self, path: Path, into: Path) -> int:
        """One shard's rows and facts; how many samples it holds that could be decoded."""
        rows: list[Tensor] = []
        lines: list[str] = []
        waiting: list[UInt8[Tensor, "time 3 height width"]] = []
        total = skipped = 0
        for sample, seen in decoded_views(path, self.processor, self.num_frames, self.words_alone or (lambda _: False)):
            if isinstance(seen, MediaError):
                if not self.skip:
                    raise FeaturesError(f"{path}: sample {sample.key}: {seen}") from seen
                lines.append(json.dumps({"key": sample.key, "skipped": "cannot be decoded"}))
                skipped += 1
                continue
            firsts = []
            for view in seen.views:
                waiting.append(view)
                firsts.append(total)
                total += len(view)
            count = len(seen.views[0]) if seen.views else self.num_frames
            lines.append(json.dumps(_facts(sample, path.stem, firsts, count, picture=seen.picture)))
            if sum(len(view) for view in waiting) >= BATCH_FRAMES:
                rows.append(self._encoded(waiting))
                waiting = []
        rows.append(self._encoded(waiting))
        write_rows(into / f"{path.stem}.npy", torch.cat(rows), self.kind)
        temporary = into / f"{path.stem}.jsonl.tmp"
        temporary.write_text("\n".join(lines) + "\n")
        os.replace(temporary, into / f"{path.stem}.jsonl")  # last: its presence says that the shard is done
        return len(lines) - skipped

    def _encoded(self, views: list[Tensor]) -> Float[Tensor, "row width"]:
        """Rows in half the memory of float32: a shard's wait for each other."""
        waits = torch.bfloat16 if self.kind == "bfloat16" else torch.float16
        if not views:
            return torch.zeros(0, self.network.settings.frame_width, dtype=waits)
        return frame_features(self.network, torch.cat(views), self.processor).to(waits)


@torch.no_grad()
def frame_features(
    network: XEncoder, frames: UInt8[Tensor, "time 3 height width"], processor: Processor
) -> Float[Tensor, "time kept"]:
    """Features of prepared frames, a bounded number at a time; nothing is learned through them."""
    device = next(network.parameters()).device
    some_at_once = frames.split(frames_at_once(device, BATCH_FRAMES))
    parts = [network.quick_features(some.to(device), processor.pixels).cpu() for some in some_at_once]
    return torch.cat(parts)


def _facts(sample: Sample, shard: str, firsts: list[int], count: int, *, picture: bool) -> dict[str, Any]:
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
        "picture": picture,
        "backwards": asdict(sample.backwards) if sample.backwards else None,
        "weights": sample.weights,
    }


class Features:
    """An opened feature folder: items, and their frames on demand from memory-mapped files.

    `shards`: names without ending of those that count; None takes all that are there. `skip`: samples that could not
    be decoded are counted by reason in `skipped`; otherwise they are a FeaturesError, since a score must not miss them.
    """

    def __init__(self, folder: Path, *, shards: Collection[str] | None = None, skip: bool = False) -> None:
        if not (folder / "features.json").exists():
            raise FeaturesError(f"{folder} is no feature folder (features.json is missing): make it with vljepa train")
        facts = json.loads((folder / "features.json").read_text())
        self.fingerprint: str = facts["fingerprint"]
        self.items: list[Item] = []
        self.skipped: Counter[str] = Counter()
        self._frames: dict[str, Rows] = {}
        for path in sorted(folder.glob("*.jsonl")):
            if shards is not None and path.stem not in shards:
                continue
            self._frames[path.stem] = Rows(folder / f"{path.stem}.npy", facts.get("type", "float16"))
            told = [json.loads(line) for line in path.read_text().splitlines() if line]
            self.items += [_item(line) for line in told if "skipped" not in line]
            self.skipped.update(line["skipped"] for line in told if "skipped" in line)
        if self.skipped and not skip:
            raise FeaturesError(f"{folder} lacks samples ({dict(self.skipped)}): prepare the corpus without them")

    def frames(self, item: Item, view: int = 0) -> Float[Tensor, "time width"]:
        """Frame features of one view. FeaturesError for an item of which only the words were kept."""
        if not item.views:
            raise FeaturesError(f"{item.key} of {item.shard} was not looked at, only its words: delete its .jsonl")
        first = item.views[view]
        return self._frames[item.shard][first : first + item.count]


def _item(facts: dict[str, Any]) -> Item:
    if "picture" not in facts:
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


def channel_statistics(features: Features, x_encoder: LiteEncoder, *, samples: int = 3000) -> tuple[Tensor, Tensor]:
    """Mean and 1 / standard deviation of each feature channel over cells of training pictures.

    Where a corpus has none, of its training clips' first frames.
    """
    seen = [item for item in features.items if item.split == "train"]
    train = [item for item in seen if item.picture] or seen
    chosen = train[:: max(1, len(train) // samples)]
    num_cells = x_encoder.settings.cells**2
    channels = len(x_encoder.mean)
    rows = torch.cat([features.frames(item)[0, : num_cells * channels].reshape(num_cells, channels) for item in chosen])
    return rows.mean(0), 1 / rows.std(0).clamp(min=1e-3)
