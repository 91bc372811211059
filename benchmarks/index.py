"""What a library costs: indexing against bare decoding and against a plain loop, and searching a million vectors.

Indexing: made-up films at 360p (textures that move, with noise, so that decoding is work) through `Library.add` with
the shipped model, beside decoding alone at the same sampling, and beside one clip after the other in the way of the
examples of video models: decode the clip's frames, transformers' own Llama in float32, one clip a call. Windows are the
same three times; the plain loop is timed on its first windows. Searching: clustered unit vectors in the default engine,
exactly and by its graph, beside faiss flat and HNSW of the graph's settings, one query at a time.
Command: OMP_NUM_THREADS=2 python benchmarks/index.py [--seconds 60] [--vectors 1000000] [--only indexing|searching]
"""

import argparse
import gc
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch
from torch.nn import functional

from vljepa.data.video import Video, frames_at
from vljepa.embedder import Embedder, shipped_folder
from vljepa.index.engines.flat import Flat
from vljepa.index.engines.graph import CONNECTIVITY, EXPANSION_BUILD, EXPANSION_SEARCH
from vljepa.index.engines.protocol import Payload
from vljepa.library import IndexSettings, Library
from vljepa.weights.folder import load_folder

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.inference import llama

RATE, SCENE_SECONDS, FILMS, PLAIN_CLIPS = 30, 6, 2, 8
DIM, QUERIES, TOP, AT_ONCE = 384, 100, 10, 50_000


