"""Copies of public benchmarks in their true form, two or three items small; media are the tests' clip and picture."""

import csv
import io
import json
import pickle
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

EPIC_HEAD = (
    "narration_id,participant_id,video_id,narration_timestamp,start_timestamp,stop_timestamp,start_frame,stop_frame,"
    "narration,verb,verb_class,noun,noun_class,all_nouns,all_noun_classes"
)
COIN = {
    "database": {
        "yt_one": {
            "duration": 6.0,
            "class": "ChangeTVBattery",
            "video_url": "",
            "start": 0.5,
            "end": 5.5,
            "subset": "testing",
            "recipe_type": 1,
            "annotation": [
                {"id": "202", "segment": [3.0, 4.0], "label": "cut in half"},
                {"id": "14", "segment": [1.0, 2.0], "label": "open the lid, carefully"},
                {"id": "7", "segment": [4.5, 5.5], "label": "close the lid"},
            ],
        },
        "yt_two": {
            "duration": 6.0,
            "class": "MakeRJ45Cable",
            "video_url": "",
            "start": 0.0,
            "end": 6.0,
            "subset": "training",
            "recipe_type": 2,
            "annotation": [{"id": "300", "segment": [0.0, 6.0], "label": "cut in half"}],
        },
    }
}


def write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")


def table(rows: Sequence[Sequence[object]], *, tab: bool = False) -> str:
    out = io.StringIO()
    csv.writer(out, delimiter="\t" if tab else ",").writerows(rows)
    return out.getvalue()


def lines(rows: Sequence[Any]) -> str:
    return "\n".join(json.dumps(row) for row in rows) + "\n"


def ssv2(root: Path) -> None:
    write(root / "labels.json", {"Pushing something from left to right": "0", "Opening something": "1"})
    rows = [
        {
            "id": "74225",
            "label": "pushing a pen from left to right",
            "template": "Pushing [something] from left to right",
            "placeholders": ["a pen"],
        },
        {"id": "116154", "label": "opening a box", "template": "Opening [something]", "placeholders": ["a box"]},
    ]
    write(root / "validation.json", rows)


def epic(root: Path) -> None:
    row = "P01_11_{},P01,P01_11,00:00:0{},{},{},0,0,text,{},{},{},{},['x'],[0]"
    validation = [
        row.format(0, 3, "00:00:03.50", "00:00:05.00", "turn-on", 6, "board:chopping", 1),
        row.format(1, 0, "00:00:00.20", "00:00:01.00", "take", 0, "tap", 0),
    ]
    train = [row.format(9, 1, "00:00:01.00", "00:00:02.00", "take", 0, "board:chopping", 1)]
    write(root / "EPIC_100_validation.csv", "\n".join([EPIC_HEAD, *validation]) + "\n")
    write(root / "EPIC_100_train.csv", "\n".join([EPIC_HEAD, *train]) + "\n")
    write(
        root / "EPIC_100_verb_classes.csv", table([("id", "key", "instances"), (0, "take", "[]"), (6, "turn-on", "[]")])
    )
    nouns = [("id", "key", "instances"), (0, "tap", "[]"), (1, "board:chopping", "['board, big']")]
    write(root / "EPIC_100_noun_classes.csv", table(nouns))


def keysteps(root: Path) -> None:
    segment = {
        "segment_name_list": ["val/take_1/start0_aria02.mp4", "val/take_1/start0_cam01.mp4"],
        "ego_segment_name": "val/take_1/start0.85598_end33.20377_aria02_214-1.mp4",
        "take_uid": "77cd",
        "take_name": "take_1",
        "start_time": 0.85598,
        "end_time": 33.20377,
        "step_unique_id": 843,
        "label_id": 1,
        "step_name": "Add the noodles (rice, or egg)",
    }
    write(root / "keystep_segment_val.json", {"date": "", "description": "", "splits": "val", "segments": [segment]})
    rows = [
        ("label_id", "step_unique_id", "step_name", "scenario_name"),
        (0, 1567, "Stir the mixture", "cooking"),
        (1, 843, "Add the noodles (rice, or egg)", "cooking"),
    ]
    write(root / "label_mapping.csv", table(rows))


