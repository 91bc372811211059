"""Batches by their step: one shape, the same after any interruption and with any number of workers, damage counted."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from vljepa.data.corpus_at import CorpusAt
from vljepa.data.encode import encode_mp4
from vljepa.data.loader import Decoded, LoaderError, LoaderSettings, Mixture, SourceSettings, batches
from vljepa.data.processor import Processor, ProcessorSettings
from vljepa.data.shards import ShardError, write_listing, write_shard
from vljepa.types import Sample

PROCESSOR = Processor(ProcessorSettings(resolution=16))


def picture(shade: int, folder: Path) -> bytes:
    path = folder / "picture.png"
    Image.fromarray(np.full((20, 24, 3), shade, np.uint8)).save(path)
    return path.read_bytes()


def clip(shade: int, folder: Path) -> bytes:
    return encode_mp4(np.full((6, 20, 24, 3), shade, np.uint8), fps=6.0)


def corpus(folder: Path, name: str, make: Callable[[int, Path], bytes], *, shards: int, each: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    into, entries = folder / name, []
    for shard in range(shards):
        samples = [
            Sample(
                key=f"{name}-{shard}-{number}",
                media=make(10 * shard + number, folder),
                extension="png" if make is picture else "mp4",
                captions=(f"{name} {shard} {number}",),
                source=name,
                licence="CC0",
                concept="x",
                split="train" if number else "test",
            )
            for number in range(each + 1)
        ]
        entries.append(write_shard(into, f"{name}-{shard:03d}.tar", samples=samples) | {"source": name})
    write_listing(into, entries)
    return into


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return corpus(tmp_path_factory.mktemp("loader"), "pictures", picture, shards=5, each=6)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return corpus(tmp_path_factory.mktemp("loader"), "clips", clip, shards=2, each=4)


def mixture(*, steps: int = 30, rank: int = 0, ranks: int = 1, rows: int = 3, **sources: SourceSettings) -> Mixture:
    return Mixture(LoaderSettings(sources=sources, rows=rows), PROCESSOR, steps=steps, rank=rank, ranks=ranks)


def only(path: Path | str, frames: int = 1) -> SourceSettings:
    return SourceSettings(corpus=str(path), frames=frames)


def told(batch: Decoded) -> tuple[int, str, tuple[str, ...], list[tuple[str, str]]]:
    return batch.step, batch.source, batch.keys, [(asked.query, asked.target) for asked in batch.asked]


def test_a_batch_has_one_shape_and_holds_training_samples_alone(pictures: Path, clips: Path) -> None:
    both = mixture(pictures=only(pictures), clips=replace(only(clips, frames=4), weight=3.0))
    shapes = {batch.source: batch.frames.shape for batch in batches(both)}
    assert shapes == {"pictures": (3, 1, 3, 16, 16), "clips": (3, 4, 3, 16, 16)}
    drawn = Counter(batch.source for batch in batches(both))
    assert drawn["clips"] > 1.5 * drawn["pictures"] > 0
    assert all(not key.endswith("-0") for batch in batches(both) for key in batch.keys)


def test_a_picture_fills_the_frames_of_its_source(pictures: Path) -> None:
    frames = mixture(pictures=only(pictures, frames=4))[0].frames
    assert frames.shape[1] == 4 and torch.equal(frames[:, 0], frames[:, 3])


def test_an_epoch_shows_every_sample_once(pictures: Path) -> None:
    keys = [key for batch in batches(mixture(steps=10, pictures=only(pictures))) for key in batch.keys]
    assert len(set(keys)) == 30


@pytest.mark.filterwarnings("ignore:This DataLoader will create 3 worker processes:UserWarning")
def test_resumed_in_the_middle_with_three_workers_the_rest_is_the_same(pictures: Path, clips: Path) -> None:
    alone = mixture(pictures=only(pictures), clips=only(clips, frames=2))
    unbroken = [told(batch) for batch in batches(alone)]
    alone.settings = replace(alone.settings, workers=3)
    resumed = list(batches(alone, start=13))
    assert [told(batch) for batch in resumed] == unbroken[13:]
    assert torch.equal(resumed[-1].frames, alone[29].frames)


def test_workers_take_nothing_from_the_random_numbers_of_the_run(pictures: Path) -> None:
    before = torch.get_rng_state()
    list(batches(mixture(steps=2, pictures=only(pictures))))
    assert torch.equal(torch.get_rng_state(), before)


def test_ranks_have_equally_many_steps_of_one_shape_and_other_samples(pictures: Path, clips: Path) -> None:
    ranks = [
        list(batches(mixture(steps=4, rank=r, ranks=2, pictures=only(pictures), clips=only(clips, 2)))) for r in (0, 1)
    ]
    assert [batch.source for batch in ranks[0]] == [batch.source for batch in ranks[1]]
    for one, other in zip(*ranks, strict=True):
        assert one.frames.shape == other.frames.shape
        assert not set(one.keys) & set(other.keys)


def spoiled(folder: Path, *, bad: int) -> Path:
    def make(shade: int, where: Path) -> bytes:
        return b"not a picture" if shade % 10 <= bad else picture(shade, where)

    return corpus(folder, "spoiled", make, shards=3, each=6)


def test_what_cannot_be_decoded_is_replaced_and_counted(tmp_path: Path) -> None:
    source = only(spoiled(tmp_path, bad=2))
    found = list(batches(mixture(steps=6, pictures=source)))
    assert all(len(batch.keys) == 3 for batch in found)
    skipped = sum((Counter(batch.skipped) for batch in found), Counter[str]())
    assert set(skipped) == {"cannot be decoded"} and skipped["cannot be decoded"] >= 6
    assert all(int(key.rsplit("-", 1)[1]) > 2 for batch in found for key in batch.keys)
    assert [told(batch) for batch in batches(mixture(steps=6, pictures=source), start=4)] == list(map(told, found[4:]))


def test_where_nothing_can_be_decoded_training_stops(tmp_path: Path) -> None:
    nothing = mixture(pictures=only(spoiled(tmp_path, bad=9)))
    with pytest.raises(LoaderError, match="20 samples of pictures in succession cannot be used; the last one"):
        nothing[0]


def test_an_address_is_read_like_a_folder(pictures: Path, tmp_path: Path) -> None:
    settings = LoaderSettings(sources={"p": only(pictures.as_uri())}, rows=3, cache=str(tmp_path / "cache"))
    there = Mixture(settings, PROCESSOR, steps=10)
    here = mixture(steps=10, p=only(pictures))
    assert [told(batch) for batch in batches(there)] == [told(batch) for batch in batches(here)]
    kept = list((tmp_path / "cache").iterdir())
    assert len(kept) == 5 and all(path.suffix == ".tar" for path in kept)


def test_a_shard_that_was_changed_at_its_address_is_refused(pictures: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in pictures.iterdir():
        content = path.read_bytes()
        (copy / path.name).write_bytes(content[:-1] + b"x" if path.suffix == ".tar" else content)
    changed = CorpusAt(copy.as_uri(), cache=tmp_path / "cache")
    with pytest.raises(ShardError, match=r"has sha256 .* not the listed one"):
        changed.record(changed.shards[0], 0)
    assert list((tmp_path / "cache").iterdir()) == []


def test_missing_truncated_and_wrong_shards_are_named(tmp_path: Path) -> None:
    made = corpus(tmp_path, "pictures", picture, shards=2, each=3)
    shard = made / "pictures-001.tar"
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-600])
    with pytest.raises(ShardError, match=r"pictures-001.tar has \d+ bytes instead of"):
        mixture(p=only(made))
    shard.unlink()
    with pytest.raises(ShardError, match=r"pictures-001.tar is listed in shards.json but missing"):
        mixture(p=only(made))
    with pytest.raises(ShardError, match=r"is not a corpus: it holds no shards.json"):
        mixture(p=only(tmp_path))
    listing = json.loads((made / "shards.json").read_text())
    listing["shards"][1] |= {"splits": {"train": 9}}
    (made / "shards.json").write_text(json.dumps(listing))
    shard.write_bytes(whole)
    corpus_at = CorpusAt(str(made))
    with pytest.raises(ShardError, match="holds 3 samples for train and lists 9"):
        corpus_at.record(corpus_at.shards[1], 0)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (LoaderSettings(sources={}, rows=2), "no source"),
        (LoaderSettings(sources={"a": SourceSettings(corpus="x")}, rows=0), "rows is 0"),
        (LoaderSettings(sources={"a": SourceSettings(corpus="x", weight=0.0)}, rows=2), "not all 0"),
        (LoaderSettings(sources={"a": SourceSettings(corpus="x", frames=0)}, rows=2), "fewer than one frame"),
    ],
)
def test_mixtures_that_make_no_sense_are_refused(settings: LoaderSettings, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Mixture(settings, PROCESSOR, steps=1)
