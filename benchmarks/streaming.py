"""What `watch` costs: speed against real time, where the time goes, against other ways to speak, and memory.

A made-up film with a new scene every few seconds, at 360p and 1080p, is watched online with the shipped model. Parts,
each of which can be run alone (`--parts`):

  shares    processor seconds of reading (decoding and scaling, which runs beside the rest), X-Encoder, Predictor and
            Y-Decoder, on one thread, since what further threads spend inside a part cannot be told apart
  every     the same film with each window decoded
  baseline  the same film captioned once a second by the token VLM of `vljepa train baseline`: same reading, frames and
            X-Encoder, then all layers of the published language model (fetched into --cache), which say for each window
            as many tokens as the Y-Decoder's captions have on average. It is untrained: what it says is worth nothing,
            and what that takes is what it would take after training
  memory    the film in a loop, as an endless stream: what the process holds after 10 minutes of stream and after 2
            hours of it (`--memory 10 120`; fewer minutes say less)

Command: OMP_NUM_THREADS=2 python benchmarks/streaming.py [--parts shares every baseline memory] [--seconds 60]
"""

import argparse
import gc
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch

from vljepa.data import video as video_module
from vljepa.data.decoding import Decoder
from vljepa.data.shots import Footage, Shot
from vljepa.data.video import Video
from vljepa.embedder import Embedder
from vljepa.recipes.baseline import published_layers
from vljepa.streaming.stream import WindowSettings, embedded_stream
from vljepa.streaming.watch import Event, WatchSettings, watch
from vljepa.weights.token_vlm import num_layers, start_token_vlm

RATE, SCENE_SECONDS = 30, 6
SIZES = {"360p": (640, 360), "1080p": (1920, 1080)}
SETTINGS = WatchSettings(online="clear", rate=0.2)
BASELINE_HZ = 1.0
CALLS = {
    "frame_features": "X-Encoder",
    "predict": "Predictor",
    "tokens_from_features": "Predictor",
    "decode": "Y-Decoder",
}


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Seconds by the clock and of the processor, and what was made with them."""

    wall: float
    cpu: float
    events: list[Event]

    @property
    def summary(self) -> Event:
        """The last event."""
        return self.events[-1]


def cost(work: Callable[[], list[Event]]) -> Cost:
    """What some work takes."""
    wall, cpu = time.perf_counter(), time.process_time()
    events = work()
    return Cost(wall=time.perf_counter() - wall, cpu=time.process_time() - cpu, events=events)


def watched(path: Path, embedder: Embedder, settings: WatchSettings = SETTINGS) -> Cost:
    """What watching a film takes."""
    return cost(lambda: list(watch(path, embedder, settings=settings)))


def film(path: Path, width: int, height: int, seconds: int) -> Path:
    """Textures that move, another one every SCENE_SECONDS."""
    generator = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(RATE), options={"preset": "ultrafast", "crf": "23"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(seconds * RATE):
            if number % (SCENE_SECONDS * RATE) == 0:
                texture = generator.integers(0, 255, (height // 40, width // 40, 3), dtype=np.uint8)
                picture = np.kron(texture, np.ones((40, 40, 1), dtype=np.uint8))
            moved = np.roll(picture, 3 * number, axis=1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(moved, format="rgb24")))
        container.mux(stream.encode(None))
    return path


class Timed:
    """Counts the processor seconds of an embedder's parts on this thread, while the `with` statement lasts."""

    def __init__(self, embedder: Embedder) -> None:
        self.spent: Counter[str] = Counter()
        self._embedder = embedder

    def __enter__(self) -> "Timed":
        for name, part in CALLS.items():
            setattr(self._embedder, name, self._counted(getattr(self._embedder, name), part))
        return self

    def __exit__(self, *_: object) -> None:
        for name in CALLS:
            delattr(self._embedder, name)

    def _counted(self, call: Callable[..., Any], part: str) -> Callable[..., Any]:
        def counted(*arguments: Any, **named: Any) -> Any:
            begin = time.thread_time()
            try:
                return call(*arguments, **named)
            finally:
                self.spent[part] += time.thread_time() - begin

        return counted


def reading(path: Path, embedder: Embedder) -> float:
    """Processor seconds of decoding and scaling alone."""
    begin = time.process_time()
    with Video(path, size=embedder.side) as video:
        for _ in video.iterate(rate=embedder.num_frames / SETTINGS.window):
            pass
    return time.process_time() - begin


def shares(path: Path, embedder: Embedder) -> None:
    """Print where the processor's time goes."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with Timed(embedder) as timed:
            watched(path, embedder)
        spent = {"reading": reading(path, embedder), **timed.spent}
    finally:
        torch.set_num_threads(threads)
    print("  processor seconds: " + ", ".join(f"{part} {seconds:.1f}" for part, seconds in spent.items()))
    print("  share: " + ", ".join(f"{part} {seconds / sum(spent.values()):.0%}" for part, seconds in spent.items()))


def every(path: Path, embedder: Embedder, ours: Cost) -> None:
    """Print what decoding each window takes."""
    theirs = watched(path, embedder, replace(SETTINGS, online=None, decode="every"))
    compared(f"every window decoded ({theirs.summary['decodes']} decodes)", theirs, ours)


class Captioning(Embedder):
    """Where a stream's windows are embedded, the token VLM says something about each of them."""

    def __init__(self, embedder: Embedder, *, cache: Path, num_tokens: int) -> None:
        super().__init__(embedder.bundle, device=embedder.device)
        layers = published_layers(cache)
        started = start_token_vlm(embedder.bundle, layers, layers=tuple(range(num_layers(layers))))
        self.vlm = started.model.to(next(embedder.bundle.model.predictor.parameters()).dtype).eval()
        self.vlm.settings = replace(self.vlm.settings, stop=-1)  # untrained, it would end anywhere
        self.num_tokens, self.captions = num_tokens, 0

    def predict(self, visual: torch.Tensor, query: str = "") -> torch.Tensor:
        """Say as many tokens as it was told to of each clip; no embedding comes of that."""
        with torch.inference_mode():
            said = self.vlm.generate(
                visual, self.bundle.query_tokenizer([query] * len(visual)), max_tokens=self.num_tokens
            )
        assert {len(text) for text in said} == {self.num_tokens}
        self.captions += len(said)
        return torch.zeros(len(visual), self.dim)


