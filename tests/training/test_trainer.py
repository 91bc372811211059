"""The loop: a resumed run equals an unbroken one, signals save, divergence stops, steps are recorded."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tests.conftest import tiny_bundle

from vljepa.config import SettingsError
from vljepa.data.collate import Example, collate
from vljepa.objectives.joint_embedding import JointEmbedding, JointEmbeddingSettings
from vljepa.training.optim import OptimSettings, make_optimizer, parameter_groups, schedule
from vljepa.training.record import Record, read_metrics
from vljepa.training.trainer import Diverged, Interrupted, LoopSettings, Trainer
from vljepa.types import Batch

pytestmark = pytest.mark.filterwarnings("ignore:torch.distributed is disabled:UserWarning")

OPTIM = OptimSettings(rate=1e-3, warmup=2)


def make(folder: Path, *, steps: int, micro_rows: int = 0, spoil: Callable[[int], None] = lambda step: None) -> Trainer:
    bundle = tiny_bundle()
    objective = JointEmbedding(bundle.model, JointEmbeddingSettings(class_weight=0.3))
    bundle.model.y_decoder.requires_grad_(False)
    width = bundle.model.settings.x_encoder.frame_width

    def draw(step: int) -> tuple[Batch]:
        spoil(step)
        generator = torch.Generator().manual_seed(step)
        texts = ["a red ball", "the cat", "blue cube falls", "a red ball"]
        rows = [
            Example(frames=torch.rand(2, width, generator=generator), query="what" if k else "", target=text)
            for k, text in enumerate(texts)
        ]
        return (collate(rows, query_tokenizer=bundle.query_tokenizer, target_tokenizer=bundle.target_tokenizer),)

    folder.mkdir(parents=True, exist_ok=True)
    groups = parameter_groups(objective, bundle.model, OPTIM)
    return Trainer(
        objective,
        make_optimizer(groups, OPTIM),
        draw,
        name="stage",
        loop=LoopSettings(steps=steps, record_every=1, save_every=3, micro_rows=micro_rows),
        optim=OPTIM,
        record=Record(folder / "metrics.jsonl", keep=(folder / "checkpoints").exists()),
        folder=folder / "checkpoints",
        dtype=torch.float32,
    )


def weights(trainer: Trainer) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in trainer.objective.state_dict().items()}


def test_a_run_that_was_stopped_equals_one_that_was_not(tmp_path: Path) -> None:
    unbroken = make(tmp_path / "one", steps=8)
    unbroken.fit()

    def stop_at(step: int) -> None:
        if step == 4:
            os.kill(os.getpid(), signal.SIGTERM)

    stopped = make(tmp_path / "two", steps=8, spoil=stop_at)
    with pytest.raises(Interrupted, match="the same command goes on"):
        stopped.fit()
    resumed = make(tmp_path / "two", steps=8)
    resumed.fit()
    assert 0 < stopped.step < 8
    for name, expected in weights(unbroken).items():
        torch.testing.assert_close(weights(resumed)[name], expected, rtol=0, atol=0, msg=name)
    lines = read_metrics(tmp_path / "two" / "metrics.jsonl")
    assert [line["step"] for line in lines] == list(range(1, 9))
    assert [line["loss"] for line in lines] == [
        line["loss"] for line in read_metrics(tmp_path / "one" / "metrics.jsonl")
    ]


def test_training_lowers_the_loss_and_moves_the_slow_part_slowly(tmp_path: Path) -> None:
    trainer = make(tmp_path, steps=12)
    before = weights(trainer)
    trainer.fit()
    after = weights(trainer)
    losses = [line["loss"] for line in read_metrics(tmp_path / "metrics.jsonl")]
    assert losses[-1] < losses[0]

    def moved(name: str) -> float:
        return float((after[name] - before[name]).abs().mean())

    body = moved("model.y_encoder.body.layers.0.query.weight")
    head = moved("model.y_encoder.head.weight")
    assert 0 < body < 0.2 * head
    assert moved("model.y_encoder.body.embeddings.words.weight") == 0
    assert moved("model.token_table.weight") == 0
    assert moved("model.x_encoder.network.stem.weight") == 0


def test_a_few_rows_at_once_train_as_the_whole_batch_does(tmp_path: Path) -> None:
    whole, few = make(tmp_path / "whole", steps=4), make(tmp_path / "few", steps=4, micro_rows=3)
    rows_seen = []
    few.objective.model.predictor.register_forward_hook(lambda part, inputs, output: rows_seen.append(len(output)))
    whole.fit()
    few.fit()
    assert rows_seen == [2, 2, 2, 2] * 4  # two passes a step, four rows in pieces of three at most
    one, other = (read_metrics(tmp_path / name / "metrics.jsonl") for name in ("whole", "few"))
    assert [line["info_nce"] for line in other] == pytest.approx([line["info_nce"] for line in one], abs=2e-4)
    assert [line["norm"] for line in other] == pytest.approx([line["norm"] for line in one], abs=2e-3)


@pytest.mark.parametrize("micro_rows", [-1, 8])
def test_rows_at_once_are_refused_where_they_mean_nothing(micro_rows: int, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=rf"texts\.loop\.micro_rows is {micro_rows}: .* any stage takes 0"):
        Trainer(
            torch.nn.Linear(2, 2),
            torch.optim.SGD(torch.nn.Linear(2, 2).parameters()),
            lambda step: (),
            name="texts",
            loop=LoopSettings(steps=1, micro_rows=micro_rows),
            optim=OPTIM,
            record=Record(tmp_path / "metrics.jsonl", keep=False),
            folder=tmp_path,
            dtype=torch.float32,
        )
    if micro_rows < 0:
        with pytest.raises(SettingsError, match=r"stage\.loop\.micro_rows is -1"):
            make(tmp_path / "run", steps=1, micro_rows=-1)


def test_a_loss_that_is_no_number_stops_the_run(tmp_path: Path) -> None:
    trainer = make(tmp_path, steps=3)
    with torch.no_grad():
        trainer.objective.model.predictor.head.weight.fill_(float("nan"))
    with pytest.raises(Diverged, match="step 0"):
        trainer.fit()


def test_a_finished_stage_is_not_trained_again(tmp_path: Path) -> None:
    make(tmp_path, steps=3).fit()

    def never(step: int) -> None:
        raise AssertionError("a finished stage drew a batch")

    again = make(tmp_path, steps=3, spoil=never)
    again.fit()
    assert again.step == 3


def test_a_torn_checkpoint_is_never_the_latest(tmp_path: Path) -> None:
    make(tmp_path, steps=3).fit()
    (tmp_path / "checkpoints" / "stage" / "step-0000009.tmp").mkdir()
    again = make(tmp_path, steps=3)
    again.fit()
    assert again.step == 3


def test_every_parameter_has_a_group_and_norms_do_not_decay(tmp_path: Path) -> None:
    trainer = make(tmp_path, steps=1)
    for group in trainer.optimizer.param_groups:
        for parameter in group["params"]:
            assert (group["weight_decay"] > 0) == (parameter.ndim > 1)
    rates = sorted({group["full_rate"] for group in trainer.optimizer.param_groups})
    assert rates[0] == pytest.approx(0.05 * OPTIM.rate)


def test_the_schedule_warms_up_and_ends_at_nothing() -> None:
    factors = [schedule(step, steps=10, warmup=4) for step in range(10)]
    assert factors[:4] == [0.25, 0.5, 0.75, 1.0]
    assert factors[4] == 1.0
    assert factors == sorted(factors[:4]) + sorted(factors[4:], reverse=True)
    assert schedule(10, steps=10, warmup=4) == pytest.approx(0)


def test_metrics_are_json_lines(tmp_path: Path) -> None:
    make(tmp_path, steps=2).fit()
    for line in (tmp_path / "metrics.jsonl").read_text().splitlines():
        assert {"stage", "step", "loss", "norm", "info_nce", "scale"} <= json.loads(line).keys()
