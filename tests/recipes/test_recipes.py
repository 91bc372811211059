"""Recipes at size tiny: what learns and what stays, what a run keeps, and that an interrupted one goes on."""

import os
import signal
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.conftest import tiny_bundle
from tests.models.made_language import speaking, tiny_language
from tests.recipes.made_corpus import labelled_corpus
from tests.training.test_feed import make_corpus, make_feed

from vljepa import runtime
from vljepa.cli.main import main
from vljepa.config import SettingsError, override
from vljepa.data.loader import LoaderError
from vljepa.data.shards import ShardError, read_listing, read_shard, write_listing, write_shard
from vljepa.features import Features, FeaturesError, frame_features
from vljepa.models.lite_encoder import lite
from vljepa.objectives.joint_embedding import JointEmbedding, JointEmbeddingSettings
from vljepa.recipes import baseline, decoder, finetune, pretrain
from vljepa.training.feed import Feed
from vljepa.training.record import read_metrics
from vljepa.training.trainer import Interrupted
from vljepa.types import Batch
from vljepa.weights.calibration import Calibration, Pair
from vljepa.weights.folder import load_folder, save_folder
from vljepa.weights.token_vlm import load_token_vlm

pytestmark = pytest.mark.filterwarnings("ignore:torch.distributed is disabled:UserWarning")

FEW = ["loop.steps=3", "rows=4", "loop.record_every=1", "optim.warmup=1"]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return {name: value.float() for name, value in load_folder(folder).model.state_dict().items()}


def changed_parts(one: Path, other: Path) -> set[str]:
    """Parts with a weight that moved by more than storing it in eight bits does."""
    before, after = weights(one), weights(other)
    return {
        name.split(".")[0]
        for name in before
        if after[name].shape != before[name].shape
        or (after[name] - before[name]).abs().max() > 2e-2 * before[name].abs().max()
    }


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return labelled_corpus(tmp_path / "corpus")


def test_finetune_trains_predictor_and_y_encoder_alone(corpus: Path, tmp_path: Path) -> None:
    strong = [*FEW, "optim.rate=0.05", "optim.y_encoder_factor=1"]
    begin, calibration = tmp_path / "begin", Calibration(clip=Pair(scale=11.0), unsure=0.4)
    save_folder(replace(tiny_bundle(), calibration=calibration), begin, card="", int8=False)
    made = finetune.train(corpus, tmp_path / "run", model=begin, assignments=strong, device="cpu")
    assert changed_parts(begin, made) == {"predictor", "y_encoder"}
    assert load_folder(made).calibration == calibration
    assert "| test_named |" in (tmp_path / "run" / "report.md").read_text()
    assert "finetuned" in (made / "README.md").read_text()


