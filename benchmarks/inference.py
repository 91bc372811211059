"""One picture and one clip of 8 frames through `classify`, against the same parts called plainly in float32.

Plainly: the modules as transformers and torch give them, float32, no memory format of choice, labels encoded anew. Both
sides alternate in one run and the medians are compared, so that a noisy machine is noisy for both.
"""

import io
import statistics
import time
from collections.abc import Callable

import torch
from PIL import Image

from vljepa.data.encode import encode_mp4
from vljepa.embedder import Embedder, shipped_folder
from vljepa.tasks.classify import classify
from vljepa.weights.folder import load_folder

LABELS = ("a dog", "a cat", "a car", "a red ball", "a person walking", "a house", "a tree", "a boat")
ROUNDS, WARM = 15, 2


def media() -> dict[str, bytes]:
    """A picture of 640x480 and a clip of 2 seconds at 640x360, made on the spot."""
    picture = io.BytesIO()
    Image.effect_mandelbrot((640, 480), (-2, -1.2, 1, 1.2), 80).convert("RGB").save(picture, "JPEG")
    frames = torch.randint(0, 255, (48, 36, 64, 3), dtype=torch.uint8)
    frames = frames.repeat_interleave(10, 1).repeat_interleave(10, 2)
    return {"one picture": picture.getvalue(), "clip of 8 frames": encode_mp4(frames, fps=24.0)}


def plain(embedder: Embedder) -> Callable[[bytes], torch.Tensor]:
    """The same weights in float32, part after part, with nothing kept."""
    bundle = load_folder(shipped_folder(), dtype=torch.float32)
    model = bundle.model

    @torch.inference_mode()
    def run(content: bytes) -> torch.Tensor:
        clip = embedder.clip(content)
        pixels = bundle.processor.pixels(bundle.processor.frames_from_clip(clip))
        maps = model.x_encoder.features(pixels.contiguous())
        predicted = model.predict(model.x_encoder.tokens(maps[None]), bundle.query_tokenizer([""]))
        return predicted @ model.encode_text(bundle.target_tokenizer(LABELS)).T

    return run


def seconds(call: Callable[[bytes], object], content: bytes) -> float:
    """Wall time of one call."""
    begin = time.perf_counter()
    call(content)
    return time.perf_counter() - begin


def main() -> None:
    """Print medians and ratios."""
    embedder = Embedder.from_folder()
    slow = plain(embedder)

    def fast(content: bytes) -> object:
        return classify(embedder, [embedder.clip(content)], labels=LABELS, query="")

    print(f"threads {torch.get_num_threads()}, {torch.get_default_dtype()}, rounds {ROUNDS}")
    for name, content in media().items():
        ours, theirs = [], []
        for _ in range(ROUNDS + WARM):
            ours.append(seconds(fast, content))
            theirs.append(seconds(slow, content))
        quick, plainly = statistics.median(ours[WARM:]), statistics.median(theirs[WARM:])
        print(f"{name}: ours {quick * 1e3:.0f} ms, plainly {plainly * 1e3:.0f} ms, {plainly / quick:.2f} times as fast")


if __name__ == "__main__":
    main()
