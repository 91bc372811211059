"""A plan counts what a real step needs, allocates nothing, and says what will not fit and what would."""

import json
from dataclasses import replace

import pytest
import torch
from tests.conftest import tiny_bundle
from tests.training.made_runs import TEXTS

from vljepa.cli.main import main
from vljepa.config import SettingsError
from vljepa.training.plan import GIB, GPUS, Machine, PlanSettings, advice, known_sizes, plan, table

SMALL = PlanSettings(size="small", machine="h100", batch=256)


def test_weights_and_moments_are_counted_and_shared_out() -> None:
    model = tiny_bundle().model
    every = sum(parameter.numel() for parameter in model.parameters())
    tables = sum(parameter.numel() for parameter in model.y_encoder.body.embeddings.parameters())
    parts = (model.predictor, model.y_encoder)
    learned = sum(parameter.numel() for part in parts for parameter in part.parameters()) - tables
    one, four = (plan(PlanSettings(size="tiny", machine="h100", batch=8, gpus=gpus)) for gpus in (1, 4))
    assert one.memory["weights"] == four.memory["weights"] == 4 * every
    assert one.memory["gradients and AdamW"] == 12 * learned
    assert four.memory["gradients and AdamW"] == 3 * learned
    assert four.memory["activations"] < 0.3 * one.memory["activations"]


def test_activations_are_what_a_real_pass_keeps(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a CPU in float32 with the plain attention kernel: nothing is left to an assumption."""
    from vljepa.training import plan as planning

    monkeypatch.setattr(
        planning, "machine_named", lambda name: Machine(name="x", memory=1e12, flops=1e12, dtype=torch.float32)
    )
    bundle = tiny_bundle()
    model, rows = bundle.model, len(TEXTS)
    planning._freeze(model)
    query, texts = bundle.query_tokenizer(["what"] * rows), bundle.target_tokenizer(["a red ball falls"] * rows)
    settings = PlanSettings(
        size="tiny",
        batch=rows,
        frames=4,
        query_tokens=query.ids.shape[1],
        target_tokens=texts.ids.shape[1],
    )
    estimate = plan(settings).memory["activations"]
    weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept: dict[int, torch.Tensor] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        kept.setdefault(tensor.untyped_storage().data_ptr(), tensor)
        return tensor

    frames = torch.rand(rows, 4, model.settings.x_encoder.frame_width)
    with (
        torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH),
        torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor),
    ):
        held = (model.predict_raw(model.x_encoder.tokens(frames), query), model.encode_text_raw(texts))
    real = sum(tensor.untyped_storage().nbytes() for place, tensor in kept.items() if place not in weights)
    assert len(held) == 2
    assert estimate == pytest.approx(real, rel=0.25)


def test_nothing_is_allocated() -> None:
    found = plan(replace(SMALL, batch=1_000_000))
    assert found.memory["activations"] > 1000 * GIB  # this machine has not got that, and was not asked for it


def test_what_does_not_fit_is_said_with_what_would() -> None:
    assert plan(SMALL).fits
    assert advice(plan(SMALL)) == ""
    large = plan(replace(SMALL, batch=24_576, machine="l4"))
    assert not large.fits
    said = advice(large)
    assert said.startswith("does not fit: with loop.")
    name, value = said.removeprefix("does not fit: with loop.").removesuffix(" it does").split("=")
    smaller = replace(large.settings, **{name: True if value == "true" else int(value)})  # type: ignore[arg-type]
    assert plan(smaller).fits
    hopeless = plan(replace(SMALL, batch=50_000_000))
    assert "take more GPUs" in advice(hopeless)


def test_time_follows_the_work() -> None:
    one = plan(SMALL)
    assert plan(replace(SMALL, batch=512)).seconds == pytest.approx(2 * one.seconds, rel=0.01)
    assert plan(replace(SMALL, gpus=8)).seconds == pytest.approx(one.seconds / 8, rel=0.01)
    assert plan(replace(SMALL, micro_rows=64)).seconds == pytest.approx(4 / 3 * one.seconds, rel=0.01)
    assert plan(replace(SMALL, machine="a100")).seconds == pytest.approx(
        one.seconds * GPUS["h100"].flops / GPUS["a100"].flops
    )


def test_the_command_prints_it_and_needs_no_corpus(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "small", "--plan", "--batch", "512", "--gpus", "2", "--gpu", "l4"]) == 0
    shown = capsys.readouterr().out
    assert "small, batch 512 on 2 x l4" in shown and "activations" in shown and "a step takes about" in shown
    assert main(["train", "small", "--plan", "--gpu", "h100", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["fits"] is True and found["bytes"]["weights"] > 1e8 and found["seconds_per_step"] > 0
    assert main(["train", "small"]) == 2
    assert "train needs --corpus" in capsys.readouterr().err


def test_here_is_measured() -> None:
    found = plan(PlanSettings(size="tiny", batch=4))
    assert found.machine.memory > GIB / 4
    assert found.machine.flops > 1e8
    assert "tiny, batch 4 on 1 x here" in table(found)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": "smoll"}, "there is no size smoll; did you mean small"),
        ({"machine": "h10"}, "there is no machine h10; did you mean h100"),
        ({"batch": 0}, "batch is 0: take 1 or more"),
        ({"batch": 2, "gpus": 8}, "a batch of 2 rows cannot be shared by 8 GPUs"),
    ],
)
def test_what_makes_no_step_is_said(settings: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        plan(replace(SMALL, **settings))  # type: ignore[arg-type]
    assert {"tiny", "small"} <= known_sizes().keys()
