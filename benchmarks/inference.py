"""One picture and one clip of 8 frames through `classify`, against the same parts called plainly in float32.

Plainly: PIL, or every frame through PyAV and eight of them kept, as the examples of video models do it; transformers'
own classes and torch as they come, float32, no memory format of choice, labels encoded anew. Both sides alternate in
one run and the medians are compared, so that a noisy machine is noisy for both.
"""

import io
import statistics
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import av
import numpy as np
import torch
from PIL import Image
from torch.nn import functional

from vljepa.data.encode import encode_mp4
from vljepa.embedder import Embedder, shipped_folder
from vljepa.models.bert import Bert
from vljepa.models.llama import Llama
from vljepa.models.predictor import masked_mean
from vljepa.tasks.classify import classify
from vljepa.types import Clip
from vljepa.weights import convert
from vljepa.weights.folder import load_folder

if TYPE_CHECKING:
    from transformers import BertModel, LlamaModel

LABELS = ("a dog", "a cat", "a car", "a red ball", "a person walking", "a house", "a tree", "a boat")
ROUNDS, WARM = 15, 2


def media() -> dict[str, bytes]:
    """A picture of 640x480, and two seconds at 640x360 of a camera that moves over a large one, made on the spot."""
    picture = io.BytesIO()
    Image.effect_mandelbrot((640, 480), (-2, -1.2, 1, 1.2), 80).convert("RGB").save(picture, "JPEG")
    large = np.asarray(Image.effect_mandelbrot((900, 500), (-2, -1.2, 1, 1.2), 80).convert("RGB"))
    views = [large[2 * step : 2 * step + 360, 4 * step : 4 * step + 640] for step in range(48)]
    return {
        "one picture": picture.getvalue(),
        "clip of 8 frames": encode_mp4(torch.from_numpy(np.stack(views)), fps=24.0),
    }


def llama(ours: Llama) -> "LlamaModel":
    """The same weights in transformers' own class, every position open to every other."""
    from transformers import LlamaConfig, LlamaModel

    settings = ours.settings
    theirs = LlamaModel(
        LlamaConfig(
            vocab_size=1,
            hidden_size=settings.hidden,
            intermediate_size=settings.intermediate,
            num_hidden_layers=len(settings.layers),
            num_attention_heads=settings.heads,
            num_key_value_heads=settings.key_value_heads,
            rms_norm_eps=settings.norm_epsilon,
            rope_parameters={"rope_type": "default", "rope_theta": settings.rope_theta},
            is_causal=False,
        )
    )
    theirs.load_state_dict(ours.state_dict() | {"embed_tokens.weight": torch.zeros(1, settings.hidden)})
    return theirs.eval()


def bert(ours: Bert) -> "BertModel":
    """The same weights in transformers' own class."""
    from transformers import BertConfig, BertModel

    settings = ours.embeddings.words.weight.shape
    layer = ours.layers[0]
    theirs = BertModel(
        BertConfig(
            vocab_size=settings[0],
            hidden_size=settings[1],
            intermediate_size=layer.widened.out_features,
            num_hidden_layers=len(ours.layers),
            num_attention_heads=layer.heads,
        ),
        add_pooling_layer=False,
    )
    published = {key: ours.state_dict()[name] for key, name in published_bert_names(theirs.state_dict()).items()}
    theirs.load_state_dict(published)
    return theirs.eval()


def published_bert_names(tensors: dict[str, torch.Tensor]) -> dict[str, str]:
    """Our name of each published tensor, found by sending numbered tensors through the importer."""
    keys = list(tensors)
    numbered = {key: torch.tensor(number) for number, key in enumerate(keys)}
    return {keys[int(number)]: name for name, number in convert.bert(numbered, name="names").items()}


def plain_clip(content: bytes) -> Clip:
    """A picture, or eight of a video's frames evenly spread."""
    if content[:2] == b"\xff\xd8":
        picture = torch.from_numpy(np.array(Image.open(io.BytesIO(content)).convert("RGB")))
        return Clip(frames=picture[None], times=torch.zeros(1))
    with av.open(io.BytesIO(content)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    chosen = np.linspace(0, len(frames) - 1, 8).round().astype(int)
    return Clip(frames=torch.from_numpy(np.stack([frames[place] for place in chosen])), times=torch.zeros(8))


def plain() -> Callable[[bytes], torch.Tensor]:
    """The same weights in float32, part after part, with nothing kept."""
    bundle = load_folder(shipped_folder(), dtype=torch.float32)
    model, predictor = bundle.model, bundle.model.predictor
    layers, text_body = llama(predictor.layers), bert(model.y_encoder.body)

    def encode(labels: Sequence[str]) -> torch.Tensor:
        texts = bundle.target_tokenizer(list(labels))
        states = text_body(input_ids=texts.ids, attention_mask=texts.mask.long()).last_hidden_state
        return functional.normalize(model.y_encoder.head(masked_mean(states, texts.mask)), dim=-1)

    @torch.inference_mode()
    def run(content: bytes) -> torch.Tensor:
        clip = plain_clip(content)
        pixels = bundle.processor.pixels(bundle.processor.frames_from_clip(clip))
        visual = model.x_encoder.tokens(model.x_encoder.features(pixels.contiguous())[None])
        query = bundle.query_tokenizer([""])
        words = predictor.query_projection(model.token_table(query.ids))
        tokens = torch.cat([predictor.visual_projection(visual), words], dim=1)
        hidden = layers(inputs_embeds=tokens, attention_mask=None, use_cache=False).last_hidden_state
        predicted = functional.normalize(predictor.head(hidden.mean(1)), dim=-1)
        return predicted @ encode(LABELS).T

    return run


def check_same(embedder: Embedder, slow: Callable[[bytes], torch.Tensor], content: bytes) -> None:
    """Both sides must compute the same thing, up to what bfloat16 loses."""
    with torch.inference_mode():
        ours = embedder.predict_clips([embedder.clip(content)]) @ embedder.texts(LABELS).T
    difference = float((ours - slow(content)).abs().max())
    if difference > 0.05:
        raise SystemExit(f"the two sides differ by {difference:.3f} in cosine: the comparison would mean nothing")
    print(f"largest difference between the two sides: {difference:.3f} in cosine")


def seconds(call: Callable[[bytes], object], content: bytes) -> float:
    """Wall time of one call."""
    begin = time.perf_counter()
    call(content)
    return time.perf_counter() - begin


def main() -> None:
    """Print medians and ratios."""
    embedder = Embedder.from_folder()
    slow = plain()

    def fast(content: bytes) -> object:
        return classify(embedder, [embedder.clip(content)], labels=LABELS, query="")

    print(f"threads {torch.get_num_threads()}, {torch.get_default_dtype()}, rounds {ROUNDS}")
    for name, content in media().items():
        check_same(embedder, slow, content)
        ours, theirs = [], []
        for _ in range(ROUNDS + WARM):
            ours.append(seconds(fast, content))
            theirs.append(seconds(slow, content))
        quick, plainly = statistics.median(ours[WARM:]), statistics.median(theirs[WARM:])
        print(f"{name}: ours {quick * 1e3:.0f} ms, plainly {plainly * 1e3:.0f} ms, {plainly / quick:.2f} times as fast")


if __name__ == "__main__":
    main()
