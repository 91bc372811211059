"""`evaluate selective` from a folder to a report: a small corpus, a camera, and a miniature EgoExo4D."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from vljepa.cli.main import main
from vljepa.data.corpora.physics import Physics
from vljepa.data.encode import encode_mp4
from vljepa.data.shards import write_listing, write_shard
from vljepa.embedder import Embedder
from vljepa.evaluation.backends.ours import Ours
from vljepa.evaluation.benchmarks.selective.footage import Reels, picture, streams_from_scripts
from vljepa.evaluation.benchmarks.selective.measure import evaluate_selective
from vljepa.evaluation.benchmarks.selective.scripts import Frame, Play, write_script
from vljepa.evaluation.benchmarks.selective.sets import corpus_streams
from vljepa.evaluation.public import evaluate_public
from vljepa.evaluation.sets.check import check_set
from vljepa.evaluation.sets.ego_exo import read_takes
from vljepa.evaluation.sets.known import KNOWN
from vljepa.types import Event, Sample

TAKE, OTHER = "3c489f86-8896-4c86-8a5a-929999799d36", "aaaaaaaa-8896-4c86-8a5a-929999799d36"


def clip(number: int, *, seconds: float = 2.0) -> bytes:
    generator = np.random.default_rng(number)
    still = np.repeat(generator.integers(0, 255, (1, 6, 8, 3), dtype=np.uint8), round(4 * seconds), axis=0)
    return encode_mp4(still.repeat(6, axis=1).repeat(6, axis=2), fps=4.0)


def sample(key: str, number: int, *, source: str, split: Any, events: tuple[Event, ...] = ()) -> Sample:
    return Sample(
        key=key,
        media=clip(number, seconds=4.0 if events else 2.0),
        extension="mp4",
        captions=(f"a ball number {number}", f"this is ball {number}"),
        source=source,
        licence="MIT",
        concept=key,
        split=split,
        events=events,
    )


@pytest.fixture(autouse=True)
def few_rates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two are enough for a curve, and a random model's captions say enough."""
    monkeypatch.setattr("vljepa.evaluation.benchmarks.selective.measure.TELLING", 0.0)
    monkeypatch.setattr("vljepa.evaluation.benchmarks.selective.measure.RATES", (0.1, 1.0))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seventy test clips, ten that are for training and would give themselves away, two recordings with events."""
    root = tmp_path_factory.mktemp("corpus")
    clips = [sample(f"p{number}", number, source="fluent-clips", split="test") for number in range(70)]
    clips += [sample(f"t{number}", 200 + number, source="fluent-clips", split="train") for number in range(10)]
    acts = (Event(action="walking", start=0.0, end=2.0), Event(action="falling", start=2.0, end=4.0))
    cameras = [sample(f"c{number}", 100 + number, source="camera", split="test", events=acts) for number in range(2)]
    entries = [
        {**write_shard(root, f"{name}-000.tar", samples=samples), "source": name}
        for name, samples in (("fluent-clips", clips), ("camera", cameras))
    ]
    write_listing(root, entries)
    return root


def test_a_corpus_gives_a_report_with_receipt_curves_and_figure(
    corpus: Path, tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vljepa.evaluation.benchmarks.selective.measure.STREAMS", 2)
    out, figure = tmp_path / "selective.md", tmp_path / "figure"
    arguments = ["evaluate", "selective", "--root", str(corpus), "--out", str(out), "--plot", str(figure), "--json"]
    assert main([*arguments, "--model", str(tiny_folder), "--device", "cpu"]) == 0
    told = capsys.readouterr()
    report = json.loads(told.out)
    assert "of 2 streams" in told.err or "2 streams" in told.err
    assert set(report["curves"]) == {"joined clips", "camera"}
    joined = report["curves"]["joined clips"]
    assert joined["streams"] == 2 and joined["annotations"] >= 120 and 6 <= joined["minutes"] <= 12
    ward = joined["ways"]["ward, mean"]
    assert ward["rate"] == joined["rates"]
    assert ward["decodes_per_second"] == sorted(ward["decodes_per_second"])
    assert ward["coverage"][0] < ward["coverage"][-1] <= 1
    assert all(low <= score <= high for score, (low, high) in zip(ward["cider"], ward["cider_interval"], strict=True))
    assert max(ward["boundary_f1"]) > 0.6, "plain pictures that differ are told apart even by a random model"
    names = [row["name"] for row in report["rows"]]
    assert "joined clips, fewer decodes offline" in names and "camera, fewer decodes online cluster" in names
    assert report["receipt"]["command"] == f"vljepa evaluate selective --root {corpus}"
    assert all((tmp_path / f"figure.{suffix}").stat().st_size > 10_000 for suffix in ("png", "svg"))
    assert "fewer decodes" in out.read_text()
    assert {path.name.rpartition("-")[0] for path in (corpus / "selective").iterdir()} == {"camera", "clips-test"}


def test_frames_that_are_kept_are_not_encoded_again(
    corpus: Path, other_embedder: Embedder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (first,) = corpus_streams(other_embedder, corpus, num_streams=1, keep=tmp_path, report=lambda line: None)
    monkeypatch.setattr(other_embedder, "frame_features", lambda frames: pytest.fail("encoded again"))
    (again,) = corpus_streams(other_embedder, corpus, num_streams=1, keep=tmp_path, report=lambda line: None)
    assert torch.equal(first.embeddings, again.embeddings)


def test_where_captions_say_nothing_nobody_saves_anything(
    corpus: Path, tiny_embedder: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vljepa.evaluation.benchmarks.selective.measure.TELLING", 11.0)
    report = evaluate_selective(tiny_embedder, corpus, command="", num_streams=1)
    assert [row.name for row in report.rows] == [
        "joined clips, uniform decoding at 1 Hz",
        "camera, uniform decoding at 1 Hz",
    ]
    assert "fewer_decodes_than_uniform_1_hz" not in report.curves["camera"]["ways"]["ward, mean"]


def test_training_clips_are_never_shown(corpus: Path, other_embedder: Embedder, tmp_path: Path) -> None:
    lines: list[str] = []
    corpus_streams(other_embedder, corpus, num_streams=1, keep=tmp_path, report=lines.append)
    assert "test clips: 70" in lines


def test_a_window_is_what_the_model_makes_of_its_frames(tiny_embedder: Embedder, tmp_path: Path) -> None:
    """Shared features, float16 and the one prediction for equal windows change nothing that matters."""
    generator = torch.Generator().manual_seed(5)
    reels = made_reels(
        {
            f"clip {number}": torch.randint(0, 255, (4, 3, 32, 32), dtype=torch.uint8, generator=generator)
            for number in range(70)
        }
    )
    plays = [
        Play(key=f"clip {number}", captions=(f"{number}",), num_frames=4, loops=number < 40) for number in range(70)
    ]
    scripts = [write_script(plays, rate=2.0, seed=0)]
    (stream,) = streams_from_scripts(
        scripts, reels, tiny_embedder, name="made", keep=tmp_path, report=lambda line: None
    )
    for row in (0, 17, 101):
        start = round(stream.times[row][0] * 2)
        frames = torch.stack([picture(frame, reels) for frame in scripts[0].frames[start : start + 4]])
        alone = tiny_embedder.predict(tiny_embedder.tokens_from_features(tiny_embedder.frame_features(frames)[None]))
        torch.testing.assert_close(stream.embeddings[row], alone[0].cpu(), rtol=0, atol=2e-3)
    assert stream.times[1] == (0.5, 2.5)


def made_reels(squares: dict[str, torch.Tensor]) -> Reels:
    reels = Reels()
    for key, frames in squares.items():
        reels.add(key, key.encode(), lambda frames=frames: frames)
    return reels


def test_a_dissolve_is_the_mean_of_two_pictures() -> None:
    reels = made_reels(
        {
            "a": torch.full((1, 3, 2, 2), 100, dtype=torch.uint8),
            "b": torch.full((1, 3, 2, 2), 200, dtype=torch.uint8),
        }
    )
    assert picture(Frame("a", 0, "b", 0, 0.25), reels).unique().tolist() == [125]
    assert picture(Frame("b", 0), reels).unique().tolist() == [200]


def test_scenes_of_physics_are_rendered_anew_and_only_if_they_are_those_of_the_corpus(
    tiny_embedder: Embedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shots: list[int] = []

    def shot(self: Physics, index: int, *, num_frames: int) -> bytes:
        shots.append(index)
        return encode_mp4(np.full((num_frames, 16, 16, 3), index, np.uint8), fps=4.0)

    monkeypatch.setattr(Physics, "shot", shot)
    scenes = [
        dataclasses.replace(Physics().described(index, Physics().scene(index), media=bytes([index])), split="test")
        for index in range(62)
    ]
    monkeypatch.setattr("vljepa.evaluation.benchmarks.selective.scripts.EVENTS", (60, 62))

    def streams(samples: list[Sample], folder: Path) -> int:
        write_listing(folder, [{**write_shard(folder, "physics-000.tar", samples=samples), "source": "physics"}])
        found = corpus_streams(tiny_embedder, folder, num_streams=1, keep=folder / "kept", report=lambda line: None)
        return len(found[0].annotations)

    assert streams(scenes, tmp_path) >= 60
    assert len(shots) == len(set(shots)) >= 60, "each scene is rendered once"
    (tmp_path / "other").mkdir()
    others = [dataclasses.replace(scene, captions=("something else",)) for scene in scenes]
    with pytest.raises(ValueError, match="is not the scene that this version makes: prepare the corpus anew"):
        streams(others, tmp_path / "other")


def described(*sentences: tuple[float, str], rejected: bool = False, **flags: Any) -> dict[str, Any]:
    return {
        "annotation_uid": "fe6b4107-ecdb-4e90-93c5-3df74385bda2",
        "annotator_id": "5284063695022975",
        "rejected": rejected,
        "reject_reason": None,
        "descriptions": [
            {
                "text": text,
                "timestamp": second,
                "narration_subject": "C",
                "ego_visible": "1",
                "best_exo": {"raw_cam_id": "1", "cam_id": "cam01"},
                "unsure": "0",
            }
            | flags
            for second, text in sentences
        ],
    }


@pytest.fixture
def ego_exo(tmp_path: Path) -> Path:
    """Two procedural takes, of which one has no video, and a dance."""
    (tmp_path / "annotations").mkdir()
    most = described((5.5, "C drops it."), (1.5, "C lifts a cup."), (3.0, "The man X waves at C."))
    most["descriptions"].append(most["descriptions"][0] | {"unsure": "1", "text": "C holds a thing."})
    most["descriptions"].append(most["descriptions"][0] | {"ego_visible": "0", "text": "C moves a foot."})
    most["descriptions"].append(most["descriptions"][0] | {"text": "  "})
    annotations = {
        TAKE: [
            described((0.5, "C stands.")),
            most,
            described(*[(k / 9, "C does nothing.") for k in range(9)], rejected=True),
        ],
        OTHER: [described((1.0, "C cuts."))],
        "dance": [described((1.0, "C dances."))],
    }
    (tmp_path / "annotations" / "atomic_descriptions_val.json").write_text(
        json.dumps({"ds": "240110", "annotations": annotations})
    )
    videos: dict[str, Any] = {"best_exo": "cam01"}  # only the camera on the head is looked at
    videos |= {"aria01": {"rgb": {"cam_id": "aria01", "relative_path": "frame_aligned_videos/aria01_214-1.mp4"}}}
    takes = [
        {"take_uid": uid, "take_name": name, "root_dir": f"takes/{name}", "frame_aligned_videos": videos}
        for uid, name in (
            (TAKE, "iiith_cooking_01_2"),
            (OTHER, "sfu_cooking_9"),
            ("dance", "upenn_dance_1"),
            ("x", "y"),
        )
    ]
    (tmp_path / "takes.json").write_text(json.dumps(takes))
    for name in ("iiith_cooking_01_2", "upenn_dance_1"):
        folder = tmp_path / "takes" / name / "frame_aligned_videos" / "downscaled" / "448"
        folder.mkdir(parents=True)
        (folder / "aria01_214-1.mp4").write_bytes(clip(1, seconds=8.0))
    return tmp_path


def test_a_copy_of_ego_exo_is_checked_and_measured_under_its_own_name(
    ego_exo: Path, tiny_embedder: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    benchmark = KNOWN["egoexo4d-atomic"]
    found = check_set(benchmark, ego_exo, benchmark.settings)
    assert found.counts["items"] == 3 and found.counts["media"] == 1 and found.problems == ()
    assert found.notes == ("1 media, expected 218", "1 left out: takes without video")

    def asked(embedder: Embedder, root: Path, **_: object) -> None:
        raise RuntimeError(f"asked for {root.name} on {embedder.name}")

    monkeypatch.setattr("vljepa.evaluation.public.evaluate_selective", asked)
    with pytest.raises(RuntimeError, match=f"asked for {ego_exo.name} on tiny"):
        settings = benchmark.settings
        evaluate_public(benchmark, Ours(tiny_embedder), ego_exo, settings=settings, cache=None, command="")


def test_takes_have_the_sentences_of_who_wrote_most_of_what_is_seen(ego_exo: Path) -> None:
    (take,), missing = read_takes(ego_exo)
    assert take.name == "iiith_cooking_01_2" and take.video.parent.name == "448"
    assert [(one.time, one.text) for one in take.descriptions] == [
        (1.5, "a person lifts a cup."),
        (3.0, "The man X waves at a person."),
        (5.5, "a person drops it."),
    ]
    assert missing == 1
    assert [take.name for take in read_takes(ego_exo, procedural=False)[0]] == ["iiith_cooking_01_2", "upenn_dance_1"]


def test_ego_exo_is_measured_with_what_is_missing_in_the_receipt(ego_exo: Path, tiny_embedder: Embedder) -> None:
    report = evaluate_selective(tiny_embedder, ego_exo, command="")
    assert report.receipt.missing == 1
    curve = report.curves["EgoExo4D"]
    assert curve["streams"] == 1 and curve["annotations"] == 3
    assert curve["ways"]["ward, mean"]["boundary_f1"][0] is None


def test_damaged_annotations_are_one_sentence(ego_exo: Path) -> None:
    path = ego_exo / "annotations" / "atomic_descriptions_val.json"
    path.write_text(path.read_text().replace('"timestamp": 5.5', '"timestamp": NaN'))
    with pytest.raises(ValueError, match=r"descriptions, number 1: 'timestamp' is nan, expected a number from 0"):
        read_takes(ego_exo)
    path.write_text(path.read_text().replace('"timestamp": NaN', '"timestamp": 5.5'))
    (video,) = ego_exo.glob("takes/iiith_cooking_01_2/**/*.mp4")
    video.unlink()
    with pytest.raises(ValueError, match=r"2 takes are described and none has a video: expected are such as .*448"):
        read_takes(ego_exo)
    (ego_exo / "takes.json").write_text("{}")
    with pytest.raises(ValueError, match=r"takes.json, line 1 has no 'take_name'"):
        read_takes(ego_exo)
    (ego_exo / "takes.json").write_text("[")
    with pytest.raises(ValueError, match=r"takes.json is not JSON .*fetch it again"):
        read_takes(ego_exo)
    (ego_exo / "takes.json").unlink()
    with pytest.raises(ValueError, match=r"there is no takes.json in"):
        read_takes(ego_exo)


def test_what_cannot_be_measured_is_one_sentence(
    tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = ["--model", str(tiny_folder), "--device", "cpu"]
    assert main(["evaluate", "selective", "--root", str(tmp_path), *model]) == 2
    assert "neither a corpus (shards.json is missing) nor EgoExo4D" in capsys.readouterr().err
    assert main(["evaluate", "ssv2", "--root", str(tmp_path), "--plot", str(tmp_path / "a"), *model]) == 2
    assert "--plot draws curves of `small` and `selective`; ssv2 has none" in capsys.readouterr().err
    write_listing(tmp_path, [])
    assert main(["evaluate", "selective", "--root", str(tmp_path), *model]) == 2
    assert "holds no held-out clips" in capsys.readouterr().err
