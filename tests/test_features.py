"""Views of training pictures, and what is not looked at because nobody asks for it."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.conftest import tiny_bundle

from vljepa.data.shards import write_listing, write_shard
from vljepa.features import Features, FeaturesError, write_features
from vljepa.types import Sample

# Other frames in the same matrix product move the last bits, which float16 may round the other way.
ROUNDED = {"rtol": 2e-3, "atol": 1e-4}


def picture(seed: int, *, mirrored: bool = False) -> bytes:
    coarse = np.random.default_rng(seed).integers(0, 255, (6, 6, 3), dtype=np.uint8)
    pixels = coarse.repeat(12, 0).repeat(12, 1)
    stream = io.BytesIO()
    Image.fromarray(pixels[:, ::-1] if mirrored else pixels).save(stream, "PNG")
    return stream.getvalue()


def looked_at(folder: Path, **told: object) -> list[torch.Tensor]:
    """Features of each view of one training picture."""
    bundle = tiny_bundle()
    sample = Sample(
        **{"key": "a", "media": picture(1), "extension": "png", "captions": ("a dog",), "source": "made",
           "licence": "CC0", "concept": "x", "split": "train"} | told  # type: ignore[arg-type]
    )  # fmt: skip
    write_listing(folder, [write_shard(folder, "made-000.tar", samples=[sample]) | {"source": "made"}])
    write_features(folder, folder / "f", bundle.model.x_encoder, processor=bundle.processor, num_frames=2)
    features = Features(folder / "f")
    (item,) = features.items
    return [features.frames(item, view)[0] for view in range(len(item.views))]


def test_as_many_crops_as_the_sample_says_and_none_of_what_is_held_out(tmp_path: Path) -> None:
    views = looked_at(tmp_path / "four", crops=4)
    assert len(views) == 5
    assert len({tuple(view.tolist()) for view in views}) == 5
    torch.testing.assert_close(views[1], looked_at(tmp_path / "one")[1], **ROUNDED)
    assert len(looked_at(tmp_path / "none", crops=0)) == 1
    assert len(looked_at(tmp_path / "test", crops=4, split="test")) == 1


def test_a_crop_is_mirrored_unless_sides_are_spoken_of(tmp_path: Path) -> None:
    """Of two pictures that mirror each other, the crop of one mirrored and the crop of the other as it is differ."""
    plain = looked_at(tmp_path / "plain")
    told = looked_at(tmp_path / "told", captions=("a dog", "a dog on the left"))
    assert torch.equal(plain[0], told[0]) and not torch.equal(plain[1], told[1])


def test_what_needs_words_alone_is_not_looked_at_until_somebody_asks(tmp_path: Path) -> None:
    bundle = tiny_bundle()
    samples = [
        Sample(
            key=split, media=picture(1), extension="png", captions=(f"for {split}",), source="made", licence="CC0",
            concept=split, split=split,
        )
        for split in ("train", "test")
    ]  # fmt: skip
    write_listing(tmp_path, [write_shard(tmp_path, "made-000.tar", samples=samples) | {"source": "made"}])

    def look(**told: object) -> dict[str, int]:
        return write_features(
            tmp_path, tmp_path / "f", bundle.model.x_encoder, processor=bundle.processor, num_frames=2, **told
        )  # type: ignore[arg-type]

    def train(sample: Sample) -> bool:
        return sample.split == "train"

    assert look(words_alone=train) == {"made-000": 2}
    features = Features(tmp_path / "f")
    words, shown = features.items
    assert words.captions == ("for train",) and words.count == 2
    with pytest.raises(FeaturesError, match="not looked at"):
        features.frames(words)
    seen = features.frames(shown)
    assert look(words_alone=train) == {"made-000": -1}
    assert look() == {"made-000": 2}, "who asks for all has the shard looked at anew"
    whole = Features(tmp_path / "f")
    torch.testing.assert_close(whole.frames(whole.items[1]), seen, **ROUNDED)
    assert whole.items[0].picture and len(whole.frames(whole.items[0])) == 2, "its middle, and all of it"
    assert look(words_alone=train) == look() == {"made-000": -1}
