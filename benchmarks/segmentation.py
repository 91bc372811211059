"""Chain Ward beside scikit-learn's in one run, then ours alone at the length of a day; prints a table.

Command: OMP_NUM_THREADS=1 python benchmarks/segmentation.py
"""

import resource
import time
from collections.abc import Callable

import numpy as np
from scipy.sparse import diags_array
from sklearn.cluster import AgglomerativeClustering

from vljepa.streaming.segment import chain_ward, unit_rows

DIM = 384
SHARED_SIZES = (1_000, 4_000, 16_000)
LARGEST = 100_000


def stream(num_windows: int) -> np.ndarray:
    """Embeddings of a stream with a new scene every fifty windows or so."""
    generator = np.random.default_rng(0)
    scene = np.cumsum(generator.random(num_windows) < 1 / 50)
    centres = generator.standard_normal(size=(scene[-1] + 1, DIM), dtype=np.float32)
    rows = generator.standard_normal(size=(num_windows, DIM), dtype=np.float32)
    rows *= 0.5
    for first in range(0, num_windows, 1_000):
        rows[first : first + 1_000] += centres[scene[first : first + 1_000]]
    return rows


def sklearn_merges(embeddings: np.ndarray) -> np.ndarray:
    """All merges of scikit-learn under a chain."""
    ones = np.ones(len(embeddings) - 1)
    model = AgglomerativeClustering(
        n_clusters=1, linkage="ward", connectivity=diags_array([ones, ones], offsets=[-1, 1]), compute_full_tree=True
    )
    return np.asarray(model.fit(embeddings.astype(np.float64)).children_)


def timed(work: Callable[[], np.ndarray]) -> tuple[float, np.ndarray]:
    """Seconds of processor time (other programs on the machine do not count) and the result."""
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def main() -> None:
    """Print the table; ours at the largest size comes first because a process's peak memory only grows."""
    print(f"{'windows':>9} {'ours s':>8} {'scikit-learn s':>15} {'ratio':>7}")
    embeddings = stream(LARGEST)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ours, _ = timed(lambda: chain_ward(embeddings).merges)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"{LARGEST:>9} {ours:>8.2f} {'-':>15} {'-':>7}  peak memory grew by {grown:.0f} MiB")
    for size in SHARED_SIZES:
        embeddings = unit_rows(stream(size))
        ours, merges = timed(lambda rows=embeddings: chain_ward(rows).merges)
        theirs, expected = timed(lambda rows=embeddings: sklearn_merges(rows))
        same = "same merges" if np.array_equal(merges, expected) else "merges differ"
        print(f"{size:>9} {ours:>8.2f} {theirs:>15.2f} {theirs / ours:>7.1f}  {same}")


if __name__ == "__main__":
    main()
