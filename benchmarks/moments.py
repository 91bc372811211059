"""How well moments are found with windows of another hop: films joined of held-out clips, searched by their captions.

Each film shows clips of several sources one after the other; a hit is right where most of it lies within the clip whose
caption was asked for, or within one of the same caption. Beside it how far its ends lie from that clip's.
Command: OMP_NUM_THREADS=2 python benchmarks/moments.py [--root corpus] [--films 12] [--hops 0.5 1]
"""

import argparse
import io
import tempfile
import time
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np

from vljepa.data.shards import read_shard
from vljepa.embedder import Embedder
from vljepa.library import IndexSettings, Library
from vljepa.types import Sample

SHARDS = ("physics-031", "people-029", "metaworld-011", "fluent-clips-003")
RATE, SIDE, CLIPS = 15, 256, 10


class Scene(NamedTuple):
    """When a clip is shown in its film, and what it is called."""

    film: str
    start: float
    end: float
    caption: str


def clips(root: Path, total: int) -> list[Sample]:
    """Test clips of all sources by turns."""
    sources = []
    for name in SHARDS:
        held = (sample for sample in read_shard(root / f"{name}.tar") if sample.split == "test")
        sources.append(list(islice(held, -(-total // len(SHARDS)))))
    return [one for turn in zip(*sources, strict=False) for one in turn][:total]


def joined(path: Path, shown: list[Sample]) -> list[Scene]:
    """Write a film of them, RATE frames a second; when each is seen."""
    scenes, number = [], 0
    with av.open(str(path), "w") as film:
        stream = film.add_stream("libx264", rate=Fraction(RATE), options={"preset": "veryfast", "crf": "20"})
        stream.width, stream.height, stream.pix_fmt = SIDE, SIDE, "yuv420p"
        for sample in shown:
            begin = number
            with av.open(io.BytesIO(sample.media), "r") as clip:
                frames = [(frame.time or 0.0, frame.to_rgb()) for frame in clip.decode(video=0)]
            times = np.array([when for when, _ in frames]) - frames[0][0]
            for when in np.arange(0, times[-1] + 1e-6, 1 / RATE):
                frame = frames[int(np.searchsorted(times, when + 1e-6)) - 1][1].reformat(SIDE, SIDE)
                picture = av.VideoFrame.from_ndarray(frame.to_ndarray(format="rgb24"), format="rgb24")
                film.mux(stream.encode(picture))
                number += 1
            scenes.append(Scene(path.name, begin / RATE, number / RATE, sample.captions[0]))
        film.mux(stream.encode(None))
    return scenes


def measure(folder: Path, embedder: Embedder, films: list[Path], scenes: list[Scene], *, hop: float) -> None:
    """Print one line of the table."""
    begin = time.process_time()
    with Library.open(folder / f"hop {hop:g}", embedder, create=True) as library:
        library.add(films, settings=IndexSettings(hop=hop))
        spent = time.process_time() - begin
        segments = sum(len(library.segments(medium.id)) for medium in library.media())
        first, among, off = [], [], []
        for scene in scenes:
            alike = [one for one in scenes if one.caption == scene.caption]
            right = []
            for hit in library.search(scene.caption, top=5).hits:
                inside = [
                    one
                    for one in alike
                    if one.film == Path(hit.media).name
                    and min(hit.end, one.end) - max(hit.start, one.start) > (hit.end - hit.start) / 2
                ]
                right.append(bool(inside))
                if inside and len(right) == 1:
                    off += [abs(hit.start - inside[0].start), abs(hit.end - inside[0].end)]
            first.append(right[:1] == [True])
            among.append(any(right))
    print(
        f"{hop:>6g} {spent:>10.1f} {segments:>9} {100 * np.mean(first):>10.1f} {100 * np.mean(among):>11.1f} "
        f"{np.mean(off):>10.2f}",
        flush=True,
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", type=Path, default=Path("corpus"), help="a corpus of `vljepa prepare small-corpus`")
    parser.add_argument("--films", type=int, default=12, help=f"films of {CLIPS} clips (default: 12)")
    parser.add_argument("--hops", type=float, nargs="+", default=[0.5, 1.0], help="seconds between windows")
    options = parser.parse_args()
    embedder = Embedder.from_folder()
    shown = clips(options.root, options.films * CLIPS)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        films = [folder / f"{number:02}.mp4" for number in range(-(-len(shown) // CLIPS))]
        scenes = [
            scene
            for number, film in enumerate(films)
            for scene in joined(film, shown[number * CLIPS : (number + 1) * CLIPS])
        ]
        print(f"{len(films)} films of {CLIPS} clips, {scenes[-1].end:.0f} s the last of them")
        print(f"{'hop s':>6} {'processor s':>10} {'segments':>9} {'first %':>10} {'among 5 %':>11} {'ends off s':>10}")
        for hop in options.hops:
            measure(folder, embedder, films, scenes, hop=hop)


if __name__ == "__main__":
    main()
