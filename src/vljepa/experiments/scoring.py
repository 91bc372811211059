"""Scores of an arm on the ground's held-out samples, item by item: figures and intervals are made from these alone.

Zero-shot classification is the nearest embedding against the lowest perplexity, captioning the Y-Decoder against
generation (paper, section 4.5); retrieval and questions are the ablations' (section 4.8), for VL-JEPA alone.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from vljepa.evaluation.captions import cider_d, reference_corpus
from vljepa.evaluation.metrics import label_ranks, ranks, same_captions
from vljepa.experiments.arms import Ready
from vljepa.experiments.ground import Ground
from vljepa.experiments.settings import Cell
from vljepa.features import Item
from vljepa.models.token_vlm import TokenVLM
from vljepa.models.vljepa import VLJEPA
from vljepa.models.y_decoder import YDecoder
from vljepa.training.held_out import HeldOutByPerplexity
from vljepa.training.validate import CHUNK, Validator

Found = dict[str, Any]


def score(cell: Cell, arm: Ready, ground: Ground, *, decoder: YDecoder | None, dtype: torch.dtype) -> Found:
    """What the cell asks for, item by item: `label_ranks`, `captions` with `cider`, `caption_ranks`, `answers`."""
    device = arm.model.token_table.weight.device
    mixed = torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32)
    with torch.inference_mode(), mixed:
        if isinstance(arm.model, TokenVLM):
            return _of_vlm(cell, arm, ground, dtype)
        return _of_vljepa(cell, arm, ground, decoder, dtype)


def _of_vlm(cell: Cell, arm: Ready, ground: Ground, dtype: torch.dtype) -> Found:
    assert isinstance(arm.model, TokenVLM)
    model = arm.model
    look = HeldOutByPerplexity(
        items=ground.items,
        labels=ground.labels,
        features=ground.features,
        query_tokenizer=arm.bundle.query_tokenizer,
        text_tokenizer=arm.texts,
        dtype=dtype,
    )
    found: Found = {}
    if "named" in cell.scores and len(ground.labels) > 1:
        labelled = [item for item in ground.items if item.label]
        scores = torch.empty(len(labelled), len(ground.labels))
        for places in _alike(labelled):
            some = [labelled[place] for place in places]
            scores[places] = -look.perplexities(model, some, "", ground.labels).float()
        found |= _named(scores, labelled, ground.labels)
    if "said" in cell.scores:
        said = [""] * len(ground.items)
        for places in _alike(ground.items):
            frames = torch.stack([ground.features.frames(ground.items[place]) for place in places])
            visual = model.x_encoder.tokens(frames.to(model.token_table.weight.device))
            query = arm.bundle.query_tokenizer([""] * len(places)).to(visual.device)
            for place, ids in zip(places, model.generate(visual, query, max_tokens=cell.max_tokens), strict=True):
                said[place] = arm.texts.text(ids)
        found |= captioned(said, ground.items)
    return found


def _of_vljepa(cell: Cell, arm: Ready, ground: Ground, decoder: YDecoder | None, dtype: torch.dtype) -> Found:
    assert isinstance(arm.model, VLJEPA)
    model = arm.model
    look = Validator(
        features=ground.features,
        query_tokenizer=arm.bundle.query_tokenizer,
        target_tokenizer=arm.texts,
        class_names=(),
        dtype=dtype,
    )
    found: Found = {}
    predicted = predictions(look, model, ground.items, [""] * len(ground.items))
    if "named" in cell.scores and len(ground.labels) > 1:
        labelled = [place for place, item in enumerate(ground.items) if item.label]
        scores = predicted[labelled] @ look.texts(model, ground.labels).float().T
        found |= _named(scores, [ground.items[place] for place in labelled], ground.labels)
    if "said" in cell.scores and decoder is not None:
        found |= captioned(decoded(decoder, model, predicted, arm.bundle, max_tokens=cell.max_tokens), ground.items)
    if "found" in cell.scores:
        captions = [item.captions[0] for item in ground.items]
        similarity = predicted @ look.texts(model, captions).float().T
        found["caption_ranks"] = ranks(similarity, same_captions(captions, captions)).tolist()
    if "answered" in cell.scores:
        found["answers"] = _answers(look, model, ground.items)
    return found


def predictions(
    look: Validator, model: VLJEPA, items: Sequence[Item], queries: Sequence[str]
) -> Float[Tensor, "item dim"]:
    """Unit predicted embeddings in the items' order, whatever their numbers of frames."""
    rows = torch.empty(len(items), model.settings.predictor.shared)
    for places in _alike(items):
        rows[places] = look.predictions(
            model, [items[place] for place in places], [queries[place] for place in places]
        ).float()
    return rows


def decoded(
    decoder: YDecoder, model: VLJEPA, predicted: Float[Tensor, "item dim"], bundle: Any, *, max_tokens: int
) -> list[str]:
    """The likeliest text of each embedding, word by word, as the token VLM generates."""
    table = model.token_table.weight
    texts: list[str] = []
    for some in predicted.to(table.device).split(CHUNK):
        said = decoder.generate(some, table, max_tokens=max_tokens)
        texts += [bundle.decoder_tokenizer.text(beams[0].ids) for beams in said]
    return texts


def captioned(said: Sequence[str], items: Sequence[Item]) -> Found:
    """Captions with CIDEr-D of each; n-grams are weighed by the held-out references themselves, as papers do.

    `cider_of_others`: the same captions against the references of the next item, which is what saying the usual
    things earns without looking.
    """
    references = [[text for text in item.captions if text.strip()] for item in items]
    corpus = reference_corpus("held out", references)
    moved = [*references[1:], references[0]]
    return {
        "captions": list(said),
        "cider": [round(value, 5) for value in cider_d(said, references, corpus=corpus).each],
        "cider_of_others": [round(value, 5) for value in cider_d(said, moved, corpus=corpus).each],
    }


def _answers(look: Validator, model: VLJEPA, items: Sequence[Item]) -> list[Mapping[str, Any]]:
    asked = [(item, question) for item in items for question in item.questions if len(question.candidates) > 1]
    if not asked:
        return []
    questions = [question for _, question in asked]
    predicted = predictions(look, model, [item for item, _ in asked], [question.query for question in questions])
    right = look.right_answers(model, predicted, questions)
    return [{"kind": question.kind, "right": hit} for question, hit in zip(questions, right, strict=True)]


def _named(scores: Float[Tensor, "item label"], items: Sequence[Item], labels: Sequence[str]) -> Found:
    """Ranks of the right names. `even_label_ranks`: after each name's mean over the clips was taken off, for whoever
    likes some names better than others whatever is seen: a language model likes the usual ones."""
    truth = torch.tensor([labels.index(item.label) for item in items])
    return {
        "label_ranks": label_ranks(scores, truth).tolist(),
        "even_label_ranks": label_ranks(scores - scores.mean(0), truth).tolist(),
    }


def _alike(items: Sequence[Item]) -> list[list[int]]:
    """Places of items that share a number of frames."""
    counts = sorted({item.count for item in items})
    return [[place for place, item in enumerate(items) if item.count == count] for count in counts]
