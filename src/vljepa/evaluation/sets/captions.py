"""Text to video: MSR-VTT, ActivityNet, DiDeMo, MSVD, YouCook2, PVD-Bench, Dream-1K, VDC-1K."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vljepa.evaluation.sets.files import (
    field_of,
    read_json,
    read_plain_pickle,
    read_records,
    read_table,
    read_text,
    text_of,
)
from vljepa.evaluation.sets.item import Count, Data, Item, SetError
from vljepa.evaluation.sets.protocol import RetrievalProtocol


def _pairs(pairs: Iterable[tuple[str, str, str]], expected: Mapping[str, Count]) -> Data:
    """Items from id, video and text."""
    items = tuple(Item(id=name, media=(video,), text=text) for name, video, text in pairs)
    return Data(items=items, expected=expected)


def read_msrvtt(root: Path, settings: RetrievalProtocol) -> Data:
    """The 1k-A split: `MSRVTT_JSFUSION_test.csv` (key, vid_key, video_id, sentence)."""
    rows = read_table(root / "MSRVTT_JSFUSION_test.csv", columns=("key", "vid_key", "video_id", "sentence"))
    return _pairs(
        ((row["key"], row["video_id"], row["sentence"]) for row in rows),
        {"items": Count(number=1000), "media": Count(number=1000)},
    )


def read_msrvtt_full(root: Path, settings: RetrievalProtocol) -> Data:
    """The whole test split: twenty sentences for each of its 2,990 videos, from `MSRVTT_data.json`."""
    path = root / "MSRVTT_data.json"
    data = read_json(path)
    test = {
        text_of(video, "video_id", path)
        for video in field_of(data, "videos", path)
        if field_of(video, "split", path) == "test"
    }
    rows = [row for row in field_of(data, "sentences", path) if field_of(row, "video_id", path) in test]
    return _pairs(
        ((str(field_of(row, "sen_id", path)), row["video_id"], text_of(row, "caption", path)) for row in rows),
        {"items": Count(number=59_800), "media": Count(number=2_990)},
    )


@dataclass(frozen=True, kw_only=True)
class ActivityNet(RetrievalProtocol):
    """`part`: most groups use val_1; mteb's pool is nearly that of val_2."""

    part: Literal["val_1", "val_2"] = "val_1"


def read_activitynet(root: Path, settings: ActivityNet) -> Data:
    """All sentences of a video joined to a paragraph, from `val_1.json` (id: duration, timestamps, sentences)."""
    path = root / f"{settings.part}.json"
    videos = read_json(path)
    number = 4_917 if settings.part == "val_1" else 4_885
    return _pairs(
        ((name, name, _joined(field_of(video, "sentences", path))) for name, video in videos.items()),
        {"items": Count(number=number), "media": Count(number=number)},
    )


def read_didemo(root: Path, settings: RetrievalProtocol) -> Data:
    """All descriptions of a video joined, from `test_data.json` (video, description, times, annotation_id)."""
    path = root / "test_data.json"
    said: dict[str, list[str]] = defaultdict(list)
    for row in read_records(path):
        said[text_of(row, "video", path)].append(text_of(row, "description", path))
    return _pairs(
        ((video, video, _joined(texts)) for video, texts in said.items()),
        {"items": Count(number=1_004), "media": Count(number=1_004)},
    )


def _joined(texts: Sequence[str]) -> str:
    return " ".join(text.strip() for text in texts)


@dataclass(frozen=True, kw_only=True)
class Msvd(RetrievalProtocol):
    """`captions`: every caption is a query, or the first of each video; groups do either, with different results."""

    media: str = "YouTubeClips"
    captions: Literal["all", "first"] = "all"


def read_msvd(root: Path, settings: Msvd) -> Data:
    """`raw-captions.pkl` (video to lists of words) for the names of `test_list.txt`."""
    said = read_plain_pickle(root / "raw-captions.pkl")
    videos = read_text(root / "test_list.txt").split()
    missing = [video for video in videos if video not in said]
    if missing:
        raise SetError(f"raw-captions.pkl has no captions of {len(missing)} videos, among them {missing[0]}")
    texts = {
        video: [" ".join(words) for words in (said[video] if settings.captions == "all" else said[video][:1])]
        for video in videos
    }
    number = 27_763 if settings.captions == "all" else 670
    return _pairs(
        ((f"{video}:{place}", video, text) for video in videos for place, text in enumerate(texts[video])),
        {"items": Count(number=number), "media": Count(number=670)},
    )


def read_youcook2(root: Path, settings: RetrievalProtocol) -> Data:
    """Each annotated segment of the validation videos with its sentence; the test split's are withheld."""
    path = root / "youcookii_annotations_trainval.json"
    items = []
    for name, video in field_of(read_json(path), "database", path).items():
        if field_of(video, "subset", path) != "validation":
            continue
        for row in field_of(video, "annotations", path):
            start, end = field_of(row, "segment", path)
            cut = f"{name}:{row['id']}"
            items.append(
                Item(id=cut, media=(name,), start=float(start), end=float(end), text=text_of(row, "sentence", path))
            )
    return Data(items=tuple(items), expected={"items": Count(number=3_492, sure=False)})


def read_pvd(root: Path, settings: RetrievalProtocol) -> Data:
    """The list of Perception Encoder's code, `imago15k.csv` (video_id, sentence): human captions."""
    rows = read_table(root / "imago15k.csv", columns=("video_id", "sentence"))
    return _pairs(
        ((f"{row['video_id']}:{place}", row["video_id"], row["sentence"]) for place, row in enumerate(rows)),
        {"items": Count(number=15_000), "media": Count(number=15_000)},
    )


def read_dream(root: Path, settings: RetrievalProtocol) -> Data:
    """`json/metadata.json` (idx, video_file, description ...); its own task is captioning, retrieval is the paper's."""
    path = root / "json" / "metadata.json"
    rows = read_records(path)
    return _pairs(
        (
            (str(field_of(row, "idx", path)), text_of(row, "video_file", path), text_of(row, "description", path))
            for row in rows
        ),
        {"items": Count(number=1_000), "media": Count(number=1_000)},
    )


@dataclass(frozen=True, kw_only=True)
class Vdc(RetrievalProtocol):
    """`caption`: which of a video's five captions is the query; the paper does not say."""

    caption: Literal["detailed", "short", "camera", "background", "main_object"] = "detailed"


def read_vdc(root: Path, settings: Vdc) -> Data:
    """`VDC_1k.jsonl` (video_id, video_name, five fields NAME_caption)."""
    path = root / "VDC_1k.jsonl"
    return _pairs(
        (
            (
                text_of(row, "video_id", path),
                text_of(row, "video_name", path),
                text_of(row, f"{settings.caption}_caption", path),
            )
            for row in read_records(path)
        ),
        {"items": Count(number=1_027), "media": Count(number=1_027)},
    )
