"""Recipes on two ranks equal one: finetune, baseline, decoder, and a step through an X-Encoder that learns."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.conftest import tiny_bundle
from tests.models.made_language import speaking, tiny_language
from tests.numerics.test_ranks import assert_same, on_one_rank
from tests.recipes.made_corpus import labelled_corpus
from tests.training.made_runs import make_run

from vljepa.config import override
from vljepa.data.shards import read_shard, write_listing, write_shard
from vljepa.recipes import asked_run, decoder
from vljepa.recipes.baseline import BaselineRun, BaselineSettings
from vljepa.recipes.decoder import DecoderRun, DecoderSettings
from vljepa.recipes.finetune import FinetuneRun, FinetuneSettings
from vljepa.training import optim
from vljepa.training.trainer import LoopSettings
from vljepa.weights.folder import save_folder

pytestmark = pytest.mark.filterwarnings("ignore:torch.distributed is disabled:UserWarning")

FEW = ["rows=4", "loop.steps=2", "loop.record_every=1", "optim.warmup=1"]
ADAPTERS = ["parts.modes={predictor: lora, y_encoder: frozen}"]


def gentle(*given: Any) -> torch.optim.AdamW:
    """Weights whose gradient is zero but for rounding stay where they are (see `made_runs.make_run`)."""
    optimizer = optim.make_optimizer(*given)
    for group in optimizer.param_groups:
        group["eps"] = 1e-3
    return optimizer


def learned(module: torch.nn.Module) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in module.parameters() if parameter.requires_grad]


def asked(run: Any) -> list[torch.Tensor]:
    run.look()
    run.learn()
    run.finish()
    return learned(run.model)


def recipes(folder: Path, runs: Path) -> dict[str, Callable[[], list[torch.Tensor]]]:
    """What to run, each in a folder of its own."""

    def given(name: str) -> tuple[Path, Path]:
        (runs / name).mkdir(parents=True, exist_ok=True)
        return folder / "corpus", runs / name

    shared: dict[str, Any] = {"model": folder / "begin", "device": "cpu"}
    asks: dict[str, Any] = shared | {"kept": None}

    def says() -> list[torch.Tensor]:
        settings = override(DecoderSettings(), [*FEW, "decoding.noise=0"])  # ranks draw noise of their own
        run = DecoderRun(*given("decoder"), settings=settings, **shared)
        run.learn()
        return learned(run.model)

    def sees() -> list[torch.Tensor]:
        trainer = make_run(runs / "pixels", loop=LoopSettings(steps=2), epsilon=1e-3, pixels=True)
        trainer.fit()
        return [*trainer.losses, *trainer.weights()]

    return {
        "finetune": lambda: asked(FinetuneRun(*given("f"), settings=override(FinetuneSettings(), FEW), **asks)),
        "adapters": lambda: asked(
            FinetuneRun(*given("a"), settings=override(FinetuneSettings(), [*FEW, *ADAPTERS]), **asks)
        ),
        "baseline": lambda: asked(
            BaselineRun(*given("b"), settings=override(BaselineSettings(), FEW), published=tiny_language(), **asks)
        ),
        "decoder": says,
        "pixels": sees,
    }


def every_recipe(rows: range, rank: int, *, folder: Path) -> dict[str, list[torch.Tensor]]:
    with pytest.MonkeyPatch.context() as patch:
        make_exact(patch)
        found = {name: run() for name, run in recipes(folder, folder / "two").items()}
        patch.setattr(decoder, "compute_dtype", lambda device: torch.bfloat16)
        rounded = recipes(folder, folder / "bfloat16")["decoder"]()
        assert all(bool(value.isfinite().all()) for value in rounded)
    return found


def make_exact(patch: pytest.MonkeyPatch) -> None:
    for module in (asked_run, decoder):
        patch.setattr(module, "make_optimizer", gentle)
        patch.setattr(module, "compute_dtype", lambda device: torch.float32)


def in_two_shards(corpus: Path) -> None:
    """Each rank has one to look at."""
    samples = list(read_shard(corpus / "made-000.tar"))
    entries = [write_shard(corpus, f"made-00{part}.tar", samples=samples[part::2]) for part in range(2)]
    write_listing(corpus, [entry | {"source": "made"} for entry in entries])


def test_two_ranks_equal_one_in_every_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = speaking(tiny_bundle())
    save_folder(bundle, tmp_path / "begin", card="# Random\n", int8=False)
    in_two_shards(labelled_corpus(tmp_path / "corpus"))
    work = functools.partial(every_recipe, folder=tmp_path)
    torch.multiprocessing.spawn(on_one_rank, args=(2, str(tmp_path), work), nprocs=2)
    make_exact(monkeypatch)
    expected = {name: run() for name, run in recipes(tmp_path, tmp_path / "one").items()}
    found = torch.load(tmp_path / "found.pt", weights_only=True)
    # Convolutions sum in another order for another number of frames, which a network of random weights magnifies.
    for one, other in zip(found.pop("pixels"), expected.pop("pixels"), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
    assert_same(found, expected)
    assert all((tmp_path / "two" / name / "model" / "config.json").is_file() for name in ("f", "a", "b", "decoder"))
