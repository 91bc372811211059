"""The parts of `evaluate small` that decode: captions of test clips, and streams joined from them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from vljepa.embedder import Embedder
from vljepa.evaluation.benchmarks.held_out import HeldOut
from vljepa.evaluation.captions import cider_d, reference_corpus
from vljepa.evaluation.report import Row
from vljepa.features import Item
from vljepa.streaming.segment import chain_ward
from vljepa.streaming.selective import DecodePoint, Policy, decode_points

FRAMES_PER_SECOND = 4.0
CLIPS_A_STREAM = 30
RATES = (0.1, 0.2, 0.35, 0.5, 1.0)


@dataclass(frozen=True, kw_only=True)
class Captioned:
    """What was said of test clips: CIDEr-D and fidelity as rows, and a few of the clips, drawn at random."""

    rows: tuple[Row, Row]
    examples: list[dict[str, Any]]


def captioned(
    held_out: HeldOut, *sources: str, name: str, most: int = 300, bank: int = 6000, shown: int = 8
) -> Captioned:
    """CIDEr-D of decoded captions of the sources' clips beside the nearest training caption, and their fidelity.

    Beside it that of the clips' own first captions: what says more than they do is not truer.
    """
    items = held_out.items(*sources)
    items = items[:: max(1, len(items) // most)][:most]
    predicted = held_out.predict([held_out.frames(item) for item in items], [""] * len(items))
    said = held_out.embedder.decode(predicted)
    fidelities = held_out.embedder.fidelity(predicted, said)
    true = held_out.embedder.fidelity(predicted, [item.captions[0] for item in items])
    nearest = nearest_captions(held_out, predicted, bank=bank)
    references = [item.captions for item in items]
    corpus = reference_corpus("references of the same clips", references)
    of_the_bank = cider_d(nearest, references, corpus=corpus).score
    cider = Row(
        name=f"captions of {name}, CIDEr-D",
        score=cider_d(said, references, corpus=corpus).score,
        num_items=len(items),
        baselines={"nearest training caption": of_the_bank},
        floor=of_the_bank,
        unit="CIDEr-D",
        protocol="query-free prediction, best of eight beams by fidelity and likelihood; "
        "IDF over the references of the same clips",
    )
    fidelity = Row(
        name=f"captions of {name}, fidelity",
        score=sum(fidelities) / len(fidelities),
        num_items=len(items),
        baselines={"a true caption": sum(true) / len(true)},
        floor=0.7,
        unit="cosine",
        protocol="cosine between the prediction and the decoded caption encoded again",
    )
    drawn = torch.randperm(len(items), generator=torch.Generator().manual_seed(0))[:shown].tolist()
    examples = [{"true": items[k].captions[0], "said": said[k], "fidelity": round(fidelities[k], 3)} for k in drawn]
    return Captioned(rows=(cider, fidelity), examples=examples)


def nearest_captions(held_out: HeldOut, predicted: Float[Tensor, "item dim"], *, bank: int) -> list[str]:
    """The training caption whose embedding is nearest to each prediction."""
    train = [item for item in held_out.features.items if item.split == "train" and not item.picture]
    captions = list(dict.fromkeys(item.captions[0] for item in train[:: max(1, len(train) // bank)]))
    texts = held_out.texts(captions)
    return [captions[place] for place in (predicted @ texts.T).argmax(-1).tolist()]


@dataclass(frozen=True, kw_only=True)
class JoinedStream:
    """Windows over clips shown one after the other, and what is true in which seconds."""

    embeddings: Float[Tensor, "window dim"]
    times: list[tuple[float, float]]
    truths: list[tuple[float, float, tuple[str, ...]]]


def joined_stream(held_out: HeldOut, items: Sequence[Item], *, hop: int = 2) -> JoinedStream:
    """Clips of equal length one after the other, seen through windows as long as a clip, `hop` frames apart."""
    frames = torch.cat([held_out.frames(item) for item in items])
    length = items[0].count
    starts = range(0, len(frames) - length + 1, hop)
    embeddings = held_out.predict([frames[start : start + length] for start in starts], [""] * len(starts))
    return JoinedStream(
        embeddings=embeddings,
        times=[(start / FRAMES_PER_SECOND, (start + length) / FRAMES_PER_SECOND) for start in starts],
        truths=[
            (k * length / FRAMES_PER_SECOND, (k + 1) * length / FRAMES_PER_SECOND, item.captions)
            for k, item in enumerate(items)
        ],
    )


def selective_curve(held_out: HeldOut, *, streams: int) -> dict[str, Any]:
    """CIDEr-D of each true caption against the decoded text nearest in time, by policy and rate (paper, 4.6).

    Selective is the paper's clustering with the mean of each segment; `evaluate selective` measures all other ways.
    """
    items = held_out.items("physics")
    random = torch.Generator().manual_seed(0)
    order = torch.randperm(len(items), generator=random).tolist()
    groups = [order[k * CLIPS_A_STREAM : (k + 1) * CLIPS_A_STREAM] for k in range(streams)]
    joined = [joined_stream(held_out, [items[place] for place in group]) for group in groups if len(group) > 1]
    trees = [chain_ward(stream.embeddings) for stream in joined]
    references = [captions for stream in joined for _, _, captions in stream.truths]
    corpus = reference_corpus("captions of the joined clips", references)
    curve: dict[str, Any] = {"rates": list(RATES), "streams": len(joined), "clips_a_stream": CLIPS_A_STREAM}
    policies: dict[str, Policy] = {"selective": "ward", "uniform": "uniform"}
    for name, policy in policies.items():
        scores = []
        for rate in RATES:
            said: list[str] = []
            for stream, tree in zip(joined, trees, strict=True):
                points = decode_points(
                    policy, stream.embeddings, times=stream.times, decodes_per_second=rate, pooling="mean", tree=tree
                )
                said += _nearest_in_time(held_out.embedder, points, stream)
            scores.append(round(cider_d(said, references, corpus=corpus).score, 4))
        curve[name] = scores
    curve["fewer_decodes_than_uniform_1_hz"] = _saving(curve)
    return curve


def _nearest_in_time(embedder: Embedder, points: Sequence[DecodePoint], stream: JoinedStream) -> list[str]:
    said = embedder.decode(torch.stack([point.embedding for point in points]))
    middles = [(start + end) / 2 for start, end, _ in stream.truths]
    return [said[min(range(len(points)), key=lambda k: abs(points[k].time - middle))] for middle in middles]


def _saving(curve: dict[str, Any]) -> float | None:
    """1 Hz over the rate, linear between measured ones, at which selective reaches uniform at 1 Hz; None: never."""
    wanted = curve["uniform"][list(RATES).index(1.0)]
    scores = curve["selective"]
    for k, score in enumerate(scores):
        if score >= wanted:
            if k == 0:
                return round(1 / RATES[0], 2)
            share = (wanted - scores[k - 1]) / (score - scores[k - 1])
            return round(1 / (RATES[k - 1] + share * (RATES[k] - RATES[k - 1])), 2)
    return None
