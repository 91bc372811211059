"""Photographs and clips from folders that the user gives."""

from pathlib import Path

import pytest
from tests.data.given_shards import GROCERY, OPENSTAX, write_given

from vljepa.data.corpora.camera import Camera, action_captions
from vljepa.data.corpora.grocery import Grocery, product_name
from vljepa.data.corpora.openstax import Openstax
from vljepa.data.shards import ShardError


def test_openstax_splits_by_book_and_leaves_out_several_panels(tmp_path: Path) -> None:
    records = [
        OPENSTAX,
        OPENSTAX | {"book": "introduction-political-science"},
        OPENSTAX | {"book": "entrepreneurship"},
        OPENSTAX | {"captions": ["Image A is of a dog. Image B is of a cat."]},
        OPENSTAX | {"captions": ["(a) Photo of a dog (b) Photo of a cat"]},
    ]
    folder = write_given(tmp_path / "photos", {"openstax-000.tar": records})
    source = Openstax()
    samples = list(source.samples(0, {"photos": folder}))
    assert [sample.split for sample in samples] == ["train", "test", "validation"]
    assert source.skipped == {"several panels": 2}
    assert samples[0].captions[-1] == "Dogs like beaches."
    assert "Dogs like beaches." not in samples[1].captions + samples[2].captions
    assert "A dog on a beach." in samples[1].captions
    assert {sample.crops for sample in samples} == {4}
    assert samples[0].credit == "(credit: someone) openstax/books@1"


def test_grocery_names_products_with_their_kind(tmp_path: Path) -> None:
    records = [GROCERY] + [
        GROCERY | {"label": word, "coarse": word}
        for word in ("Kiwi", "Lime", "Plum", "Leek", "Mango", "Lemon", "Peach")
    ]
    folder = write_given(tmp_path / "photos", {"grocery-000.tar": records})
    samples = list(Grocery().samples(0, {"photos": folder}))
    pear = samples[0]
    assert pear.captions[:2] == ("a photo of a conference pear in a shop", "conference pear")
    assert pear.questions[0].query == "what product is this?" and len(pear.questions[0].candidates) == 8
    assert len({sample.concept for sample in samples}) == 8


@pytest.mark.parametrize(
    ("label", "coarse", "name"),
    [
        ("Conference", "Pear", "conference pear"),
        ("Carrots", "Carrots", "carrots"),
        ("Bravo Orange Juice", "Juice", "bravo orange juice"),
    ],
)
def test_product_name(label: str, coarse: str, name: str) -> None:
    assert product_name(label, coarse) == name


def test_camera_clips_pass_through_with_their_events(tmp_path: Path) -> None:
    action = {
        "captions": ["Walking then falling (forward) view 1"],
        "events": [{"action": "Falling (FW)", "start": 1.7, "end": 6.0},
                   {"action": "Walking", "start": 0.0, "end": 1.7}],
        "recording": "s4_Fall_03.mp4", "source": "s", "licence": "MIT", "extension": "mp4",
    }  # fmt: skip
    sign = {
        "captions": ['a person signs the word "eat"'], "label": "eat", "kind": "asl", "recording": "eat.mkv",
        "source": "s", "licence": "CC BY 4.0", "extension": "mkv",
    }  # fmt: skip
    shards = {"daily-actions-000.tar": [action], "samples-000.tar": [sign]}
    files = {"clips": write_given(tmp_path / "clips", shards)}
    (fall,) = Camera().samples(0, files)
    assert fall.media == b"daily-actions-000-0" and fall.extension == "mp4" and fall.split == "test"
    assert fall.captions[0] == "a person is walking then falling (forward)"
    assert [(event.action, event.start) for event in fall.events] == [("walking", 0.0), ("falling forwards", 1.7)]
    (eat,) = Camera().samples(1, files)
    assert eat.label == "eat" and eat.licence == "CC BY 4.0" and eat.extension == "mkv"


def test_action_captions_drop_remarks_on_the_recording() -> None:
    text = "Standing position to falling. Backward fall. Full body (head) is not visible"
    assert action_captions(text)[1] == "standing position to falling. Backward fall"


def test_folders_without_the_shard_or_with_another_one_are_named(tmp_path: Path) -> None:
    folder = write_given(tmp_path / "photos", {"grocery-000.tar": [GROCERY]})
    with pytest.raises(ShardError, match=r"lists no shard openstax-000\.tar"):
        list(Openstax().samples(0, {"photos": folder}))
    path = folder / "grocery-000.tar"
    path.write_bytes(path.read_bytes().replace(b"Conference", b"confErence"))
    with pytest.raises(ShardError, match=r"grocery-000\.tar has sha256"):
        list(Grocery().samples(0, {"photos": folder}))
