"""Thresholds on real embeddings: which defaults of the online rules, the gate and the triggers are best; prints tables.

Streams of held-out clips as in `vljepa evaluate selective`, of the validation split, so that what is chosen here is not
chosen on what is reported. One setting is changed at a time, the others stay as they are.
Command: OMP_NUM_THREADS=2 python benchmarks/thresholds.py [--root corpus] [--model FOLDER] [--streams 10]
"""

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from vljepa.embedder import Embedder
from vljepa.evaluation.benchmarks.selective.footage import AnnotatedStream
from vljepa.evaluation.benchmarks.selective.scores import TOLERANCE
from vljepa.evaluation.benchmarks.selective.sets import corpus_streams
from vljepa.evaluation.captions import cider_d, reference_corpus
from vljepa.evaluation.metrics import boundary_f1
from vljepa.streaming import online
from vljepa.streaming.online import OnlineSettings, online_points
from vljepa.streaming.selective import DecodePoint, coverage
from vljepa.streaming.triggers import background, standard_scores

RATE = 0.2
SETTINGS: dict[str, tuple[Any, ...]] = {
    "method": ("clear", "cluster", "change", "variance"),
    "smooth": (1, 2, 3, 4),
    "quiet": (0.02, 0.1, 0.2, 0.3, 0.4),
}
CONSTANTS = {
    "_AIM": (0.5, 0.7, 0.85, 1.0),
    "_FIRST_THRESHOLD": (0.03, 0.1, 0.3),
    "_STEP": (0.1, 0.25, 0.5),
    "_RELEASE": (0.3, 0.5, 0.8),
}
GATES = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4)
TRIGGERS = (1.5, 2.0, 2.5, 3.0, 3.5, 4.0)
TRIGGERS_A_STREAM = 20


def middles(stream: AnnotatedStream) -> np.ndarray:
    """The middle second of each window."""
    return np.array([(start + end) / 2 for start, end in stream.times])


def online_row(streams: Sequence[AnnotatedStream], embedder: Embedder, settings: OnlineSettings) -> str:
    """CIDEr-D, coverage and boundary F1 of one choice of settings, and the decodes a second that it made."""
    chosen = [online_points(stream.embeddings, stream.times, settings=settings) for stream in streams]
    covered = np.mean([coverage(one.embeddings, points) for one, points in zip(streams, chosen, strict=True)])
    found = [
        boundary_f1([point.segment.start for point in points[1:]], list(one.boundaries), tolerance=TOLERANCE).f1
        for one, points in zip(streams, chosen, strict=True)
    ]
    spent = sum(map(len, chosen)) / sum(stream.seconds for stream in streams)
    said = cider(streams, chosen, embedder)
    return f"{said:>8.3f} {covered:>9.4f} {np.mean(found):>9.3f} {spent:>9.3f}"


def cider(streams: Sequence[AnnotatedStream], chosen: Sequence[Sequence[DecodePoint]], embedder: Embedder) -> float:
    """CIDEr-D of each annotation against the output nearest in time."""
    nearest: list[Tensor] = []
    references: list[tuple[str, ...]] = []
    for stream, points in zip(streams, chosen, strict=True):
        seconds = np.array([point.time for point in points])
        for annotation in stream.annotations:
            nearest.append(points[int(np.abs(seconds - annotation.time).argmin())].embedding)
            references.append(annotation.captions)
    corpus = reference_corpus("captions of the streams", list(dict.fromkeys(references)))
    return cider_d(embedder.decode(torch.stack(nearest)), references, corpus=corpus).score


