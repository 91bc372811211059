"""Each reader on a miniature in the true form: which items it makes, and what the protocol's choices change."""

import dataclasses
import pickle
from pathlib import Path
from typing import Any

import pytest
from tests.evaluation.public import miniatures

from vljepa.config import override
from vljepa.evaluation.sets.item import Data, Item, SetError
from vljepa.evaluation.sets.known import KNOWN
from vljepa.evaluation.sets.label_lists import LABEL_LISTS, read_labels


def read(name: str, root: Path, *choices: str) -> Data:
    benchmark = KNOWN[name]
    return benchmark.read(root, override(benchmark.settings, choices))


def shape(item: Item) -> tuple[Any, ...]:
    return item.id, item.media, item.start, item.end, item.text, item.label


# The first item of each miniature, and how many there are.
FIRST: dict[str, tuple[int, tuple[Any, ...]]] = {
    "ssv2": (2, ("74225", ("74225",), None, None, "", "Pushing something from left to right")),
    "ek100": (2, ("P01_11_0", ("P01/P01_11",), 3.5, 5.0, "", "6,1")),
    "ek100-anticipation": (1, ("P01_11_0", ("P01/P01_11",), 0.0, 2.5, "", "6,1")),
    "egoexo4d-keysteps": (
        1,
        (
            "val/take_1/start0.85598_end33.20377_aria02_214-1.mp4",
            ("val/take_1/start0.85598_end33.20377_aria02_214-1.mp4",),
            None,
            None,
            "",
            "1",
        ),
    ),
    "kinetics400": (
        2,
        ("--07WQ2iBlw_000001_000011", ("--07WQ2iBlw_000001_000011",), None, None, "", "zumba"),
    ),
    "coin-sr": (3, ("yt_one:0", ("yt_one",), 1.0, 2.0, "", "open the lid, carefully")),
    "coin-tr": (1, ("yt_one", ("yt_one",), 0.5, 5.5, "", "ChangeTVBattery")),
    "coin-next": (2, ("yt_one:0", ("yt_one",), 1.0, 2.0, "", "cut in half")),
    "crosstask-sr": (2, ("105253_val1:0", ("val1",), 1.0, 2.5, "", "stir mixture")),
    "crosstask-tr": (1, ("105253_val1", ("val1",), None, None, "", "105253")),
    "msrvtt": (2, ("ret0", ("video9770",), None, None, "a person is connecting something to system", "")),
    "msrvtt-full": (3, ("0", ("video1",), None, None, "a red ball", "")),
    "activitynet": (2, ("v_one", ("v_one",), None, None, "A ball rolls. It stops.", "")),
    "didemo": (2, ("1@N00_2_a.mov", ("1@N00_2_a.mov",), None, None, "a cat it jumps", "")),
    "msvd": (3, ("vid_one_1_4:0", ("vid_one_1_4",), None, None, "a man runs", "")),
    "youcook2": (2, ("yc_one:0", ("yc_one",), 1.0, 3.0, "spread butter on the bread", "")),
    "pvd-bench": (2, ("0a1b:0", ("0a1b",), None, None, "a ball, red", "")),
    "dream-1k": (2, ("DREAM-1K_0", ("video/0.mp4",), None, None, "a ball rolls", "")),
    "vdc-1k": (2, ("id0", ("id0.mp4",), None, None, "detailed 0", "")),
    "gqa": (2, ("201640614", ("n161313",), None, None, "Which side is it on?", "left")),
    "tallyqa": (2, ("30041", ("VG_100K_2/92410.jpg",), None, None, "How many men are wearing hats?", "2")),
    "pope": (6, ("random:1", ("COCO_val2014_000000310196.jpg",), None, None, "Is there a snowboard?", "yes")),
    "clevr": (2, ("0", ("CLEVR_val_000000.png",), None, None, "What color is the cube?", "red")),
    "sugarcrepe++": (10, ("replace_att:0", (), None, None, "a red ball and a cat", "a cat and a red ball")),
    "visla": (2, ("generic:0", (), None, None, "a cat", "one cat")),
    "state-pairs": (2, ("s1", ("a.jpg", "b.jpg"), None, None, "", "c2.mp4")),
}


@pytest.mark.parametrize("name", FIRST)
def test_items_are_those_of_the_files(name: str, tmp_path: Path) -> None:
    miniatures.WRITERS[name][0](tmp_path)
    data = read(name, tmp_path)
    number, first = FIRST[name]
    assert (len(data.items), shape(data.items[0])) == (number, first)


def test_epic_names_are_said_as_people_say_them_and_actions_are_chosen(tmp_path: Path) -> None:
    miniatures.epic(tmp_path)
    data = read("ek100", tmp_path)
    assert data.labels == {"0,0": "take tap", "0,1": "take chopping board", "6,1": "turn on chopping board"}
    assert data.facets["verb"].right == ("6", "0") and data.facets["noun"].labels["1"] == "chopping board"
    assert list(read("ek100", tmp_path, "actions=validation").labels) == ["0,0", "6,1"]
    assert len(read("ek100", tmp_path, "actions=all").labels) == 4


