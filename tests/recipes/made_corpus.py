"""Eight made clips of two kinds, two of which are held out."""

from pathlib import Path

from tests.training.test_feed import make_corpus

from vljepa.data.shards import read_listing, read_shard, write_listing, write_shard


def labelled_corpus(folder: Path) -> Path:
    """A corpus of one shard with labels and a split."""
    make_corpus(folder)
    (entry,) = read_listing(folder)
    samples = list(read_shard(folder / entry["name"]))
    labelled = [
        type(sample)(**vars(sample) | {"label": f"kind {k % 2}", "split": "test" if k > 5 else "train"})
        for k, sample in enumerate(samples)
    ]
    write_listing(folder, [write_shard(folder, entry["name"], samples=labelled) | {"source": "made"}])
    return folder