def kinetics(root: Path) -> None:
    rows = [
        ("label", "youtube_id", "time_start", "time_end", "split"),
        ("zumba", "--07WQ2iBlw", 1, 11, "validate"),
        ("abseiling", "-3B32lodo2M", 59, 69, "validate"),
    ]
    write(root / "val.csv", table(rows))


def coin(root: Path) -> None:
    write(root / "COIN.json", COIN)


def crosstask(root: Path) -> None:
    write(
        root / "tasks_primary.txt",
        "23521\nMake Jello Shots\nhttps://wiki/1\n2\npour water,stir mixture\n\n"
        "105253\nMake Pancakes\nhttps://wiki/2\n3\npour milk,stir mixture,pour batter into pan\n\n",
    )
    write(root / "tasks_related.txt", "113766\nMake Cupcakes\nhttps://wiki/3\n1\nbake\n\n")
    write(root / "videos.csv", "23521,train1,https://v\n105253,val1,https://v\n")
    write(root / "videos_val.csv", "105253,val1,https://v\n113766,val9,https://v\n")
    write(root / "annotations" / "105253_val1.csv", "2,1.00,2.50\n3,3.00,5.00\n")


def imagenet(root: Path, *, names: Sequence[str] = ("tench", "crane", "crane")) -> None:
    write(root / "en_classnames.json", {"imagenet1k": list(names)})
    write(root / "en_zeroshot_classification_templates.json", {"imagenet1k": ["a photo of a {c}.", "a {c} in art."]})
    for number in range(len(names)):
        (root / "val" / f"n0{number}").mkdir(parents=True)


def class_folders(root: Path) -> None:
    names = [*(f"Class{number}" for number in range(100)), "ApplyEyeMakeup"]
    write(root / "ucf101__label_map.txt", "\n".join(names))
    (root / "ApplyEyeMakeup").mkdir()


def msrvtt(root: Path) -> None:
    rows = [
        ("key", "vid_key", "video_id", "sentence"),
        ("ret0", "msr9770", "video9770", "a person is connecting something to system"),
        ("ret1", "msr9771", "video9771", "a little girl does gymnastics, slowly"),
    ]
    write(root / "MSRVTT_JSFUSION_test.csv", table(rows))


def msrvtt_full(root: Path) -> None:
    videos = [{"video_id": f"video{n}", "split": split} for n, split in enumerate(("train", "test", "test"))]
    said = [(1, "a red ball"), (1, "it rolls"), (2, "it rolls"), (0, "no test")]
    sentences = [{"caption": text, "video_id": f"video{n}", "sen_id": place} for place, (n, text) in enumerate(said)]
    write(root / "MSRVTT_data.json", {"info": {}, "videos": videos, "sentences": sentences})


def activitynet(root: Path) -> None:
    clip = {"duration": 6.0, "timestamps": [[0, 2], [2, 6]], "sentences": ["A ball rolls. ", " It stops."]}
    write(root / "val_1.json", {"v_one": clip, "v_two": clip | {"sentences": ["A cat.", "It sleeps."]}})


def didemo(root: Path) -> None:
    said = [("1@N00_2_a.mov", "a cat"), ("7@N01_9_b.avi", "a dog"), ("1@N00_2_a.mov", "it jumps")]
    rows = [
        {"video": video, "description": text, "times": [[0, 1]], "annotation_id": place}
        for place, (video, text) in enumerate(said)
    ]
    write(root / "test_data.json", rows)


def msvd(root: Path) -> None:
    said = {"vid_one_1_4": [["a", "man", "runs"], ["he", "runs"]], "vid_two_0_9": [["a", "cat"]], "train_1_2": [["x"]]}
    write(root / "raw-captions.pkl", pickle.dumps(said, protocol=2))
    write(root / "test_list.txt", "vid_one_1_4\nvid_two_0_9\n")


def youcook2(root: Path) -> None:
    video = {
        "duration": 6.0,
        "subset": "validation",
        "recipe_type": "113",
        "annotations": [
            {"id": 0, "segment": [1, 3], "sentence": "spread butter on the bread"},
            {"id": 1, "segment": [3, 5], "sentence": "fry it"},
        ],
    }
    database = {"yc_one": video, "yc_two": video | {"subset": "training"}}
    write(root / "youcookii_annotations_trainval.json", {"database": database})


def pvd(root: Path) -> None:
    write(root / "imago15k.csv", table([("video_id", "sentence"), ("0a1b", "a ball, red"), ("0a1c", "a cat")]))