def test_anticipation_sees_what_ends_before_the_action(tmp_path: Path) -> None:
    miniatures.epic(tmp_path)
    data = read("ek100-anticipation", tmp_path, "gap=2", "seen=1")
    assert [(item.start, item.end) for item in data.items] == [(0.5, 1.5)]
    assert sum(data.left_out.values()) == 1 and data.facets["verb"].right == ("6",)
    # V-JEPA 2's code counts from the action's end: most of it is then seen.
    late = read("ek100-anticipation", tmp_path, "window=before end")
    assert (late.items[0].start, late.items[0].end) == (0.0, 4.0)


def test_coin_scores_texts_or_ids_and_shows_a_step_or_history(tmp_path: Path) -> None:
    miniatures.coin(tmp_path)
    assert read("coin-sr", tmp_path).counts()["labels"] == 3  # two ids share a text
    by_id = read("coin-sr", tmp_path, "classes=id")
    assert list(by_id.labels) == ["7", "14", "202", "300"] and by_id.items[1].label == "202"
    assert by_id.counts()["label texts"] == 3
    assert read("coin-tr", tmp_path).labels == {
        "ChangeTVBattery": "change TV battery",
        "MakeRJ45Cable": "make RJ45 cable",
    }
    history = read("coin-next", tmp_path, "shown=history", "history=3.5")
    assert [(item.start, item.end) for item in history.items] == [(0.0, 2.0), (0.5, 4.0)]


def test_crosstask_tasks_and_steps(tmp_path: Path) -> None:
    miniatures.crosstask(tmp_path)
    assert len(read("crosstask-sr", tmp_path).labels) == 4
    by_id = read("crosstask-sr", tmp_path, "classes=id")
    assert len(by_id.labels) == 5 and by_id.items[0].label == "105253:2"
    assert set(read("crosstask-tr", tmp_path, "tasks=all").labels) == {"23521", "105253", "113766"}
    assert read("crosstask-tr", tmp_path).labels["105253"] == "Make Pancakes"


def test_choices_of_captions(tmp_path: Path) -> None:
    miniatures.msvd(tmp_path)
    assert len(read("msvd", tmp_path, "captions=first").items) == 2
    miniatures.vdc(tmp_path)
    assert read("vdc-1k", tmp_path, "caption=camera").items[1].text == "camera 1"


def test_choices_of_answers(tmp_path: Path) -> None:
    miniatures.gqa(tmp_path)
    assert list(read("gqa", tmp_path).labels) == ["left", "red", "taupe"]
    assert list(read("gqa", tmp_path, "answers=testdev").labels) == ["left", "taupe"]
    miniatures.tally(tmp_path)
    assert read("tallyqa", tmp_path).counts()["items of complex"] == 1
    assert read("tallyqa", tmp_path, "numbers=words").labels["15"] == "fifteen"
    miniatures.pope(tmp_path)
    assert read("pope", tmp_path, "answers=sentences").labels["no"] == "No, it is not there."
    miniatures.clevr(tmp_path)
    assert read("clevr", tmp_path).counts()["labels"] == 28


def test_the_column_that_is_called_the_best_reference_is_the_negative(tmp_path: Path) -> None:
    miniatures.visla(tmp_path)
    spatial = read("visla", tmp_path).items[1]
    assert spatial.candidates == ("it is to the right", "right of it") and spatial.group == "spatial"


def test_popev2_holds_its_pictures_in_pairs(tmp_path: Path, picture: Path) -> None:
    data = read("popev2", miniatures.miniature("popev2", tmp_path, video=picture, picture=picture))
    assert [(item.id, item.label, item.pair) for item in data.items[:2]] == [
        ("e0/normal", "yes", "e0"),
        ("e0/counterfactual", "no", "e0"),
    ]
    assert data.blobs["e0/normal"] == picture.read_bytes()


def test_imagenet_folders_in_order_are_the_classes(tmp_path: Path, picture: Path, video: Path) -> None:
    data = read("imagenet", miniatures.miniature("imagenet", tmp_path, video=video, picture=picture))
    assert data.labels == {"n00": "tench", "n01": "crane", "n02": "crane"}
    assert data.items[2].media == ("n02/ILSVRC2012_val_2.JPEG",) and data.items[2].label == "n02"


