"""Text to video: MSR-VTT, ActivityNet, DiDeMo, MSVD, YouCook2, PVD-Bench, Dream-1K, VDC-1K."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from vljepa.evaluation.sets.files import read_object, read_plain_pickle, read_records, read_table, read_text
from vljepa.evaluation.sets.item import Count, Data, Item, SetError
from vljepa.evaluation.sets.protocol import RetrievalProtocol
from vljepa.evaluation.sets.record import Record, shown


def _pairs(pairs: Iterable[tuple[str, str, str]], expected: Mapping[str, Count]) -> Data:
    """Items from id, video and text."""
    items = tuple(Item(id=name, media=(video,), text=text) for name, video, text in pairs)
    return Data(items=items, expected=expected)


def read_msrvtt(root: Path, settings: RetrievalProtocol) -> Data:
    """The 1k-A split: `MSRVTT_JSFUSION_test.csv` (key, vid_key, video_id, sentence)."""
    rows = read_table(root / "MSRVTT_JSFUSION_test.csv", columns=("key", "vid_key", "video_id", "sentence"))
    return _pairs(
        ((row.text("key"), row.text("video_id"), row.text("sentence")) for row in rows),
        {"items": Count(number=1000), "media": Count(number=1000)},
    )


def read_msrvtt_full(root: Path, settings: RetrievalProtocol) -> Data:
    """The whole test split: twenty sentences for each of its 2,990 videos, from `MSRVTT_data.json`."""
    data = read_object(root / "MSRVTT_data.json")
    test = {video.text("video_id") for video in data.records("videos") if video.text("split") == "test"}
    rows = [row for row in data.records("sentences") if row.text("video_id") in test]
    return _pairs(
        ((row.text("sen_id"), row.text("video_id"), row.text("caption")) for row in rows),
        {"items": Count(number=59_800), "media": Count(number=2_990)},
    )


@dataclass(frozen=True, kw_only=True)
class ActivityNet(RetrievalProtocol):
    """`part`: most groups use val_1; mteb's pool is nearly that of val_2."""

    part: Literal["val_1", "val_2"] = "val_1"


def read_activitynet(root: Path, settings: ActivityNet) -> Data:
    """All sentences of a video joined to a paragraph, from `val_1.json` (id: duration, timestamps, sentences)."""
    videos = read_object(root / f"{settings.part}.json").members("video")
    number = 4_917 if settings.part == "val_1" else 4_885
    return _pairs(
        ((name, name, _joined(video.texts("sentences"))) for name, video in videos),
        {"items": Count(number=number), "media": Count(number=number)},
    )


def read_didemo(root: Path, settings: RetrievalProtocol) -> Data:
    """All descriptions of a video joined, from `test_data.json` (video, description, times, annotation_id)."""
    said: dict[str, list[str]] = defaultdict(list)
    known: set[tuple[str, str]] = set()
    for row in read_records(root / "test_data.json"):
        video, number = row.text("video"), row.text("annotation_id")
        if (video, number) in known:
            raise SetError(f"{row.where}: annotation {number} of {video} stands there twice: fetch the file again")
        known.add((video, number))
        said[video].append(row.text("description"))
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
    path = root / "raw-captions.pkl"
    said = Record(read_plain_pickle(path), where=str(path)).values
    videos = read_text(root / "test_list.txt").split()
    missing = [video for video in videos if video not in said]
    if missing:
        raise SetError(f"{path} has no captions of {len(missing)} videos, among them {missing[0]}: fetch it again")
    texts = {}
    for video in videos:
        if not _are_captions(said[video]):
            raise SetError(f"{path}: {video} has {shown(said[video])}, expected lists of words: fetch it again")
        captions = [" ".join(words) for words in said[video]]
        texts[video] = captions if settings.captions == "all" else captions[:1]
    number = 27_763 if settings.captions == "all" else 670
    return _pairs(
        ((f"{video}:{place}", video, text) for video in videos for place, text in enumerate(texts[video])),
        {"items": Count(number=number), "media": Count(number=670)},
    )


def _are_captions(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(words, list) and all(isinstance(word, str) for word in words) for words in value
    )


def read_youcook2(root: Path, settings: RetrievalProtocol) -> Data:
    """Each annotated segment of the validation videos with its sentence; the test split's are withheld."""
    items = []
    database = read_object(root / "youcookii_annotations_trainval.json").record("database")
    for name, video in database.members("video"):
        if video.text("subset") != "validation":
            continue
        for row in video.records("annotations"):
            start, end = row.span("segment")
            cut = f"{name}:{row.text('id')}"
            items.append(Item(id=cut, media=(name,), start=start, end=end, text=row.text("sentence")))
    return Data(items=tuple(items), expected={"items": Count(number=3_492, sure=False)})


def read_pvd(root: Path, settings: RetrievalProtocol) -> Data:
    """The list of Perception Encoder's code, `imago15k.csv` (video_id, sentence): human captions."""
    rows = read_table(root / "imago15k.csv", columns=("video_id", "sentence"))
    return _pairs(
        (
            (f"{row.text('video_id')}:{place}", row.text("video_id"), row.text("sentence"))
            for place, row in enumerate(rows)
        ),
        {"items": Count(number=15_000), "media": Count(number=15_000)},
    )


def read_dream(root: Path, settings: RetrievalProtocol) -> Data:
    """`json/metadata.json` (idx, video_file, description ...); its own task is captioning, retrieval is the paper's."""
    rows = read_records(root / "json" / "metadata.json")
    return _pairs(
        ((row.text("idx"), row.text("video_file"), row.text("description")) for row in rows),
        {"items": Count(number=1_000), "media": Count(number=1_000)},
    )


@dataclass(frozen=True, kw_only=True)
class Vdc(RetrievalProtocol):
    """`caption`: which of a video's five captions is the query; the paper does not say."""

    caption: Literal["detailed", "short", "camera", "background", "main_object"] = "detailed"


def read_vdc(root: Path, settings: Vdc) -> Data:
    """`VDC_1k.jsonl` (video_id, video_name, five fields NAME_caption)."""
    rows = read_records(root / "VDC_1k.jsonl")
    return _pairs(
        ((row.text("video_id"), row.text("video_name"), row.text(f"{settings.caption}_caption")) for row in rows),
        {"items": Count(number=1_027), "media": Count(number=1_027)},
    )