def film(path: Path, seconds: int, seed: int) -> Path:
    """Textures that move under noise, another one every SCENE_SECONDS."""
    generator = np.random.default_rng(seed)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(RATE), options={"preset": "veryfast", "crf": "23"})
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        noise = generator.integers(0, 24, (8, 360, 640, 3), dtype=np.uint8)
        for number in range(seconds * RATE):
            if number % (SCENE_SECONDS * RATE) == 0:
                picture = np.kron(
                    generator.integers(0, 230, (9, 16, 3), dtype=np.uint8), np.ones((40, 40, 1), np.uint8)
                )
            moved = np.roll(picture, 3 * number, axis=1) + noise[number % 8]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(moved, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def timed(call: Callable[[], object]) -> float:
    """Seconds of one call."""
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def worked(call: Callable[[], object]) -> float:
    """Processor seconds of one call, which say more than the clock where others use the machine."""
    begin = time.process_time()
    call()
    return time.process_time() - begin


def decoding(paths: list[Path], embedder: Embedder, settings: IndexSettings) -> None:
    """The frames that are looked at, and nothing else."""
    for path in paths:
        with Video(path, size=embedder.side) as video:
            for _ in video.iterate(rate=embedder.num_frames / settings.window):
                pass


def plain(paths: list[Path], settings: IndexSettings) -> float:
    """Seconds that a window costs when each is a clip of its own, in float32, with transformers' layers."""
    bundle = load_folder(shipped_folder(), dtype=torch.float32)
    model, predictor = bundle.model, bundle.model.predictor
    layers = llama(predictor.layers)
    query = bundle.query_tokenizer([""])

    @torch.inference_mode()
    def clip(start: float) -> torch.Tensor:
        times = np.linspace(start, start + settings.window, bundle.frames).tolist()
        pixels = bundle.processor.pixels(bundle.processor.frames_from_clip(frames_at(paths[0], times)))
        visual = model.x_encoder.tokens(model.x_encoder.features(pixels.contiguous())[None])
        words = predictor.query_projection(model.token_table(query.ids))
        tokens = torch.cat([predictor.visual_projection(visual), words], dim=1)
        hidden = layers(inputs_embeds=tokens, attention_mask=None, use_cache=False).last_hidden_state
        return functional.normalize(predictor.head(hidden.mean(1)), dim=-1)

    clip(0.0)
    return timed(lambda: [clip(place * settings.hop) for place in range(PLAIN_CLIPS)]) / PLAIN_CLIPS


def indexing(folder: Path, seconds: int, settings: IndexSettings) -> None:
    """Print speed and ratios."""
    embedder = Embedder.from_folder()
    paths = [film(folder / f"{number}.mp4", seconds, number) for number in range(FILMS)]
    embedder.predict_clips([embedder.clip(paths[0])])
    alone = timed(lambda: decoding(paths, embedder, settings))
    cpu = time.process_time()
    with Library.open(folder / "library", embedder, create=True) as library:
        took = timed(lambda: library.add(paths, settings=settings))
        cpu = time.process_time() - cpu
        windows = sum(len(library.merge_tree(medium.id).times) for medium in library.media())  # type: ignore[union-attr]
        again = timed(lambda: library.add(paths))
    alone = (alone + timed(lambda: decoding(paths, embedder, settings))) / 2
    cpu_alone = worked(lambda: decoding(paths, embedder, settings))
    media, slow = FILMS * seconds, plain(paths, settings) * windows
    print(f"window {settings.window:g} s, hop {settings.hop:g} s: {media} s of 360p film, {windows} windows")
    print(f"  indexed in {took:.1f} s: {media / took:.1f} hours of video an hour; a second run takes {again:.2f} s")
    print(f"  bare decoding at the same sampling {alone:.1f} s: indexing reaches {alone / took:.2f} of its speed")
    print(
        f"  processor seconds: {cpu:.1f} against {cpu_alone:.1f}: {cpu_alone / cpu:.2f}; "
        f"{torch.get_num_threads()} threads"
    )
    print(f"  plain loop of clips {slow:.1f} s: indexing is {slow / took:.1f} times as fast", flush=True)


def resident() -> float:
    """MiB of this process, pages of mapped files included."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


def clustered(count: int, seed: int) -> np.ndarray:
    """Unit vectors around a fiftieth as many centres, some way off."""
    generator = np.random.default_rng(seed)
    centres = np.random.default_rng(0).standard_normal((max(count // 50, 20), DIM)).astype(np.float32)
    rows = np.empty((count, DIM), np.float32)
    for first in range(0, count, AT_ONCE):
        some = rows[first : first + AT_ONCE]
        some[:] = centres[generator.integers(0, len(centres), len(some))]
        some += 0.7 * generator.standard_normal(some.shape).astype(np.float32)
        some /= np.linalg.norm(some, axis=1, keepdims=True)
    return rows


def told(
    name: str, build: float, search: Callable[[np.ndarray], np.ndarray], asked: np.ndarray, truth: np.ndarray
) -> None:
    """One line: build time, latencies of single queries, recall, memory."""
    before = resident()
    times, found = [], []
    search(asked[0])
    for vector in asked:
        begin = time.perf_counter()
        found.append(search(vector))
        times.append(1e3 * (time.perf_counter() - begin))
    recall = np.mean(
        [len(set(one.tolist()) & set(best.tolist())) / TOP for one, best in zip(found, truth, strict=True)]
    )
    p50, p99 = statistics.median(times), float(np.percentile(times, 99))
    print(
        f"  {name:<22} build {build:7.1f} s   p50 {p50:7.2f} ms   p99 {p99:7.2f} ms   recall@10 {recall:.3f}   "
        f"process {max(before, resident()):.0f} MiB",
        flush=True,
    )


def searching(folder: Path, count: int, *, others: bool) -> None:
    """Print a table of engines."""
    import faiss

    faiss.omp_set_num_threads(torch.get_num_threads())
    print(f"{count} x {DIM} vectors, {QUERIES} queries one at a time, process before {resident():.0f} MiB")
    rows = clustered(count, 1)
    asked = clustered(count, 2)[:QUERIES].copy()
    flat = faiss.IndexFlatIP(DIM)
    built = timed(lambda: flat.add(rows))
    truth = flat.search(asked, TOP)[1]
    told("faiss flat", built, lambda vector: flat.search(vector[None], TOP)[1][0], asked, truth)
    del flat

    def fill() -> None:
        engine = Flat(folder, dim=DIM)
        for first in range(0, count, AT_ONCE):
            some = rows[first : first + AT_ONCE]
            engine.add(np.arange(first, first + len(some)), some, [Payload(first, 0.0, 1.0)] * len(some))
        engine.close()

    built = timed(fill)
    if others:
        _hnsw(faiss, rows, asked, truth)
    del rows
    exact, graph = (Flat(folder, dim=DIM, approximate_from=least) for least in (count + 1, 1))
    told("vljepa exact", built, lambda vector: _ids(exact, vector), asked, truth)
    built += timed(graph.build_graph)
    told("vljepa above a size", built, lambda vector: _ids(graph, vector), asked, truth)


def _hnsw(faiss: object, rows: np.ndarray, asked: np.ndarray, truth: np.ndarray) -> None:
    index = faiss.IndexHNSWFlat(DIM, CONNECTIVITY, faiss.METRIC_INNER_PRODUCT)  # type: ignore[attr-defined]
    index.hnsw.efConstruction, index.hnsw.efSearch = EXPANSION_BUILD, EXPANSION_SEARCH
    built = timed(lambda: index.add(rows))
    told(f"faiss HNSW{CONNECTIVITY}", built, lambda vector: index.search(vector[None], TOP)[1][0], asked, truth)


def _ids(engine: Flat, vector: np.ndarray) -> np.ndarray:
    return np.array([one.id for one in engine.search(vector[None], TOP)[0]])


def main() -> None:
    """Print all of it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=60, help="length of each film (default: 60)")
    parser.add_argument("--vectors", type=int, default=1_000_000, help="how many to search (default: 1000000)")
    parser.add_argument("--no-hnsw", action="store_true", help="leave faiss HNSW out, which takes long to build")
    parser.add_argument("--only", choices=("indexing", "searching"), help="one half of it")
    parser.add_argument("--window", type=float, default=2.0, help="seconds in one embedding (default: 2)")
    parser.add_argument("--hop", type=float, default=0.5, help="seconds between embeddings (default: 0.5)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.only != "searching":
            indexing(Path(folder), options.seconds, IndexSettings(window=options.window, hop=options.hop))
        if options.only != "indexing":
            searching(Path(folder), options.vectors, others=not options.no_hnsw)


if __name__ == "__main__":
    main()
