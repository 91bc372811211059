"""From a copy to a report: every set through its runner on the tiny model, and what keeps the numbers honest."""

import dataclasses
from pathlib import Path

import pytest
import torch
from PIL import Image
from tests.evaluation.public import miniatures

from vljepa.config import override
from vljepa.data.encode import encode_mp4
from vljepa.data.processor import Processor
from vljepa.embedder import Embedder
from vljepa.evaluation.backends.ours import Ours
from vljepa.evaluation.benchmarks.held_out import blinded
from vljepa.evaluation.public import evaluate_public
from vljepa.evaluation.report import Report
from vljepa.evaluation.runners.rows import share_leaked
from vljepa.evaluation.runners.seeing import Look, see_all
from vljepa.evaluation.runners.store import Store
from vljepa.evaluation.sets.item import SetError
from vljepa.evaluation.sets.known import KNOWN
from vljepa.evaluation.sets.media import MediaFolder
from vljepa.evaluation.sets.sentences import SUGARCREPE_PARTS

MEASURED = [name for name, benchmark in KNOWN.items() if benchmark.task != "streams"]


@pytest.fixture
def ours(tiny_embedder: Embedder) -> Ours:
    return Ours(tiny_embedder)


def measure(name: str, root: Path, backend: Ours, *choices: str, cache: Path | None = None) -> Report:
    # The miniatures cannot have the published files' hashes.
    benchmark = dataclasses.replace(KNOWN[name], hashes={})
    settings = override(benchmark.settings, choices)
    return evaluate_public(benchmark, backend, root, settings=settings, cache=cache, command="test")


def refuse(*arguments: object, **named: object) -> None:
    raise RuntimeError("asked again")


@pytest.mark.parametrize("name", MEASURED)
def test_every_set_is_measured_beside_its_baselines(
    name: str, tmp_path: Path, video: Path, picture: Path, ours: Ours
) -> None:
    report = measure(name, miniatures.miniature(name, tmp_path, video=video, picture=picture), ours)
    task = KNOWN[name].task
    moving = task in ("classification", "retrieval", "anticipation", "world") and name != "imagenet"
    wanted = {"chance", "counted words"} if task == "triplets" else {"chance", "blind"}
    wanted |= {"one frame", "shuffled"} if moving else set()
    wanted |= {"answer in query"} if task not in ("triplets", "world") else set()
    for row in report.rows:
        assert set(row.baselines) == wanted, row.name
        assert row.baselines["chance"] >= 0 and (row.unit != "share" or row.score <= 1)
    told = report.receipt
    assert set(told.files) == {file for file in KNOWN[name].files if (tmp_path / file).is_file()}
    assert told.missing == told.failed == 0 and told.frames == 4 and told.further["settings"]["seed"] == 0
    assert (
        told.ties
        and told.sampling == "linspace from the first to the last frame, nearest frames; a picture is one frame"
    )
    assert "resolution 32" in told.resize and (told.pool > 0 or task == "triplets")


def test_the_receipt_tells_the_rule_that_the_model_samples_by(
    tmp_path: Path, video: Path, picture: Path, tiny_embedder: Embedder
) -> None:
    bundle = tiny_embedder.bundle
    processor = Processor(dataclasses.replace(bundle.processor.settings, sampling="hugging face"))
    other = Ours(Embedder(dataclasses.replace(bundle, processor=processor)))
    root = miniatures.miniature("msrvtt", tmp_path, video=video, picture=picture)
    told = measure("msrvtt", root, other).receipt
    assert told.sampling == "i * T / n, rounded down; a picture is one frame"