def dream(root: Path) -> None:
    row = {
        "idx": "DREAM-1K_0",
        "video_file": "video/0.mp4",
        "source": "pexels",
        "duration": 6.0,
        "description": "a ball rolls",
        "events": ["a ball rolls"],
        "n_subjects": 1,
        "n_shots": 1,
        "n_events": 1,
    }
    rows = [row, row | {"idx": "DREAM-1K_1", "video_file": "video/1.mp4", "description": "a cat"}]
    write(root / "json" / "metadata.json", rows)


def vdc(root: Path) -> None:
    kinds = ("short", "background", "main_object", "camera", "detailed")
    rows = [
        {"video_id": f"id{n}", "video_name": f"id{n}.mp4"} | {f"{kind}_caption": f"{kind} {n}" for kind in kinds}
        for n in range(2)
    ]
    write(root / "VDC_1k.jsonl", lines(rows))


def gqa(root: Path) -> None:
    def asked(question: str, answer: str) -> dict[str, Any]:
        types = {"structural": "query", "semantic": "attr", "detailed": "color"}
        return {"question": question, "answer": answer, "fullAnswer": "", "imageId": "n161313", "types": types}

    testdev = {"201640614": asked("Which side is it on?", "left"), "20602949": asked("What color is it?", "taupe")}
    write(root / "testdev_balanced_questions.json", testdev)
    write(root / "train_balanced_questions.json", {"1": asked("?", "left"), "2": asked("?", "red")})


def tally(root: Path) -> None:
    row = {"answer": 2, "data_source": "amt", "image": "VG_100K_2/92410.jpg", "image_id": 92410, "question_id": 30041}
    rows = [
        row | {"issimple": False, "question": "How many men are wearing hats?"},
        row | {"issimple": True, "question": "How many cats?", "answer": 0, "question_id": 30042},
    ]
    write(root / "test.json", rows)


def pope(root: Path) -> None:
    for number, part in enumerate(("random", "popular", "adversarial")):
        rows = [
            {
                "question_id": place,
                "image": "COCO_val2014_000000310196.jpg",
                "text": f"Is there a {word}?",
                "label": label,
            }
            for place, (word, label) in enumerate([("snowboard", "yes"), (f"car {number}", "no")], start=1)
        ]
        write(root / f"coco_pope_{part}.json", lines(rows))


def pope_v2(root: Path, picture: bytes) -> None:
    import pyarrow
    from pyarrow import parquet

    rows = [
        {
            "example_id": f"e{n}",
            "image_id": n,
            "normal_image": {"bytes": picture, "path": None},
            "counterfactual_image": {"bytes": picture + bytes(n + 1), "path": None},
            "target_object": "ball",
            "question": "Is there a ball?",
            "normal_label": "Yes",
            "counterfactual_label": "No",
        }
        for n in range(2)
    ]
    root.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pyarrow.Table.from_pylist(rows), root / "test.parquet")


def clevr(root: Path) -> None:
    rows = [
        {
            "image_index": 0,
            "image_filename": "CLEVR_val_000000.png",
            "question_index": n,
            "question": question,
            "answer": answer,
            "split": "val",
        }
        for n, (question, answer) in enumerate([("What color is the cube?", "red"), ("Is the red thing metal?", "no")])
    ]
    write(root / "CLEVR_val_questions.json", {"info": {}, "questions": rows})


def sugarcrepe(root: Path) -> None:
    for part in ("replace_att", "replace_obj", "replace_rel", "swap_att", "swap_obj"):
        row = {
            "id": 0,
            "filename": "000000331352.jpg",
            "caption": "a red ball and a cat",
            "caption2": "a cat and a red ball",
            "negative_caption": "a blue ball and a cat",
        }
        write(root / f"{part}.json", [row, row | {"id": 1, "negative_caption": "a red cat and a ball"}])


def visla(root: Path) -> None:
    generic = [("filename", "caption", "second positive", "negative_caption"), ("1.jpg", "a cat", "one cat", "a dog")]
    spatial = [
        ("image", "sent1", "sent2", "Best reference (Semantically close)", "Reference-2 (Lexically close)"),
        ("2.jpg", "left of it", "it is to the right", "right of it", "left"),
    ]
    write(root / "Generic_VISLA.tsv", table(generic, tab=True))
    write(root / "Spatial_VISLA.tsv", table(spatial, tab=True))


