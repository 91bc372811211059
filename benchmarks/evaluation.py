"""`evaluate` on a set of clips against a bare loop that decodes and predicts: how much do honesty and receipts cost?

The set is MSR-VTT's form with clips made on the spot (640x360, two seconds). The bare loop reads a clip as every verb
does, eight of them together through X-Encoder and Predictor, once, and ranks. `evaluate` hashes each file, sees it
whole, blind, in one frame and shuffled, keeps the embeddings and writes rows with intervals. Both alternate in one run.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from vljepa.data.encode import encode_mp4
from vljepa.embedder import Embedder
from vljepa.evaluation.backends.ours import Ours
from vljepa.evaluation.public import evaluate_public
from vljepa.evaluation.runners.seeing import CLIPS_AT_ONCE
from vljepa.evaluation.sets.known import KNOWN

AIM = 0.8
BENCHMARK = KNOWN["msrvtt"]


def make_set(root: Path, clips: int) -> None:
    """Clips that each show another part of a picture, and a caption for each."""
    large = np.asarray(Image.effect_mandelbrot((1000, 560), (-2, -1.2, 1, 1.2), 80).convert("RGB"))
    rows = ["key,vid_key,video_id,sentence"]
    (root / BENCHMARK.settings.media).mkdir()
    for number in range(clips):
        left, top = 9 * number % 250, 7 * number % 150
        views = [large[top + step : top + step + 360, left + step : left + step + 640] for step in range(48)]
        video = root / BENCHMARK.settings.media / f"video{number}.mp4"
        video.write_bytes(encode_mp4(torch.from_numpy(np.stack(views)), fps=24.0))
        rows.append(f"ret{number},msr{number},video{number},a view of part {number}")
    (root / BENCHMARK.files[0]).write_text("\n".join(rows) + "\n")


def bare(embedder: Embedder, root: Path) -> None:
    """What has to be done in any case."""
    videos = sorted((root / BENCHMARK.settings.media).iterdir())
    query = BENCHMARK.settings.query
    predicted = [
        embedder.predict(
            embedder.visual([embedder.clip(video) for video in videos[first : first + CLIPS_AT_ONCE]]), query
        )
        for first in range(0, len(videos), CLIPS_AT_ONCE)
    ]
    texts = embedder.texts([f"a view of part {number}" for number in range(len(videos))])
    (texts @ torch.cat(predicted).T).argmax(dim=1)


def seconds(call: Callable[[], object]) -> tuple[float, float]:
    """Wall and processor time of one call."""
    begin, spent = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - begin, time.process_time() - spent


def main() -> None:
    """Print clips a second of both, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    embedder = Embedder.from_folder()
    backend = Ours(embedder)
    with tempfile.TemporaryDirectory() as folder:
        root, cache = Path(folder), Path(folder) / "cache"
        make_set(root, options.clips)

        def evaluate(into: Path | None) -> object:
            settings = BENCHMARK.settings
            return evaluate_public(BENCHMARK, backend, root, settings=settings, cache=into, command="benchmark")

        seconds(lambda: bare(embedder, root))
        theirs, ours = [], []
        for _ in range(options.rounds):
            theirs.append(seconds(lambda: bare(embedder, root)))
            ours.append(seconds(lambda: evaluate(None)))
        evaluate(cache)
        again = seconds(lambda: evaluate(cache))[0]
    print(f"threads {torch.get_num_threads()}, {options.clips} clips, {options.rounds} rounds")
    for place, clock in enumerate(("second", "processor second")):
        plain, whole = (statistics.median(times[place] for times in rounds) for rounds in (theirs, ours))
        print(f"bare loop: {options.clips / plain:.2f} clips a {clock}")
        print(
            f"evaluate: {options.clips / whole:.2f} clips a {clock}, {plain / whole:.2f} of the bare loop (aim {AIM})"
        )
    print(f"again, with known embeddings: {options.clips / again:.0f} clips a second")


if __name__ == "__main__":
    main()