def baseline(path: Path, embedder: Embedder, ours: Cost, cache: Path) -> None:
    """Print what the token VLM takes to caption the film once a second."""
    captions = [event["caption"] for event in ours.events if event["event"] == "segment"]
    lengths = [len(embedder.bundle.decoder_tokenizer.ids(caption)) for caption in captions]
    captioning = Captioning(embedder, cache=cache, num_tokens=max(1, round(float(np.mean(lengths)))))
    settings = WindowSettings(window=SETTINGS.window, hop=1 / BASELINE_HZ)

    def caption() -> list[Event]:
        embedded_stream(path, captioning, settings=settings)
        return []

    theirs = cost(caption)
    number = sum(parameter.numel() for parameter in captioning.vlm.generator.layers.parameters())
    compared(
        f"token VLM ({number / 1e6:.0f}M parameters behind the same X-Encoder, untrained, which does not matter for "
        f"the time) at {BASELINE_HZ:g} Hz: {captioning.captions} captions of {captioning.num_tokens} tokens",
        theirs,
        ours,
    )


def compared(what: str, theirs: Cost, ours: Cost) -> None:
    """Print one way to speak beside selective decoding."""
    print(
        f"  {what}: {theirs.wall:.1f} s and {theirs.cpu:.1f} processor seconds, "
        f"{theirs.wall / ours.wall:.2f} and {theirs.cpu / ours.cpu:.2f} times selective decoding's"
    )


def speed(name: str, ours: Cost) -> None:
    """Print one size's time against the film's."""
    summary, media = ours.summary, ours.summary["seconds_media"]
    print(
        f"\n{name}: {media:.0f} s of film, {summary['windows']} windows, {summary['decodes']} decodes in "
        f"{ours.wall:.1f} s: {media / ours.wall:.1f} times real time; {ours.cpu:.1f} processor seconds, "
        f"{media / ours.cpu:.1f} s of film for each"
    )


class Loop(Decoder):
    """A file that begins anew at its end, as a source in real time that never ends."""

    def shots_from(self, seconds: float | None) -> Iterator[Shot]:
        """The file's shots again and again, later each time."""
        length, begin = self.duration or 0.0, 0.0
        while True:
            for shot in super().shots_from(0.0 if begin else seconds):
                yield replace(shot, seconds=shot.seconds + begin)
            begin += length


def resident() -> float:
    """MiB of memory that this process holds."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def memory(path: Path, embedder: Embedder, minutes: list[float]) -> None:
    """Print what the process holds after some minutes of an endless stream, and by how much that differs."""

    def opened(source: Path | bytes | str, *, size: int | None = None, fps: float | None = None) -> Footage:
        return Loop(path, size=size)

    held: list[float] = []
    real, video_module.open_footage = video_module.open_footage, opened
    begin = time.perf_counter()
    print()

    def look(seconds: float) -> None:
        """At the memory, when the stream has come so far: events may be an hour apart."""
        while len(held) < len(minutes) and seconds >= 60 * sorted(minutes)[len(held)]:
            held.append(resident())
            print(f"after {seconds / 60:.1f} minutes of stream: {held[-1]:.0f} MiB", flush=True)

    try:
        for _ in watch("loop", embedder, settings=replace(SETTINGS, end=60 * max(minutes) + 5), progress=look):
            pass
    finally:
        video_module.open_footage = real
    print(f"{held[-1] / held[0] - 1:+.1%} from first to last, in {time.perf_counter() - begin:.0f} s")


def main() -> None:
    """Print all of it, or the parts that are wanted."""
    parser = argparse.ArgumentParser()
    parts = ("shares", "every", "baseline", "memory")
    parser.add_argument("--parts", nargs="+", default=parts, choices=parts, help="default: all of them")
    parser.add_argument("--sizes", nargs="+", default=list(SIZES), choices=list(SIZES), help="default: both")
    parser.add_argument("--seconds", type=int, default=60, help="length of the films (default: 60)")
    parser.add_argument(
        "--memory", type=float, nargs="+", default=[10.0, 120.0], metavar="MINUTES", help="when to look at memory"
    )
    parser.add_argument("--cache", type=Path, default=Path("cache"), help="where packages are kept (default: cache)")
    options = parser.parse_args()
    embedder = Embedder.from_folder()
    with tempfile.TemporaryDirectory() as folder:
        for name in options.sizes:
            path = film(Path(folder) / f"{name}.mp4", *SIZES[name], options.seconds)
            if set(options.parts) - {"memory"}:
                watched(path, embedder, replace(SETTINGS, end=2.0))  # what only the first call costs
                ours = watched(path, embedder)
                speed(name, ours)
            if "shares" in options.parts:
                shares(path, embedder)
            if "every" in options.parts:
                every(path, embedder, ours)
            if "baseline" in options.parts:
                baseline(path, embedder, ours, options.cache)
        if "memory" in options.parts:
            memory(film(Path(folder) / "loop.mp4", *SIZES["360p"], options.seconds), embedder, options.memory)


if __name__ == "__main__":
    main()
