"""How long one clip takes, split as in the paper (section 4.5, its figure): frames are in memory, one prompt, medians.

VL-JEPA: query embedding, encoder and Predictor, text decoding only when text is wanted. Token VLM: encoder and
language model, which cannot be without the words.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

from vljepa.experiments.arms import Ready
from vljepa.experiments.ground import Ground
from vljepa.experiments.settings import Cell
from vljepa.features import frame_features
from vljepa.models.token_vlm import TokenVLM
from vljepa.models.y_decoder import Said, YDecoder

PROMPT = "Describe this video in one sentence."
ROUNDS = 12


def latencies(cell: Cell, arm: Ready, ground: Ground, *, decoder: YDecoder | None) -> dict[str, Any]:
    """Median milliseconds of each part for one clip, and how many tokens were said.

    Pixels are noise: the X-Encoder takes as long for any, and what follows it looks at a held-out clip's features.
    """
    item, model, bundle = ground.items[0], arm.model, arm.bundle
    device = model.token_table.weight.device
    pixels = torch.randint(0, 256, (item.count, 3, 224, 224), dtype=torch.uint8)
    frames = ground.features.frames(item)[None].to(device)
    query = bundle.query_tokenizer([PROMPT]).to(device)

    def encode() -> None:
        frame_features(model.x_encoder, pixels, bundle.processor)

    with torch.inference_mode():
        if isinstance(model, TokenVLM):
            said: list[list[int]] = []

            def generate() -> None:
                said[:] = model.generate(model.x_encoder.tokens(frames), query, max_tokens=cell.max_tokens)

            found: dict[str, Any] = {"encoder": _median(encode, device), "language_model": _median(generate, device)}
            return found | {"tokens": len(said[0])}
        found = {
            "query": _median(lambda: model.token_table(bundle.query_tokenizer([PROMPT]).to(device).ids), device),
            "encoder": _median(encode, device),
            "predictor": _median(lambda: model.predict(model.x_encoder.tokens(frames), query).cpu(), device),
        }
        if decoder is None:
            return found
        embedding = model.predict(model.x_encoder.tokens(frames), query)
        texts: list[list[Said]] = []

        def decode() -> None:
            texts[:] = decoder.generate(embedding, model.token_table.weight, max_tokens=cell.max_tokens)

        found["decoder"] = _median(decode, device)
        return found | {"tokens": len(texts[0][0].ids)}


def _median(work: Callable[[], Any], device: torch.device) -> float:
    """CPU time where the CPU does the work, which other processes do not disturb; the clock's where a GPU does."""
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    work()
    taken = []
    for _ in range(ROUNDS):
        since = clock()
        work()
        taken.append(clock() - since)
    return round(1000 * statistics.median(taken), 3)
