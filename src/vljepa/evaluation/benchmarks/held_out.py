"""Held-out items of a corpus as an embedder sees them: the frames' features once, then any query and any mutilation."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from vljepa.embedder import Embedder
from vljepa.features import Features, Item, write_features
from vljepa.models.lite_encoder import lite
from vljepa.models.x_encoder import XEncoder

ROWS_AT_ONCE = 64
MOST_WORDS = 100
# Lists of them hold clips of several lengths, so the length has no name.
Frames = Float[Tensor, "_ width"]


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """An embedder beside the features of a corpus's items."""

    embedder: Embedder
    features: Features
    split: str = "test"

    @classmethod
    def open(cls, embedder: Embedder, root: Path, report: Callable[[str], None]) -> "HeldOut":
        """Features of `root` are computed where `root/features` does not hold them yet.

        Of clips that are not for test nobody asks for more than words: they are not looked at.
        """
        bundle = embedder.bundle
        into = root / "features"
        write_features(
            root,
            into,
            bundle.model.x_encoder,
            processor=bundle.processor,
            num_frames=bundle.frames,
            report=report,
            words_alone=lambda sample: sample.split != "test" and sample.extension == "mp4",
        )
        return cls(embedder=embedder, features=Features(into))

    def items(self, *corpora: str) -> list[Item]:
        """Items of the split from the named sources."""
        return [item for item in self.features.items if item.split == self.split and item.corpus in corpora]

    def frames(self, item: Item) -> Frames:
        """All frames of an item."""
        return self.features.frames(item)

    def predict(self, frames: Sequence[Frames], queries: Sequence[str]) -> Float[Tensor, "item dim"]:
        """Unit predictions."""
        return predicted(self.embedder, frames, queries)

    def texts(self, texts: Sequence[str]) -> Float[Tensor, "text dim"]:
        """Unit embeddings of texts, each cut after MOST_WORDS words."""
        cut = [" ".join(text.split()[:MOST_WORDS]) for text in texts]
        return self.embedder.texts(cut).float().cpu()

    def posterior(self, frames: Sequence[Frames]) -> Float[Tensor, "item classes"]:
        """The picture classifier's opinion, averaged over frames."""
        classes = lite(self.embedder.bundle.model.x_encoder, what="a baseline by picture classes").classes
        return torch.stack([some[:, -classes:].mean(0) for some in frames])

    def pooled(self, frames: Sequence[Frames]) -> Float[Tensor, "item channel"]:
        """Standardised features averaged over cells and frames."""
        encoder = lite(self.embedder.bundle.model.x_encoder, what="a baseline by pooled features")
        channels, cells = len(encoder.mean), encoder.settings.cells**2
        rows = torch.stack([some[:, : cells * channels].reshape(-1, channels).mean(0) for some in frames])
        return (rows - encoder.mean.float()) * encoder.scale.float()


def predicted(embedder: Embedder, frames: Sequence[Frames], queries: Sequence[str]) -> Float[Tensor, "item dim"]:
    """Unit predictions in order, as many at once as have frames and words in equal number: then nothing is padded.

    The same frames (one object) with the same query are asked about once.
    """
    words = {query: len(embedder.bundle.query_tokenizer.ids(query)) for query in set(queries)}
    groups: dict[tuple[int, int], dict[tuple[int, str], list[int]]] = defaultdict(dict)
    for place, (some, query) in enumerate(zip(frames, queries, strict=True)):
        groups[len(some), words[query]].setdefault((id(some), query), []).append(place)
    out = torch.empty(len(frames), embedder.dim)
    for asked in (list(group.values()) for group in groups.values()):
        for start in range(0, len(asked), ROWS_AT_ONCE):
            chosen = asked[start : start + ROWS_AT_ONCE]
            first = [places[0] for places in chosen]
            visual = embedder.tokens_from_features(torch.stack([frames[place] for place in first]).to(embedder.device))
            rows = embedder.predict_each(visual, [queries[place] for place in first]).float().cpu()
            for places, row in zip(chosen, rows, strict=True):
                out[places] = row
    return out


def blinded(encoder: XEncoder, frames: Frames) -> Frames:
    """Frames that show nothing: average features and no class, so that only the query is left."""
    encoder = lite(encoder, what="a baseline that sees nothing")
    cells = encoder.mean.float().repeat(encoder.settings.cells**2)
    nothing = torch.zeros(encoder.classes)
    return torch.cat([cells, nothing])[None].expand(len(frames), -1)


def middle(frames: Frames) -> Frames:
    """The frame in the middle, repeated: everything but motion."""
    return frames[len(frames) // 2][None].expand(len(frames), -1)


def shuffled(frames: Frames, *, seed: int) -> Frames:
    """The same frames in another order."""
    return frames[torch.randperm(len(frames), generator=torch.Generator().manual_seed(seed))]
