"""What all cells of an experiment stand on: cached features of a corpus, published weights, held-out samples.

A folder: `begin/` is the untrained VL-JEPA (a model folder), `stack.safetensors` the language model's layers that the
experiment has, `ground.json` says what it was made from. Whoever opens it later finds the very same.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from vljepa.config import SettingsError, as_dict, fingerprint, settings_from
from vljepa.data.processor import Processor, ProcessorSettings
from vljepa.data.shards import LISTING, read_listing
from vljepa.experiments.settings import GroundSettings
from vljepa.features import Features, Item, channel_statistics, features_of, shard_names
from vljepa.models.lite_encoder import lite
from vljepa.models.sizes import small, smollm2_135m
from vljepa.recipes.ingredients import gather_ingredients
from vljepa.runtime import choose_device, compute_dtype
from vljepa.training.asked import AskedRows, groups_of
from vljepa.training.asked import Group as Alike
from vljepa.training.guards import refuse_many_skipped
from vljepa.types import Split
from vljepa.weights.calibration import Calibration
from vljepa.weights.convert import layers_of, llama_from_gguf
from vljepa.weights.folder import Bundle, folder_fingerprint, load_folder, save_folder
from vljepa.weights.start import start_small

FACTS, STACK, BEGIN = "ground.json", "stack.safetensors", "begin"
SKIP_BUDGET = 0.01


@dataclass(frozen=True, kw_only=True)
class Ground:
    """An opened ground; `items` are held out, `groups` are for training, `labels` are all names of the corpus."""

    folder: Path
    fingerprint: str
    settings: GroundSettings
    features: Features
    groups: list[Alike]
    items: list[Item]
    labels: list[str]
    language_model: dict[str, Tensor]
    data: str

    def bundle(self) -> Bundle:
        """The untrained VL-JEPA, read anew: cells change it."""
        return load_folder(self.folder / BEGIN)

    def rows(self, asking: Any) -> AskedRows:
        """The rows of each step, a function of seed and step alone."""
        return AskedRows(self.groups, asking, kept=[], share=0.0)

    @property
    def training_texts(self) -> list[Item]:
        """Training samples, for their texts."""
        return [item for group in self.groups for item in group.items]


def lay_ground(
    corpus: Path, into: Path, *, settings: GroundSettings, cache: Path, device: str, tell: Callable[[str], None]
) -> Ground:
    """Make what is missing of the folder `into`, and open it. SettingsError where it was made from something else."""
    names = chosen_shards(corpus, settings)
    made_from = {"corpus": str(corpus.resolve()), "shards": names, "settings": as_dict(settings)}
    facts = into / FACTS
    if facts.exists():
        found = json.loads(facts.read_text())
        unlike = [name for name, value in made_from.items() if found[name] != value]
        if unlike:
            raise SettingsError(
                f"{into} was begun with another {' and '.join(unlike)}: name another folder, or give the same again"
            )
        return open_ground(into)
    into.mkdir(parents=True, exist_ok=True)
    if not (into / STACK).exists():
        _begin(into, settings, cache, device, corpus=corpus, shards=names, tell=tell)
    bundle = load_folder(into / BEGIN)
    features = _look(bundle, corpus, names, device, tell)
    made_from["features"] = features.fingerprint
    made_from["data"] = _digest(corpus, names)
    begun = folder_fingerprint(into / BEGIN)
    made_from["fingerprint"] = fingerprint_of(made_from["data"], features.fingerprint, begun, as_dict(settings))
    temporary = facts.with_suffix(".tmp")
    temporary.write_text(json.dumps(made_from, indent=1) + "\n")
    temporary.replace(facts)
    return open_ground(into)


def open_ground(into: Path) -> Ground:
    """What `lay_ground` has made. ValueError where nothing is held out, or nothing is known of what is."""
    facts: Mapping[str, Any] = json.loads((into / FACTS).read_text())
    settings = settings_from(GroundSettings, facts["settings"])
    features = Features(Path(facts["corpus"]) / "features" / facts["features"], shards=facts["shards"], skip=True)
    groups = groups_of(features)
    if not groups:
        raise ValueError(f"{facts['corpus']} holds no training sample: prepare more data, or hold out less of it")
    items = held_out(features.items, settings.items, settings.split)
    return Ground(
        folder=into,
        fingerprint=facts["fingerprint"],
        settings=settings,
        features=features,
        groups=groups,
        items=items,
        labels=sorted({item.label for item in features.items if item.label}),
        language_model=load_file(into / STACK),
        data=facts["data"],
    )


def held_out(items: Sequence[Item], most: int, split: Split = "test") -> list[Item]:
    """At most so many samples of a split of which something is known, taken evenly. ValueError where there are none."""
    known = [item for item in items if item.split == split and item.captions]
    if len(known) < 2:
        raise ValueError(f"{len(known)} samples with captions are held out for {split}: prepare the corpus with some")
    return [known[number * len(known) // min(most, len(known))] for number in range(min(most, len(known)))]


def chosen_shards(corpus: Path, settings: GroundSettings) -> list[str]:
    """The sources' first shards, one of each source in turn, until they hold enough training samples.

    All of them where the corpus does not list what its shards hold. ValueError where a source is not there.
    """
    by_source: dict[str, list[str]] = {}
    for name in shard_names(corpus):
        by_source.setdefault(name.rsplit("-", 1)[0], []).append(name)
    wanted = settings.sources or tuple(by_source)
    missing = [source for source in wanted if source not in by_source]
    if missing or not by_source:
        known = ", ".join(by_source) or "no shards"
        raise ValueError(f"{corpus} has no source {' or '.join(missing) or 'at all'}; it has {known}")
    listed = {entry["name"]: entry for entry in read_listing(corpus)} if (corpus / LISTING).exists() else {}
    found: list[str] = []
    samples = 0
    for name in (name for turn in zip_longest(*(by_source[source] for source in wanted)) for name in turn if name):
        if settings.most and samples >= settings.most:
            break
        found.append(name)
        samples += listed.get(f"{name}.tar", {}).get("splits", {}).get("train", 0)
    return sorted(found)


def _begin(
    into: Path,
    settings: GroundSettings,
    cache: Path,
    device: str,
    *,
    corpus: Path,
    shards: Sequence[str],
    tell: Callable[[str], None],
) -> None:
    """The untrained `small` with the last half of the stack for its Predictor and the two ends for its Y-Decoder (what
    reads words, what writes them), features standardised on the corpus."""
    size, ingredients = small(), gather_ingredients(cache)
    assert size.y_decoder is not None, "small has one"
    ends = (settings.stack[0], settings.stack[-1])
    size = replace(
        size,
        predictor=replace(size.predictor, llama=smollm2_135m(settings.last_half)),
        y_decoder=replace(size.y_decoder, llama=smollm2_135m(ends)),
    )
    started = start_small(size, ingredients.files, class_names=ingredients.class_names, seed=0)
    bundle = Bundle(
        model=started.model,
        processor=Processor(ProcessorSettings()),
        query_tokenizer=started.query_tokenizer,
        target_tokenizer=started.target_tokenizer,
        decoder_tokenizer=started.decoder_tokenizer,
        frames=settings.frames,
        name="small",
        calibration=Calibration(),
        fingerprint=fingerprint(size),
    )
    encoder = lite(bundle.model.x_encoder, what="an experiment")
    mean, scale = channel_statistics(_look(bundle, corpus, list(shards), device, tell), encoder)
    encoder.mean.copy_(mean)
    encoder.scale.copy_(scale)
    encoder.network.float()
    save_folder(bundle, into / BEGIN, card="# VL-JEPA small, untrained\n", int8=False)
    published = llama_from_gguf(ingredients.files.language_model)
    stack = layers_of(published, settings.stack) | {"embed_tokens.weight": published["embed_tokens.weight"]}
    save_file({name: tensor.contiguous() for name, tensor in stack.items()}, into / STACK)


def _look(bundle: Bundle, corpus: Path, names: list[str], device: str, tell: Callable[[str], None]) -> Features:
    there = choose_device(device)
    encoder = bundle.model.x_encoder.to(there)
    encoder.network.to(compute_dtype(there))
    features, _ = features_of(
        corpus, encoder, processor=bundle.processor, num_frames=bundle.frames, report=tell, shards=names
    )
    refuse_many_skipped(f"features of {corpus}", features.skipped, seen=len(features.items), budget=SKIP_BUDGET)
    return features


def fingerprint_of(*facts: Any) -> str:
    """Twelve digits that change with any of the facts."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]


def _digest(corpus: Path, names: Sequence[str]) -> str:
    """Twelve digits over the shards' own hashes, or their sizes where the corpus lists none."""
    listed = {entry["name"]: entry["sha256"] for entry in read_listing(corpus)} if (corpus / LISTING).exists() else {}
    return fingerprint_of(*(listed.get(f"{name}.tar", (corpus / f"{name}.tar").stat().st_size) for name in names))