def states(root: Path) -> None:
    rows = [
        {
            "id": "s1",
            "initial": "a.jpg",
            "final": "b.jpg",
            "candidates": ["c0.mp4", "c1.mp4", "c2.mp4", "c3.mp4"],
            "answer": 2,
        },
        {"id": "s2", "initial": "b.jpg", "final": "a.jpg", "candidates": ["c3.mp4", "c1.mp4"], "answer": 0},
    ]
    write(root / "state_pairs.jsonl", lines(rows))


Write = Callable[[Path], None]
# What is written, and where copies of the tests' media have to lie for it.
WRITERS: dict[str, tuple[Write, tuple[str, ...]]] = {
    "ssv2": (ssv2, tuple(f"20bn-something-something-v2/{n}.webm" for n in (74225, 116154))),
    "ek100": (epic, ("videos/P01/P01_11.MP4",)),
    "ek100-anticipation": (epic, ("videos/P01/P01_11.MP4",)),
    "egoexo4d-keysteps": (
        keysteps,
        ("clips_448p/val/take_1/start0.85598_end33.20377_aria02_214-1.mp4", "clips_448p/val/take_1/start0_cam01.mp4"),
    ),
    "kinetics400": (
        kinetics,
        ("val/zumba/--07WQ2iBlw_000001_000011.mp4", "val/abseiling/-3B32lodo2M_000059_000069.mp4"),
    ),
    "coin-sr": (coin, ("videos/0/yt_one.mp4",)),
    "coin-tr": (coin, ("videos/0/yt_one.mp4",)),
    "coin-next": (coin, ("videos/0/yt_one.mp4",)),
    "crosstask-sr": (crosstask, ("videos/val1.mp4",)),
    "crosstask-tr": (crosstask, ("videos/val1.mp4",)),
    "imagenet": (imagenet, tuple(f"val/n0{n}/ILSVRC2012_val_{n}.JPEG" for n in range(3))),
    "class-folders": (class_folders, ("ApplyEyeMakeup/v_ApplyEyeMakeup_g01.avi",)),
    "msrvtt": (msrvtt, ("videos/video9770.mp4", "videos/video9771.mp4")),
    "msrvtt-full": (msrvtt_full, ("videos/video1.mp4", "videos/video2.mp4")),
    "activitynet": (activitynet, ("videos/v_one.mp4", "videos/v_two.mkv")),
    "didemo": (didemo, ("videos/1@N00_2_a.mp4", "videos/7@N01_9_b.avi")),
    "msvd": (msvd, ("YouTubeClips/vid_one_1_4.avi", "YouTubeClips/vid_two_0_9.avi")),
    "youcook2": (youcook2, ("videos/validation/113/yc_one.mp4",)),
    "pvd-bench": (pvd, ("videos/0a1b.mp4", "videos/0a1c.mp4")),
    "dream-1k": (dream, ("videos/video/0.mp4", "videos/video/1.mp4")),
    "vdc-1k": (vdc, ("videos/id0.mp4", "videos/id1.mp4")),
    "gqa": (gqa, ("images/n161313.jpg",)),
    "tallyqa": (tally, ("VG_100K_2/92410.jpg",)),
    "pope": (pope, ("val2014/COCO_val2014_000000310196.jpg",)),
    "clevr": (clevr, ("images/val/CLEVR_val_000000.png",)),
    "sugarcrepe++": (sugarcrepe, ()),
    "visla": (visla, ()),
    "state-pairs": (states, ("a.jpg", "b.jpg", "c0.mp4", "c1.mp4", "c2.mp4", "c3.mp4")),
}
PICTURES = (".jpg", ".png", ".JPEG")


def miniature(name: str, root: Path, *, video: Path, picture: Path) -> Path:
    """The named set below `root`; every medium is another file by its content."""
    if name == "popev2":
        pope_v2(root, picture.read_bytes())
        return root
    writer, media = WRITERS[name]
    writer(root)
    for number, place in enumerate(media):
        path = root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(picture if path.suffix in PICTURES else video, path)
        with path.open("ab") as file:
            file.write(bytes(number))  # what comes after a picture's or a video's end is not read
    return root
