"""The token VLM differs from its VL-JEPA twin in head and objective, and in nothing else."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from tests.conftest import tiny_bundle
from tests.models.made_language import speaking, tiny_language
from tests.recipes.made_corpus import labelled_corpus

from vljepa.config import as_dict, override
from vljepa.objectives.joint_embedding import JointEmbedding
from vljepa.objectives.next_token import NextToken
from vljepa.recipes import asked_run
from vljepa.recipes.asked_run import AskedRun
from vljepa.recipes.baseline import BaselineRun, BaselineSettings
from vljepa.recipes.finetune import FinetuneRun, FinetuneSettings
from vljepa.text import Tokenizer
from vljepa.types import Tokens
from vljepa.weights.folder import save_folder

pytestmark = pytest.mark.filterwarnings("ignore:torch.distributed is disabled:UserWarning")

SHARED = ["rows=4", "loop.steps=2", "seed=5", "kept_share=0.5", "features=int8"]
# What a head may bring of its own: how its parts learn and how its predictions are compared; which layers it has.
HEADS = ({"objective", "parts"}, {"arm"})


class Recorded:
    """Stands in for the Trainer: keeps what it was given and the optimizer's groups by name."""

    seen: ClassVar[list["Recorded"]] = []

    def __init__(self, objective: torch.nn.Module, optimizer: torch.optim.Optimizer, draw: Any, **given: Any) -> None:
        self.objective, self.given = objective, given
        names = {parameter: name for name, parameter in objective.named_parameters()}
        self.rates = {
            names[parameter].removeprefix("model."): (group["full_rate"], group["weight_decay"], group["betas"])
            for group in optimizer.param_groups
            for parameter in group["params"]
        }
        self.seen.append(self)

    def fit(self) -> None:
        """Nothing is trained."""


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[FinetuneRun, BaselineRun]]:
    """Both recipes ready to train, on one corpus with older data beside it, from one folder."""
    folder = tmp_path_factory.mktemp("twins")
    save_folder(speaking(tiny_bundle()), folder / "begin", card="# Random\n", int8=False)
    corpus, kept = (labelled_corpus(folder / name) for name in ("corpus", "kept"))
    shared: dict[str, Any] = {"model": folder / "begin", "kept": kept, "device": "cpu"}
    for name in ("one", "other"):
        (folder / name).mkdir()
    one = FinetuneRun(corpus, folder / "one", settings=override(FinetuneSettings(), SHARED), **shared)
    settings = override(BaselineSettings(), SHARED)
    other = BaselineRun(corpus, folder / "other", settings=settings, published=tiny_language(4), **shared)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asked_run, "Trainer", Recorded)
        for run in (one, other):
            run.look()
            run.learn()
        yield one, other


def test_settings_are_the_same_but_for_those_of_the_head() -> None:
    one, other = as_dict(FinetuneSettings()), as_dict(BaselineSettings())
    assert (one.keys() - other.keys(), other.keys() - one.keys()) == HEADS
    assert {name: one[name] for name in one.keys() & other.keys()} == {
        name: other[name] for name in one.keys() & other.keys()
    }


def texts_of(tokens: Tokens, tokenizer: Tokenizer) -> list[str]:
    return [tokenizer.text(ids[mask].tolist()) for ids, mask in zip(tokens.ids, tokens.mask, strict=True)]


def test_both_draw_the_same_rows_in_the_same_order(twins: tuple[FinetuneRun, BaselineRun]) -> None:
    one, other = twins
    for step in range(12):
        mine, theirs = (run.draw(step)[0] for run in (one, other))
        for name in ("frames", "labels", "query_free", "keys"):
            assert torch.equal(getattr(mine, name), getattr(theirs, name)), name
        assert torch.equal(mine.query.ids, theirs.query.ids) and torch.equal(mine.query.mask, theirs.query.mask)
        assert mine.samples == theirs.samples
        assert texts_of(mine.targets, one.texts) == texts_of(theirs.targets, other.texts)


def test_loop_rates_and_schedule_are_the_same(twins: tuple[FinetuneRun, BaselineRun]) -> None:
    one, other = Recorded.seen
    assert isinstance(one.objective, JointEmbedding) and isinstance(other.objective, NextToken)
    own = {"name", "record", "folder", "evaluate"}
    assert {name: value for name, value in one.given.items() if name not in own} == {
        name: value for name, value in other.given.items() if name not in own
    }
    # What both learn has the same rate and decay in both: layer by layer, whichever layers there are.
    mine, theirs = ({place(name): rate for name, rate in run.rates.items()} for run in (one, other))
    assert theirs and theirs.items() <= mine.items()
    assert {name.split(".")[0] for name in mine.keys() - theirs.keys()} == {
        "y_encoder",
        "log_scale",
        "*",
    }, "beside the head of the VL-JEPA, which reads out and compares, the VLM learns the same"


def place(name: str) -> str:
    """A parameter's place without the name of the part and the number of the layer."""
    return re.sub(r"layers\.layers\.\d+", "layers", re.sub(r"^(predictor|generator)\.", "*.", name))


def test_both_begin_with_the_same_frozen_parts_and_projection(twins: tuple[FinetuneRun, BaselineRun]) -> None:
    one, other = twins
    for name in ("x_encoder", "token_table"):
        mine, theirs = (getattr(run.model, name) for run in (one, other))
        assert all(
            torch.equal(value, theirs.state_dict()[key].to(value.dtype)) for key, value in mine.state_dict().items()
        )
        assert not any(parameter.requires_grad for part in (mine, theirs) for parameter in part.parameters())
    assert torch.equal(one.model.predictor.visual_projection.weight, other.model.generator.visual_projection.weight)
    # Features come from one folder, whose name is a fingerprint of encoder, processor, frames and number type.
    assert one.rows.own[0].features.fingerprint == other.rows.own[0].features.fingerprint


def test_the_equal_arm_learns_as_many_parameters_and_the_whole_one_all(tmp_path: Path) -> None:
    save_folder(speaking(tiny_bundle()), tmp_path / "begin", card="# Random\n", int8=False)
    sizes = {}
    for arm in ("whole", "equal"):
        (tmp_path / arm).mkdir()
        settings = override(BaselineSettings(), [f"arm={arm}"])
        shared: dict[str, Any] = {"model": tmp_path / "begin", "kept": None, "device": "cpu"}
        run = BaselineRun(tmp_path, tmp_path / arm, settings=settings, published=tiny_language(9), **shared)
        sizes[arm] = sum(parameter.numel() for parameter in run.model.generator.parameters())
        one_layer = sum(parameter.numel() for parameter in run.model.generator.layers.layers[0].parameters())
        assert len(run.model.generator.layers.layers) == 9 or arm == "equal"
    twin = FinetuneRun(tmp_path, tmp_path / "equal", settings=FinetuneSettings(), **shared)
    twin.model.y_encoder.body.embeddings.requires_grad_(False)
    learned = sum(
        p.numel() for part in (twin.model.predictor, twin.model.y_encoder) for p in part.parameters() if p.requires_grad
    )
    assert abs(sizes["equal"] - learned) <= one_layer / 2 + 100 < sizes["whole"] - learned


def test_neither_recipe_changes_what_they_share() -> None:
    """What both inherit is written once; an override would be a difference that no setting shows."""
    shared = {"look", "fit", "draw", "examples", "_features", "_score", "_quick_scores", "report"}
    for run in (FinetuneRun, BaselineRun):
        assert issubclass(run, AskedRun)
        assert not shared & vars(run).keys()