def test_a_second_run_sees_nothing_and_says_the_same(
    tmp_path: Path, video: Path, picture: Path, ours: Ours, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = miniatures.miniature("msrvtt", tmp_path, video=video, picture=picture)
    first = measure("msrvtt", root, ours, cache=tmp_path / "cache")
    monkeypatch.setattr(ours, "see", refuse)
    monkeypatch.setattr(ours, "clip", refuse)
    assert measure("msrvtt", root, ours, cache=tmp_path / "cache").rows == first.rows
    with pytest.raises(RuntimeError, match="asked again"):  # another question is another embedding
        measure("msrvtt", root, ours, "query=What?", cache=tmp_path / "cache")
    with pytest.raises(RuntimeError, match="asked again"):  # and so is other content under the same name
        (tmp_path / "videos" / "video9771.mp4").write_bytes(video.read_bytes() + b"longer")
        measure("msrvtt", root, ours, cache=tmp_path / "cache")


def test_one_reading_serves_all_questions_and_all_ways(
    video: Path, picture: Path, ours: Ours, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = MediaFolder(video.parent, blobs={"red": picture.read_bytes()})
    read, see = [], ours.see
    monkeypatch.setattr(ours, "see", lambda clips: read.append(len(clips)) or see(clips))
    queries = ["what colour is the ball", "a", "what"]
    looks = [Look(media=(name,), start=None, end=None, query=query) for query in queries for name in ("colours", "red")]
    seen = see_all(ours, looks, folder=folder, store=Store())
    assert sum(read) == 2 and bool(seen.there.all()) and seen.moves
    rows = seen.embeddings
    # What is asked together is what is asked alone; the picture has no other ways, and nothing seen is nothing seen.
    clip = ours.embedder.clip(video)
    for place, query in zip((0, 2, 4), queries, strict=True):
        alone = ours.embedder.predict_clips([clip], query)[0]
        assert torch.allclose(rows["whole"][place], alone, atol=1e-5)
    assert torch.equal(rows["one frame"][1::2], rows["whole"][1::2])
    middle = dataclasses.replace(clip, frames=clip.frames[2][None].expand(4, -1, -1, -1))
    assert torch.allclose(rows["one frame"][0], ours.embedder.predict_clips([middle], queries[0])[0], atol=1e-5)
    assert not torch.allclose(rows["shuffled"][0], rows["whole"][0], atol=1e-4)
    assert not torch.allclose(rows["blind"][0], rows["blind"][2], atol=1e-4)


def test_blind_is_blind(tmp_path: Path, video: Path, ours: Ours) -> None:
    other = tmp_path / "other.mp4"
    other.write_bytes(encode_mp4(torch.randint(0, 255, (8, 48, 64, 3), dtype=torch.uint8), fps=4.0))
    (tmp_path / "one.mp4").write_bytes(video.read_bytes())
    looks = [Look(media=(name,), start=None, end=None, query="a red ball") for name in ("one", "other")]
    rows = see_all(ours, looks, folder=MediaFolder(tmp_path), store=Store()).embeddings
    assert torch.equal(rows["blind"][0], rows["blind"][1])
    encoder = ours.embedder.bundle.model.x_encoder
    average = blinded(encoder, torch.zeros(4, encoder.settings.frame_width))
    assert torch.allclose(rows["blind"][0], ours.predict([average], ["a red ball"])[0], atol=1e-5)
    assert not torch.allclose(rows["whole"][0], rows["whole"][1], atol=1e-4)


def test_a_range_is_looked_at_and_not_the_whole(video: Path, ours: Ours) -> None:
    looks = [
        Look(media=("colours",), start=start, end=end, query="")
        for start, end in ((0.0, 1.5), (4.2, 5.8), (None, None))
    ]
    rows = see_all(ours, looks, folder=MediaFolder(video.parent), store=Store()).embeddings["whole"]
    alone = ours.embedder.predict_clips([ours.embedder.clip(video, start=4.2, end=5.8)])[0]
    assert torch.allclose(rows[1], alone, atol=1e-5)
    assert not torch.allclose(rows[0], rows[1], atol=1e-4)


def test_two_states_are_one_clip(tmp_path: Path, picture: Path, ours: Ours) -> None:
    blue = tmp_path / "blue.png"
    (tmp_path / "halves.jpg").write_bytes(picture.read_bytes())
    frame = torch.zeros(48, 64, 3, dtype=torch.uint8)
    frame[..., 2] = 255
    Image.fromarray(frame.numpy()).save(blue)
    looks = [Look(media=pair, start=None, end=None, query="") for pair in (("halves", "blue"), ("blue", "halves"))]
    seen = see_all(ours, looks, folder=MediaFolder(tmp_path), store=Store())
    parts = [ours.embedder.clip(tmp_path / name) for name in ("halves.jpg", "blue.png")]
    features = ours.see(parts)
    joined = torch.cat([part.repeat(2 // len(part), 1) for part in features])
    assert torch.allclose(seen.embeddings["whole"][0], ours.predict([joined], [""])[0], atol=1e-5)
    assert not torch.allclose(seen.embeddings["whole"][0], seen.embeddings["whole"][1], atol=1e-4)


def test_what_cannot_be_seen_is_counted_and_too_much_of_it_fails(
    tmp_path: Path, video: Path, picture: Path, ours: Ours
) -> None:
    root = miniatures.miniature("msvd", tmp_path, video=video, picture=picture)
    (root / "YouTubeClips" / "vid_two_0_9.avi").write_bytes(b"no video" * 99)
    with pytest.raises(SetError, match=r"1 of 2 items have nothing to see.*1 cannot be read \(.*vid_two"):
        measure("msvd", root, ours)
    report = measure("msvd", root, ours, "most_failed=0.5")
    assert (report.receipt.failed, report.receipt.missing, report.receipt.pool) == (1, 0, 1)
    assert "vid_two" in report.receipt.further["unreadable"][0] and report.receipt.further["texts"] == 2
    (root / "YouTubeClips" / "vid_two_0_9.avi").unlink()
    with pytest.raises(SetError, match="1 media are not below"):
        measure("msvd", root, ours)
    assert measure("msvd", root, ours, "most_failed=0.5").receipt.missing == 1


def test_media_are_found_wherever_they_lie_but_never_guessed(tmp_path: Path) -> None:
    for name in ("a/x.mp4", "b/x.mp4", "c/y.z.mp4", "c/y.z.json", "c/v.webm"):
        miniatures.write(tmp_path / name, "x")
    folder = MediaFolder(tmp_path)
    assert folder.find("v") == tmp_path / "c/v.webm" and folder.find("v.mp4") == tmp_path / "c/v.webm"
    assert folder.find("a/x") == tmp_path / "a/x.mp4" and folder.find("y.z") == tmp_path / "c/y.z.mp4"
    assert folder.find("d/x") is None and folder.find("w") is None
    with pytest.raises(SetError, match=r"x could be .*a/x\.mp4 or .*b/x\.mp4"):
        folder.find("x")


def test_identical_captions_are_right_for_each_other(tmp_path: Path, video: Path, picture: Path, ours: Ours) -> None:
    root = miniatures.miniature("msrvtt-full", tmp_path, video=video, picture=picture)
    rows = {row.name: row for row in measure("msrvtt-full", root, ours).rows}
    # Two of the three texts are said of both videos.
    assert rows["text to video, R@1"].baselines["chance"] == pytest.approx((0.5 + 1 + 1) / 3)
    assert rows["text to video, R@1"].score >= 2 / 3
    assert "transductive" in rows["text to video, R@1 after dual softmax"].protocol


def test_ids_with_one_text_are_ties(tmp_path: Path, video: Path, picture: Path, ours: Ours) -> None:
    root = miniatures.miniature("coin-sr", tmp_path, video=video, picture=picture)
    by_id = measure("coin-sr", root, ours, "classes=id").rows[0]
    assert "4 labels (3 texts)" in by_id.protocol
    assert by_id.score <= 2 / 3  # the step whose text two ids share cannot be told


def test_answers_that_the_query_gives_away_are_told(tmp_path: Path, video: Path, picture: Path, ours: Ours) -> None:
    assert share_leaked(["Is it red or blue?", "How many?"], ["Red", "two"]) == 0.5
    root = miniatures.miniature("clevr", tmp_path, video=video, picture=picture)
    rows = measure("clevr", root, ours, "query=is it red? {}").rows
    assert rows[0].baselines["answer in query"] == 0.5


def test_texts_that_are_too_long_are_cut_and_counted(tmp_path: Path, video: Path, picture: Path, ours: Ours) -> None:
    root = miniatures.miniature("dream-1k", tmp_path, video=video, picture=picture)
    path = root / "json" / "metadata.json"
    path.write_text(path.read_text().replace("a cat", "a cat " * 60))
    with pytest.raises(ValueError, match="is longer than"):
        ours.embedder.texts(["a cat " * 60])
    assert measure("dream-1k", root, ours).receipt.further["texts cut"] == 1


def test_pairs_are_right_only_together(tmp_path: Path, video: Path, picture: Path, ours: Ours) -> None:
    root = miniatures.miniature("popev2", tmp_path, video=video, picture=picture)
    rows = {row.name: row for row in measure("popev2", root, ours).rows}
    assert rows["accuracy of pairs"].baselines["chance"] == 0.25
    # Both pictures of a pair look alike here, so one of the two answers is always wrong.
    assert (rows["accuracy"].score, rows["accuracy of pairs"].score) == (0.5, 0.0)
    assert rows["accuracy, says yes"].score in (0.0, 1.0)


def test_templates_are_averaged(tmp_path: Path, video: Path, picture: Path, ours: Ours) -> None:
    root = miniatures.miniature("kinetics400", tmp_path, video=video, picture=picture)
    assert measure("kinetics400", root, ours, "template=kinetics").receipt.further["templates"] == 28
    assert measure("kinetics400", root, ours, "template=mteb").receipt.template == "mteb"
    with pytest.raises(ValueError, match=r"a text with \{\} in it"):
        measure("kinetics400", root, ours, "template=a video")
    root = miniatures.miniature("imagenet", tmp_path / "i", video=video, picture=picture)
    assert measure("imagenet", root, ours, "prompts=ensemble").receipt.further["templates"] == 2


def test_the_papers_printed_averages_are_plain_means() -> None:
    """Tables 1 and 6: the mean of the printed rows is the printed average, also where the paper calls it micro."""
    base = {
        52.5: (19.3, 21.8, 33.2, 64.8, 47.4, 79.4, 64.5, 89.6),
        63.7: (40.0, 64.9, 50.0, 49.0, 40.4, 83.1, 93.3, 88.8),
        63.9: (72.2, 90.1, 52.2, 62.9, 42.0),
        42.9: (49.8, 35.9),
    }
    finetuned = {
        75.4: (73.2, 44.6, 68.1, 84.8, 66.4, 90.3, 79.8, 96.2),
        63.8: (46.2, 62.4, 52.3, 52.3, 37.8, 82.6, 89.3, 87.7),
        58.4: (68.5, 90.9, 47.4, 55.4, 29.8),
        39.5: (44.8, 34.2),
    }
    for table in (base, finetuned):
        for printed, rows in table.items():
            # Rows are rounded to a tenth, and so is their mean.
            assert sum(rows) / len(rows) == pytest.approx(printed, abs=0.051)
    sizes = list(SUGARCREPE_PARTS.values())
    weighted = sum(size * row for size, row in zip(sizes, base[63.9], strict=True)) / sum(sizes)
    assert weighted == pytest.approx(69.6, abs=0.05)