def test_parts_learn_as_the_settings_say_and_adapters_leave_no_trace(
    corpus: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    strong = [*FEW, "optim.rate=0.05", "parts.modes={predictor: lora, y_encoder: frozen}"]
    made = finetune.train(corpus, tmp_path / "run", model=tiny_folder, assignments=strong, device="cpu")
    assert changed_parts(tiny_folder, made) == {"predictor"}
    assert weights(made).keys() == weights(tiny_folder).keys()


def test_trackers_are_closed_and_a_batch_knows_its_samples(
    corpus: Path, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = []

    class Tracked:
        def log(self, stage: str, step: int, values: Mapping[str, float | int]) -> None:
            assert not ended

        def finish(self) -> None:
            ended.append(True)

    for recipe in (finetune, decoder):
        monkeypatch.setattr(recipe, "open_trackers", lambda *given: [Tracked()])
        recipe.train(corpus, tmp_path / recipe.__name__, model=tiny_folder, assignments=FEW, device="cpu")
        assert ended == [True]
        ended.clear()
    (tmp_path / "run").mkdir()
    settings = finetune.FinetuneSettings()
    run = finetune.FinetuneRun(corpus, tmp_path / "run", settings=settings, model=tiny_folder, kept=None, device="cpu")
    run.look()
    assert {row.key for row in run.rows.rows(count=4, seed=0, step=0)} <= {item.key for item in run.rows.own[0].items}


def test_frames_are_looked_at_once_and_again_where_the_corpus_changed(
    corpus: Path, tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for run, expected in (("one", True), ("two", False)):
        finetune.train(corpus, tmp_path / run, model=tiny_folder, assignments=FEW, device="cpu")
        said = capsys.readouterr().err
        assert ("looked at 8 samples" in said) is ("times as long" in said) is expected
    (entry,) = read_listing(corpus)
    fewer = list(read_shard(corpus / entry["name"]))[1:]
    write_listing(corpus, [write_shard(corpus, entry["name"], samples=fewer) | {"source": "made"}])
    finetune.train(corpus, tmp_path / "three", model=tiny_folder, assignments=FEW, device="cpu")
    assert "looked at 7 samples" in capsys.readouterr().err
    (corpus / entry["name"]).unlink()
    with pytest.raises(ShardError, match=r"made-000.tar is listed in shards.json but missing"):
        finetune.train(corpus, tmp_path / "four", model=tiny_folder, assignments=FEW, device="cpu")


def test_older_data_are_mixed_in(corpus: Path, tiny_folder: Path, tmp_path: Path) -> None:
    older = make_corpus(tmp_path / "older", caption="something old")
    settings = finetune.FinetuneSettings(kept_share=0.5)
    (tmp_path / "run").mkdir()
    run = finetune.FinetuneRun(corpus, tmp_path / "run", settings=settings, model=tiny_folder, kept=older, device="cpu")
    run.look()
    old = [all("old" in row.target for row in run.rows.rows(count=4, seed=0, step=step)) for step in range(40)]
    assert 10 < sum(old) < 30


def test_ranks_share_the_rows_of_a_step(
    corpus: Path, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run").mkdir()
    settings = finetune.FinetuneSettings()
    run = finetune.FinetuneRun(corpus, tmp_path / "run", settings=settings, model=tiny_folder, kept=None, device="cpu")
    run.look()
    whole = [row.frames for row in run.rows.rows(count=4, seed=0, step=3)]
    monkeypatch.setattr(runtime, "world_size", lambda: 2)
    shares = []
    for number in range(2):
        monkeypatch.setattr(runtime, "rank", lambda number=number: number)
        shares += [row.frames for row in run.rows.rows(count=4, seed=0, step=3)]
    assert len(shares) == len(whole) == 4
    assert all(torch.equal(one, other) for one, other in zip(shares, whole, strict=True))


def test_long_texts_are_counted_and_told(tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus = make_corpus(tmp_path / "long", caption="a red ball " * 3334)
    finetune.train(corpus, tmp_path / "run", model=tiny_folder, assignments=FEW, device="cpu")
    assert "8 of 8 texts are longer than 64 tokens and are cut there" in capsys.readouterr().err
    assert read_metrics(tmp_path / "run" / "metrics.jsonl")[0]["texts_cut"] == 8


def test_other_settings_are_refused_in_a_run_that_was_begun(corpus: Path, tiny_folder: Path, tmp_path: Path) -> None:
    finetune.train(corpus, tmp_path / "run", model=tiny_folder, assignments=FEW, device="cpu")
    with pytest.raises(SettingsError, match="rows was 4, is 5"):
        finetune.train(corpus, tmp_path / "run", model=tiny_folder, assignments=[*FEW, "rows=5"], device="cpu")


@pytest.mark.parametrize(
    ("recipe", "wrong"),
    [
        ("finetune", ("loop.stepz=3", "did you mean loop.steps")),
        ("decoder", ("predictd=1", "did you mean predicted")),
        ("baseline", ("arm=equals", "did you mean equal")),
        ("finetune", ("parts.modes={x_encoder: full}", "recipe for this part is pretrain with long.x_encoder=full")),
        ("pretrain", ("clips.sources={a: {corpus: x, wght: 2}}", "did you mean clips.sources.a.weight")),
    ],
)
def test_an_unknown_or_idle_setting_names_the_right_one(
    corpus: Path, tmp_path: Path, recipe: str, wrong: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train", recipe, "--corpus", str(corpus), "--run", str(tmp_path / "run"), "--set", wrong[0]]
    assert main(command) == 2
    assert wrong[1] in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


STAGES = [
    f"{name}.{setting}"
    for name, steps in (("pictures", 2), ("clips", 3), ("long", 2))
    for setting in (
        f"loop.steps={steps}",
        "rows=4",
        "loop.record_every=1",
        "loop.save_every=1",
        "optim.rate=0.05",
        "optim.warmup=1",
    )
]
UNTRAINED = [f"{name}.loop.steps=0" for name in ("pictures", "clips", "long")]
PRETRAIN = [*STAGES, "clips.frames=4", "long.frames=6", "workers=0"]


def test_pretraining_goes_through_its_stages_and_can_be_interrupted(
    corpus: Path, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(folder: Path) -> Path:
        return pretrain.train(corpus, folder, model=tiny_folder, cache=tmp_path, assignments=PRETRAIN, device="cpu")

    unbroken = run(tmp_path / "one")
    metrics = read_metrics(tmp_path / "one" / "metrics.jsonl")
    assert [line["stage"] for line in metrics] == ["pictures"] * 2 + ["clips"] * 3 + ["long"] * 2
    assert load_folder(unbroken).frames == 6
    assert changed_parts(tiny_folder, unbroken) >= {"predictor"}
    draw = Feed.draw

    def interrupting(self: Feed, step: int) -> tuple[Batch]:
        if self.stage == "clips" and step == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return draw(self, step)

    monkeypatch.setattr(Feed, "draw", interrupting)
    with pytest.raises(Interrupted):
        run(tmp_path / "two")
    monkeypatch.undo()
    resumed = weights(run(tmp_path / "two"))
    for name, expected in weights(unbroken).items():
        torch.testing.assert_close(resumed[name], expected, rtol=0, atol=0, msg=name)


def test_the_papers_numbers_are_the_defaults_of_pretraining() -> None:
    settings = pretrain.PretrainSettings()
    stages = [settings.pictures, settings.clips, settings.long]
    assert [stage.frames for stage in stages] == [1, 8, 32]
    assert [stage.rows for stage in stages] == [24_576, 12_288, 3_072]
    assert [stage.loop.steps for stage in stages] == [100_000, 60_000, 10_000]
    assert [stage.optim.rate for stage in stages] == [5e-5, 5e-5, 1e-5]
    assert {stage.optim.shape for stage in stages} == {"constant"}
    assert (settings.merge, settings.asking.query_free) == (False, 1.0)
    sft = override(finetune.FinetuneSettings(), finetune.PAPER)
    assert (sft.rows, sft.loop.steps, sft.optim.shape) == (3072, 83_000, "cosine")


def test_features_are_standardised_on_the_first_batches(corpus: Path, tiny_folder: Path, tmp_path: Path) -> None:
    settings = override(pretrain.PretrainSettings(), [*PRETRAIN, *UNTRAINED])
    bundle = load_folder(tiny_folder)
    bundle.model.x_encoder.mean.fill_(9.0)
    (tmp_path / "run").mkdir()
    run = pretrain.PretrainRun(corpus, tmp_path / "run", settings=settings, began_with=bundle, fresh=True, device="cpu")
    mixture, encoder = run.mixture("pictures", at_least=pretrain.MEASURED_BATCHES), bundle.model.x_encoder
    frames = torch.cat([mixture[step].frames.flatten(0, 1) for step in range(pretrain.MEASURED_BATCHES)])
    kept = frame_features(encoder, frames, mixture.processor)
    channels = encoder.settings.channels
    cells = kept[:, : encoder.settings.cells**2 * channels].reshape(-1, channels)
    torch.testing.assert_close(encoder.mean, cells.mean(0), rtol=1e-2, atol=1e-4)
    for stage in pretrain.STAGES:
        run.learn(stage)
    began = load_folder(run.finish())  # no steps at all: where a comparison of recipes begins
    assert began.frames == bundle.frames
    head = bundle.model.predictor.head.weight  # stored as bfloat16
    torch.testing.assert_close(began.model.predictor.head.weight, head, rtol=1e-2, atol=1e-3)


@pytest.fixture
def speaking_folder(tmp_path: Path) -> Path:
    """The random tiny model with a decoder that knows where a text ends."""
    save_folder(speaking(tiny_bundle()), tmp_path / "speaking", card="# Random\n", int8=False)
    return tmp_path / "speaking"


def test_the_decoder_alone_learns_and_can_say_the_corpus_words(
    corpus: Path, speaking_folder: Path, tmp_path: Path
) -> None:
    strong = ["loop.steps=4", "rows=4", "optim.rate=0.05", "optim.warmup=1"]
    made = decoder.train(corpus, tmp_path / "run", model=speaking_folder, assignments=strong, device="cpu")
    assert changed_parts(speaking_folder, made) == {"y_decoder"}
    bundle = load_folder(made)
    said = set(bundle.model.y_decoder.vocabulary.tolist())
    assert set(bundle.decoder_tokenizer.ids("a ball 3")) <= said
    losses = [line["loss"] for line in read_metrics(tmp_path / "run" / "metrics.jsonl") if "loss" in line]
    assert np.isfinite(losses).all()


def flat(module: torch.nn.Module) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in module.parameters()])


@pytest.mark.parametrize("x_encoder", ["frozen", "full"])
def test_the_x_encoder_learns_at_a_rate_of_its_own_or_not_at_all(
    x_encoder: str, corpus: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    settings = override(
        pretrain.PretrainSettings(),
        [
            *PRETRAIN,
            "long.loop.steps=1",
            "long.optim.rate=0.01",
            "long.optim.x_encoder_factor=0.03",
            f"long.x_encoder={x_encoder}",
        ],
    )
    (tmp_path / "run").mkdir()
    bundle = load_folder(tiny_folder)
    one = pretrain.PretrainRun(
        corpus, tmp_path / "run", settings=settings, began_with=bundle, fresh=False, device="cpu"
    )
    predictor, network = one.model.predictor.layers, one.model.x_encoder.network
    before, looking = flat(predictor), flat(network)
    one.learn("long")
    # AdamW's first step is as long as its rate, or shorter where a gradient is next to nothing.
    assert (flat(predictor) - before).abs().median().item() == pytest.approx(0.01, rel=0.01)
    if x_encoder == "frozen":
        assert torch.equal(flat(network), looking)
        return
    moved = flat(network) - flat(load_folder(tiny_folder).model.x_encoder.network)
    assert float((moved != 0).float().mean()) > 0.9
    assert moved.abs().max().item() == pytest.approx(0.0003, rel=0.02)


@pytest.mark.parametrize("x_encoder", ["frozen", "full"])
def test_an_x_encoder_that_has_learned_is_no_longer_computed_in_eight_bits(
    x_encoder: str, corpus: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    """What was measured of the network as it was published does not hold for another, in the saved folder neither."""
    bundle = load_folder(tiny_folder)
    encoder = lite(bundle.model.x_encoder, what="this test")
    ranges = (9.0,) * len(encoder.network.blocks)
    encoder.network.settings = replace(encoder.network.settings, ranges=ranges)
    encoder.settings = replace(encoder.settings, network=encoder.network.settings)
    bundle.model.settings = replace(bundle.model.settings, x_encoder=encoder.settings)
    settings = override(pretrain.PretrainSettings(), [*PRETRAIN, "long.loop.steps=1", f"long.x_encoder={x_encoder}"])
    (tmp_path / "run").mkdir()
    run = pretrain.PretrainRun(
        corpus, tmp_path / "run", settings=settings, began_with=bundle, fresh=False, device="cpu"
    )
    run.learn("long")
    kept = lite(load_folder(run.finish()).model.x_encoder, what="this test").network.settings.ranges
    assert kept == (ranges if x_encoder == "frozen" else ())
    assert encoder.network.settings.ranges == kept


def test_a_batch_of_pixels_gives_the_loss_of_their_features(tmp_path: Path) -> None:
    feed = make_feed(make_corpus(tmp_path / "corpus"), tmp_path / "run")
    decoded = feed.mixture[0]
    kept = feed.batch(decoded)
    feed.pixels = True
    pixels = feed.batch(decoded)
    assert pixels.frames.shape == (4, 4, 3, 32, 32)
    objective = JointEmbedding(feed.model, JointEmbeddingSettings())
    torch.testing.assert_close(objective(pixels).total, objective(kept).total)
    with pytest.raises(SettingsError, match="class_weight needs an X-Encoder that stays frozen"):
        JointEmbedding(feed.model, JointEmbeddingSettings(class_weight=1.0))(pixels)


def test_the_baseline_trains_a_token_vlm_that_can_be_opened_again(
    corpus: Path, speaking_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(baseline, "published_layers", lambda cache: tiny_language(5))
    command = ["train", "baseline", "--corpus", str(corpus), "--run", str(tmp_path / "run"), "--device", "cpu"]
    command += ["--model", str(speaking_folder), "--set", *FEW, "arm=equal"]
    assert main(command) == 0
    made = load_token_vlm(tmp_path / "run" / "model")
    assert made.model.settings.llama.layers == (0, 1, 4)
    visual = made.model.x_encoder.tokens(torch.rand(2, 4, made.model.settings.x_encoder.frame_width))
    assert len(made.model.generate(visual, made.query_tokenizer(["", "what"]), max_tokens=5)) == 2
    assert "| test_named |" in (tmp_path / "run" / "report.md").read_text()
    assert main(command) == 0  # a finished run is finished


def test_what_cannot_be_decoded_is_left_out_of_the_cache_counted_and_limited(
    tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = make_corpus(tmp_path / "corpus", spoiled=4)
    with pytest.raises(LoaderError, match=r"4 of 8 samples were skipped \(cannot be decoded: 4\), more than skip_"):
        finetune.train(corpus, tmp_path / "one", model=tiny_folder, assignments=FEW, device="cpu")
    finetune.train(corpus, tmp_path / "two", model=tiny_folder, assignments=[*FEW, "skip_budget=0.5"], device="cpu")
    (line,) = [line for line in read_metrics(tmp_path / "two" / "metrics.jsonl") if line["stage"] == "features"]
    assert (line["samples"], line["skipped_cannot_be_decoded"]) == (4, 4)
    (folder,) = (corpus / "features").iterdir()
    with pytest.raises(FeaturesError, match="lacks samples"):  # a score must not miss them
        Features(folder)
