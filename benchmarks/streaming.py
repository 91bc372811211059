"""What `watch` costs: speed against real time, where the time goes, against decoding every window, and memory.

Speed: a made-up film with a new scene every few seconds, at 360p and 1080p, watched online with the shipped model. The
shares are processor seconds: of reading alone (decoding and scaling, which runs beside the rest), and inside the
X-Encoder, Predictor and Y-Decoder. Memory: the film in a loop, as an endless stream; what the process holds after 10
minutes of stream and after 2 hours of it (`--memory 10 120`; fewer minutes say less).
Command: OMP_NUM_THREADS=2 python benchmarks/streaming.py [--seconds 60] [--memory 10 120]
"""

import argparse
import gc
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from vljepa.data import video as video_module
from vljepa.data.decoding import Decoder
from vljepa.data.shots import Footage, Shot
from vljepa.data.video import Video
from vljepa.embedder import Embedder
from vljepa.streaming.watch import WatchSettings, watch

RATE, SCENE_SECONDS = 30, 6
SIZES = {"360p": (640, 360), "1080p": (1920, 1080)}
SETTINGS = WatchSettings(online="clear", rate=0.2)
PARTS = {
    "frame_features": "X-Encoder",
    "predict": "Predictor",
    "tokens_from_features": "Predictor",
    "decode": "Y-Decoder",
}


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
    """Counts the processor seconds of an embedder's parts, while the `with` statement lasts."""

    def __init__(self, embedder: Embedder) -> None:
        self.spent: Counter[str] = Counter()
        self._embedder = embedder

    def __enter__(self) -> "Timed":
        for name, part in PARTS.items():
            setattr(self._embedder, name, self._counted(getattr(self._embedder, name), part))
        return self

    def __exit__(self, *_: object) -> None:
        for name in PARTS:
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


def speed(name: str, path: Path, embedder: Embedder) -> None:
    """Print one size's times."""
    begin, cpu = time.perf_counter(), time.process_time()
    with Timed(embedder) as timed:
        *_, summary = watch(path, embedder, settings=SETTINGS)
    wall, cpu = time.perf_counter() - begin, time.process_time() - cpu
    begin = time.perf_counter()
    *_, every = watch(path, embedder, settings=replace(SETTINGS, online=None, decode="every"))
    wall_every = time.perf_counter() - begin
    media = summary["seconds_media"]
    print(
        f"\n{name}: {media:.0f} s of film, {summary['windows']} windows, {summary['decodes']} decodes in {wall:.1f} s: "
        f"{media / wall:.1f} times real time; {cpu:.1f} processor seconds, {media / cpu:.1f} s of film for each"
    )
    spent = {"reading": reading(path, embedder), **timed.spent}
    print("  processor seconds: " + ", ".join(f"{part} {seconds:.1f}" for part, seconds in spent.items()))
    print("  share: " + ", ".join(f"{part} {seconds / sum(spent.values()):.0%}" for part, seconds in spent.items()))
    print(
        f"  every window decoded ({every['decodes']} decodes): {wall_every:.1f} s, {wall_every / wall:.1f} times that"
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
    reached = [0.0]
    real, video_module.open_footage = video_module.open_footage, opened
    begin = time.perf_counter()
    print()
    try:
        settings = replace(SETTINGS, end=60 * max(minutes) + 5)
        for _ in watch("loop", embedder, settings=settings, progress=reached.append):
            while len(held) < len(minutes) and reached[-1] >= 60 * sorted(minutes)[len(held)]:
                held.append(resident())
                print(f"after {reached[-1] / 60:.1f} minutes of stream: {held[-1]:.0f} MiB")
            del reached[:-1]
    finally:
        video_module.open_footage = real
    print(f"{held[-1] / held[0] - 1:+.1%} from first to last, in {time.perf_counter() - begin:.0f} s")


def main() -> None:
    """Print all of it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=60, help="length of the films (default: 60)")
    parser.add_argument(
        "--memory", type=float, nargs="+", default=[10.0, 120.0], metavar="MINUTES", help="when to look at memory"
    )
    options = parser.parse_args()
    embedder = Embedder.from_folder()
    with tempfile.TemporaryDirectory() as folder:
        for name, (width, height) in SIZES.items():
            path = film(Path(folder) / f"{name}.mp4", width, height, options.seconds)
            speed(name, path, embedder)
        memory(Path(folder) / "360p.mp4", embedder, options.memory)


if __name__ == "__main__":
    main()