def online_table(streams: Sequence[AnnotatedStream], embedder: Embedder) -> None:
    """Print a line for each value of each setting; a star marks the default."""
    print(f"\nonline at {RATE} Hz\n{'setting':>26} {'CIDEr-D':>8} {'coverage':>9} {'boundary':>9} {'decodes/s':>9}")
    standard = OnlineSettings(rate=RATE)
    for name, values in SETTINGS.items():
        for value in values:
            settings = OnlineSettings(**{"rate": RATE, name: value})
            mark = "*" if settings == standard else " "
            print(f"{f'{name} {value}{mark}':>26} {online_row(streams, embedder, settings)}", flush=True)
    for name, values in CONSTANTS.items():
        usual = getattr(online, name)
        for value in values:
            setattr(online, name, value)
            mark = "*" if value == usual else " "
            print(f"{f'{name} {value}{mark}':>26} {online_row(streams, embedder, standard)}", flush=True)
        setattr(online, name, usual)


def gate_table(streams: Iterable[AnnotatedStream]) -> None:
    """Print, for each threshold, the share of windows that pass the gate, and of scenes that are asked about."""
    print(f"\ngate, every window shown to it\n{'threshold':>10} {'asked':>7} {'scenes asked about':>19}")
    prepared = [
        (normalize(stream.embeddings, dim=1), np.searchsorted(stream.boundaries, middles(stream))) for stream in streams
    ]
    for threshold in GATES:
        asked = windows = seen = scenes = 0
        for rows, scene in prepared:
            passed, heard = rows[0], {int(scene[0])}
            for row, number in zip(rows, scene.tolist(), strict=True):
                if float(1 - row @ passed) >= threshold:
                    passed, asked = row, asked + 1
                    heard.add(number)
            windows, seen, scenes = windows + len(rows), seen + len(heard), scenes + len(set(scene.tolist()))
        print(f"{threshold:>10g} {asked / windows:>7.1%} {seen / scenes:>19.1%}")


def trigger_table(streams: Sequence[AnnotatedStream], embedder: Embedder) -> None:
    """Print, for each threshold, the scenes in which their caption reaches it, and false firings an hour of a text."""
    bank = embedder.texts(background()).cpu()
    hits: list[float] = []
    false: list[np.ndarray] = []
    hours = 0.0
    for stream in streams:
        scene = np.searchsorted(stream.boundaries, middles(stream))
        chosen = stream.annotations[:: max(1, len(stream.annotations) // TRIGGERS_A_STREAM)]
        texts = embedder.texts([annotation.captions[0] for annotation in chosen]).cpu()
        scores = standard_scores(stream.embeddings, texts, bank).numpy()
        hours += stream.seconds / 3600 * len(chosen)
        for annotation, column in zip(chosen, scores.T, strict=True):
            inside = scene == np.searchsorted(stream.boundaries, annotation.time)
            hits.append(float(column[inside].max()))
            # Windows that hold a little of the scene beside it are neither right nor wrong.
            near = np.convolve(inside, np.ones(9), mode="same") > 0
            false.append(np.where(near, -np.inf, column))
    print(f"\ntriggers, {len(hits)} captions of scenes\n{'threshold':>10} {'found':>7} {'false an hour':>14}")
    for threshold in TRIGGERS:
        firings = sum(int((np.diff((column >= threshold).astype(int)) == 1).sum()) for column in false)
        print(f"{threshold:>10g} {np.mean(np.array(hits) >= threshold):>7.1%} {firings / hours:>14.2f}")


def main() -> None:
    """Print the three tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", type=Path, default=Path("corpus"), help="a corpus made by `vljepa prepare`")
    parser.add_argument("--model", type=Path, help="a model folder (default: the shipped one)")
    parser.add_argument("--streams", type=int, default=10, help="how many streams (default: 10)")
    options = parser.parse_args()
    if not (options.root / "shards.json").is_file():
        print(f"{options.root} is no corpus, so nothing was measured: name one with --root")
        return
    embedder = Embedder.from_folder(options.model)
    streams = corpus_streams(
        embedder,
        options.root,
        num_streams=options.streams,
        split="validation",
        keep=options.root / "selective",
        report=lambda line: print(line, file=sys.stderr),
    )
    gate_table(streams)
    trigger_table(streams, embedder)
    online_table(streams, embedder)


if __name__ == "__main__":
    main()
