"""The rows of `evaluate small` that rank: retrieval, naming, answering."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from vljepa.data.asking import LABEL_QUERIES
from vljepa.evaluation.baselines import centred, conse, trained_head
from vljepa.evaluation.benchmarks.held_out import Frames, HeldOut, blinded, middle, shuffled
from vljepa.evaluation.metrics import bootstrap_interval, ranks, recall_at_k, same_captions
from vljepa.evaluation.report import Row
from vljepa.features import Item

PICTURE_SOURCES = ("openclipart", "fluent-pictures", "gcompris")
POOL = 500
PICTURES, PHOTOGRAPHS = "unseen pictures <-> captions, R@10", "photographs <-> descriptions, R@10"
# What the mean is over; the other kinds (left or right of, yes or no) stand beside it.
MEASURED_KINDS = ("colour", "count", "direction", "shape", "verb")
MEASURED_IN_TIME = ("order", "next")

# The least that was asked for before training: of the kinds of question named, of names among all of a source, and by
# how much captions are to be found better than by the baselines.
AIMS = {"pair": 0.9}
NAMED = {"people": 0.85, "metaworld": 0.75}
ABOVE_HEAD, TIMES_CONSE = 0.08, 1.5

# What is answered without looking, from the middle frame alone, and with the frames in another order.
WAYS = ("blind", "one frame", "shuffled")


@dataclass(frozen=True, kw_only=True)
class Names:
    """The thousand ImageNet classes as people call them."""

    names: tuple[str, ...]


def above_both(baselines: Mapping[str, float]) -> float:
    """The aim for pictures: so many points above ConSE and above the head."""
    return max(baselines["ConSE"], baselines["plain head"]) + ABOVE_HEAD


def well_above_conse(baselines: Mapping[str, float]) -> float:
    """The aim for photographs."""
    return TIMES_CONSE * baselines["ConSE"]


def retrieval_row(
    held_out: HeldOut,
    items: Sequence[Item],
    *,
    name: str,
    names: Names,
    head: torch.nn.Module,
    unseen: str,
    floor: Callable[[Mapping[str, float]], float],
) -> Row:
    """Recall at 10 from picture to caption and from caption to picture, averaged, beside ConSE and a plain head.

    `floor`: the least that is asked for, which depends on the baselines.
    """
    frames = [held_out.frames(item) for item in items]
    captions = [item.captions[0] for item in items]
    texts = held_out.texts(captions)
    classes = held_out.texts(list(names.names))
    hits = found_at_ten(held_out, items)
    believed = conse(held_out.posterior(frames), classes) @ centred(texts, classes).T
    learned = functional.normalize(head(held_out.pooled(frames)), dim=-1) @ texts.T
    baselines = {
        "chance": min(1.0, 10 / len(items)),
        "ConSE": float(_both_ways(believed, captions).mean()),
        "plain head": float(_both_ways(learned, captions).mean()),
        "plain head + ConSE": float(_both_ways(learned + believed, captions).mean()),
    }
    interval = bootstrap_interval(hits.float(), seed=0)
    return Row(
        name=name,
        score=float(hits.mean()),
        num_items=len(items),
        baselines=baselines,
        floor=floor(baselines),
        interval=(interval.low, interval.high),
        protocol=f"recall at 10, mean of both directions, pool {len(items)}, no query, first caption; {unseen}",
    )


def retrieved(held_out: HeldOut) -> dict[str, list[Item]]:
    """What captions are found for, by the names of the rows; sources that a corpus lacks have none."""
    found = {PICTURES: held_out.items(*PICTURE_SOURCES)[:POOL], PHOTOGRAPHS: held_out.items("openstax")}
    return {name: items for name, items in found.items() if items}


def found_at_ten(held_out: HeldOut, items: Sequence[Item]) -> Float[Tensor, "query"]:
    """Whether each item finds its first caption among ten of all, and each caption its item."""
    predicted = held_out.predict([held_out.frames(item) for item in items], [""] * len(items))
    captions = [item.captions[0] for item in items]
    return _both_ways(predicted @ held_out.texts(captions).T, captions)


def _both_ways(similarity: Float[Tensor, "item text"], captions: Sequence[str]) -> Float[Tensor, "query"]:
    same = same_captions(captions, captions)
    return (torch.cat([ranks(similarity, same), ranks(similarity.T, same)]) <= 10).double()


def head_on_training_pictures(held_out: HeldOut) -> torch.nn.Module:
    """The plain two-layer head, trained on the same training pictures as the model was."""
    items = [item for item in held_out.features.items if item.split == "train" and item.picture]
    frames = [held_out.frames(item) for item in items]
    texts = held_out.texts([item.captions[0] for item in items])
    return trained_head(held_out.pooled(frames), texts)


def emoji_row(held_out: HeldOut, *, pool: int = 100) -> Row:
    """Animated emoji with names that training never saw: the right name among the first ten of a hundred.

    Where the test split has fewer names, names of the training split fill the pool as distractors.
    """
    items = held_out.items("fluent-clips")
    own = list(dict.fromkeys(item.label for item in items))
    clips = [item for item in held_out.features.items if item.corpus == "fluent-clips"]
    others = [item.label for item in clips if item.label not in own]
    names = own + list(dict.fromkeys(others))[: max(0, pool - len(own))]
    texts = held_out.texts(names)
    predicted = held_out.predict([held_out.frames(item) for item in items], [""] * len(items))
    found = ranks(predicted @ texts.T, same_captions([item.label for item in items], names))
    return Row(
        name="animated emoji, unseen names, R@10",
        score=recall_at_k(found, 10),
        num_items=len(items),
        baselines={"chance": 10 / len(names)},
        interval=_interval((found <= 10).double()),
        floor=5 * 10 / len(names),
        protocol=f"clip to name, {len(own)} test names in a pool of {len(names)}, no query",
    )


def question_rows(held_out: HeldOut, *, most: int = 4000, ways: Sequence[str] = WAYS) -> list[Row]:
    """Right answers about physical scenes by kind of question, and their mean over what is measured.

    Scenes in which one thing comes after the other stand beside them, where the corpus has such.
    """
    rows, measured = [], []
    for source, name, kinds in (
        ("physics", "physics questions", MEASURED_KINDS),
        ("sequences", "questions about sequences", MEASURED_IN_TIME),
    ):
        items = held_out.items(source)
        found = answer_rows(held_out, items, name=name, ways=ways, unseen="unseen scenes and cameras", most=most)
        rows += found
        measured += [row for row in found if row.name.endswith(kinds)]
    return [_mean_row(measured), *rows]


def picture_question_rows(held_out: HeldOut, *, most: int = 3000, ways: Sequence[str] = ("blind",)) -> list[Row]:
    """Right answers about composed pictures: shapes in looks that training never shows, scenes of unseen things."""
    return [
        row
        for source, unseen in (("shapes", "unseen looks"), ("scenes", "unseen things"))
        if (items := held_out.items(source))
        for row in answer_rows(held_out, items, name=f"questions about {source}", ways=ways, unseen=unseen, most=most)
    ]


def action_rows(held_out: HeldOut, *, most: int = 4000, ways: Sequence[str] = WAYS) -> list[Row]:
    """What people and the robot arm do: named among all names of the source, then questions by kind."""
    return [
        row
        for source, name, unseen in (
            ("people", "people", "unseen scenes, heights and turns"),
            ("metaworld", "the robot arm", "unseen attempts and cameras"),
        )
        if (items := held_out.items(source))
        for row in (
            *label_rows(held_out, source, name=f"actions of {name}, top-1", unseen=unseen, ways=ways),
            *answer_rows(held_out, items, name=f"questions about {name}", ways=ways, unseen=unseen, most=most),
        )
    ]


def label_rows(held_out: HeldOut, source: str, *, name: str, unseen: str, ways: Sequence[str] = WAYS) -> list[Row]:
    """Clips of the source that have a name, named among all names that the source knows; no row where none has."""
    items = [item for item in held_out.items(source) if item.label]
    if not items:
        return []
    names = sorted({item.label for item in held_out.features.items if item.corpus == source and item.label})
    texts = held_out.texts(names)
    query = LABEL_QUERIES[0]
    right = {
        way: torch.tensor(
            [names[int((texts @ row).argmax())] == item.label for row, item in zip(predicted, items, strict=True)]
        ).double()
        for way, predicted in _seen(held_out, [held_out.frames(item) for item in items], [query] * len(items), ways)
    }
    frequent = max(sum(item.label == one for item in items) for one in names)
    baselines = {"chance": 1 / len(names), "the most frequent": frequent / len(items)}
    row = Row(
        name=name,
        score=float(right["score"].mean()),
        num_items=len(items),
        baselines=baselines | {way: float(right[way].mean()) for way in ways},
        floor=NAMED.get(source),
        interval=_interval(right["score"]),
        protocol=f'named among {len(names)}, asked "{query}"; {unseen}',
    )
    return [row]


def answer_rows(
    held_out: HeldOut, items: Sequence[Item], *, name: str, ways: Sequence[str], unseen: str, most: int
) -> list[Row]:
    """Right answers among the candidates by kind of question, beside chance and what is answered in other `ways`."""
    # All questions of an item or none: those of yes and no come in pairs, and every second one would be of one kind.
    total = sum(len(item.questions) for item in items)
    asked = [(item, question) for item in items[:: max(1, total // most)] for question in item.questions]
    frames = [held_out.frames(item) for item, _ in asked]
    right = {
        way: torch.tensor(
            [
                _best(held_out, row, question.candidates) == question.answer
                for row, (_, question) in zip(predicted, asked, strict=True)
            ]
        ).double()
        for way, predicted in _seen(held_out, frames, [question.query for _, question in asked], ways)
    }
    rows = []
    for kind in sorted({question.kind for _, question in asked}):
        chosen = torch.tensor([question.kind == kind for _, question in asked])
        chance = [1 / len(question.candidates) for _, question in asked if question.kind == kind]
        baselines = {"chance": sum(chance) / len(chance)}
        baselines |= {way: float(right[way][chosen].mean()) for way in ways}
        rows.append(
            Row(
                name=f"{name}: {kind}",
                score=float(right["score"][chosen].mean()),
                num_items=int(chosen.sum()),
                baselines=baselines,
                floor=AIMS.get(kind),
                interval=_interval(right["score"][chosen]),
                protocol=f"{unseen}; the candidate whose embedding is nearest to the prediction",
            )
        )
    return rows


def _seen(
    held_out: HeldOut, frames: Sequence[Frames], queries: Sequence[str], ways: Sequence[str]
) -> Iterator[tuple[str, Float[Tensor, "item dim"]]]:
    """Predictions from the frames as they are ("score"), then in each of the other ways."""
    encoder = held_out.embedder.bundle.model.x_encoder
    nothing = {count: blinded(encoder, some) for count, some in {len(some): some for some in frames}.items()}
    changes: dict[str, Callable[[int, Frames], Frames]] = {
        "score": lambda number, some: some,
        "blind": lambda number, some: nothing[len(some)],
        "one frame": lambda number, some: middle(some),
        "shuffled": lambda number, some: shuffled(some, seed=number),
    }
    for way in ("score", *ways):
        yield way, held_out.predict([changes[way](number, some) for number, some in enumerate(frames)], queries)


def _mean_row(rows: Sequence[Row]) -> Row:
    return Row(
        name=f"physics questions: mean of {len(rows)} kinds",
        score=sum(row.score for row in rows) / len(rows),
        num_items=sum(row.num_items for row in rows),
        baselines={way: sum(row.baselines[way] for row in rows) / len(rows) for way in rows[0].baselines},
        floor=0.85,
        protocol=f"plain mean over {', '.join(row.name.rpartition(': ')[2] for row in rows)}",
    )


def _best(held_out: HeldOut, row: Float[Tensor, "dim"], candidates: Sequence[str]) -> str:
    cosines = held_out.texts(candidates) @ row
    return candidates[int(cosines.argmax())]


def _interval(hits: Float[Tensor, "item"]) -> tuple[float, float]:
    found = bootstrap_interval(hits.float(), seed=0)
    return found.low, found.high


def naming_row(held_out: HeldOut, pictures: Sequence[tuple[bytes, int]], names: Names) -> Row:
    """ImageNet samples named among a thousand names, beside the frozen classifier that knows nothing else."""
    clips = [held_out.embedder.clip(content) for content, _ in pictures]
    frames = [held_out.embedder.frame_features(held_out.embedder.squares(clip)).float().cpu() for clip in clips]
    predicted = held_out.predict(frames, [""] * len(frames))
    texts = held_out.texts(list(names.names))
    truth = torch.tensor([label for _, label in pictures])
    first = (predicted @ texts.T).argmax(-1) == truth
    posterior = held_out.posterior(frames)
    consed = (conse(posterior, texts) @ centred(texts, texts).T).argmax(-1) == truth
    return Row(
        name="ImageNet samples named among 1000",
        score=float(first.double().mean()),
        num_items=len(pictures),
        baselines={
            "chance": 0.001,
            "ConSE": float(consed.double().mean()),
            "classifier": float((posterior.argmax(-1) == truth).double().mean()),
        },
        floor=0.75,
        protocol="foolbox's 20 samples, bare class names, no query; the classifier is not zero-shot",
    )