@pytest.mark.parametrize(
    ("name", "file", "content", "sentence"),
    [
        (
            "ssv2",
            "labels.json",
            {"Pushing something from left to the right": "1"},
            "without its brackets, .*; the nearest is",
        ),
        ("ek100", "EPIC_100_validation.csv", "narration_id,verb\n1,2\n", "has no column 'participant_id'"),
        ("egoexo4d-keysteps", "label_mapping.csv", "label_id,step_name\n1,Add noodles, rice\n", "line 2: 3 columns"),
        ("egoexo4d-keysteps", "label_mapping.csv", "label_id,step_name\n7,Stir\n", "which is none of the 1"),
        ("crosstask-sr", "tasks_primary.txt", "1\nT\nu\n2\na, b, c\n", "says 2 steps and lists 3"),
        ("crosstask-sr", "annotations/105253_val1.csv", "4,1,2\n", "there is no step 4: task 105253 has 3"),
        ("coin-sr", "COIN.json", {"database": {"a": {"class": "X"}}}, "video a has no 'subset'"),
        ("coin-sr", "COIN.json", '{"database": ', "is not JSON"),
        ("didemo", "test_data.json", "[]", "test_data.json holds no item"),
        ("msvd", "test_list.txt", "vid_gone\n", "no captions of 1 videos, among them vid_gone"),
        ("msvd", "raw-captions.pkl", b"\x80\x02]q", "no complete pickle"),
        (
            "pope",
            "coco_pope_popular.json",
            '{"question_id": 1, "image": "a.jpg", "label": "no"}\n',
            "no 'text'; it has",
        ),
        ("tallyqa", "test.json", "[1, 2]", "record 1 is 1, expected an object"),
        (
            "state-pairs",
            "state_pairs.jsonl",
            '{"id": "x", "initial": "a", "candidates": ["c"], "answer": 0}',
            "two or more",
        ),
        ("sugarcrepe++", "swap_att.json", b"\xff\xfe[]", "not UTF-8"),
    ],
)
def test_what_is_wrong_is_named(name: str, file: str, content: Any, sentence: str, tmp_path: Path) -> None:
    miniatures.WRITERS[name][0](tmp_path)
    miniatures.write(tmp_path / file, content)
    with pytest.raises(SetError, match=sentence):
        read(name, tmp_path)


def test_ids_that_stand_there_twice_are_named(tmp_path: Path) -> None:
    miniatures.ssv2(tmp_path)
    row = {"id": "5", "label": "", "template": "Opening [something]", "placeholders": []}
    miniatures.write(tmp_path / "validation.json", [row, row])
    with pytest.raises(SetError, match="1 ids stand there twice, among them '5'"):
        read("ssv2", tmp_path)


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return (print, ("executed",))


def test_a_pickle_executes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    miniatures.msvd(tmp_path)
    (tmp_path / "raw-captions.pkl").write_bytes(pickle.dumps({"vid_one_1_4": Evil()}))
    with pytest.raises(SetError, match="wants to run"):
        read("msvd", tmp_path)
    assert capsys.readouterr().out == ""


def test_label_lists_are_counted_and_become_words(tmp_path: Path) -> None:
    miniatures.write(
        tmp_path / "ava__label_map.txt", "\n".join(f"{2 * n}: bend/bow {n} (at the waist)" for n in range(60))
    )
    assert read_labels(tmp_path, "ava")["bend/bow 3 (at the waist)"] == "bend/bow 3 (at the waist)"
    hmdb = [*(f"brush_hair{n}" for n in range(50)), "shoot_gun"]
    miniatures.write(tmp_path / "hmdb51__label_map.txt", "\n".join(hmdb))
    assert read_labels(tmp_path, "hmdb51")["shoot_gun"] == "shoot gun"
    kinds = {"action": [f"ab_seiling{n}" for n in range(3141)], "concept": ["blue"]}
    miniatures.write(tmp_path / "hvu__label_map.json", kinds)
    hvu = read_labels(tmp_path, "hvu")
    assert hvu["concept/blue"] == "blue" and hvu["action/ab_seiling7"] == "ab seiling7"
    twins = [f"(VT) salto {n}" for n in range(98)]
    miniatures.write(tmp_path / "gym__label_map.txt", "\n".join([*twins, "(VT) salto 0"]))
    gym = read_labels(tmp_path, "gym99")
    assert len(gym) == 99 and gym["98: (VT) salto 0"] == gym["0: (VT) salto 0"] == "(VT) salto 0"
    with pytest.raises(SetError, match="holds 51 names, expected 101"):
        (tmp_path / "ucf101__label_map.txt").write_text("\n".join(hmdb))
        read_labels(tmp_path, "ucf101")
    assert len(LABEL_LISTS) == 19


def test_a_choice_may_be_a_sentence_with_a_colon() -> None:
    settings = override(KNOWN["sugarcrepe++"].settings, ["prompt=task: sentence similarity | query: "])
    assert settings.prompt == "task: sentence similarity | query: "


def test_every_benchmark_of_the_issue_is_there() -> None:
    tasks = {
        task: {name for name, one in KNOWN.items() if one.task == task} for task in {o.task for o in KNOWN.values()}
    }
    assert {name: len(names) for name, names in tasks.items()} == {
        "classification": 10,
        "retrieval": 9,
        "vqa": 5,
        "triplets": 2,
        "anticipation": 2,
        "world": 1,
        "streams": 1,
    }
    assert all(dataclasses.is_dataclass(one.settings) and one.obtain for one in KNOWN.values())
