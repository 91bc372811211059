"""Recipes begin from a composed model as from any other, and what they train answers afterwards."""

from pathlib import Path

import pytest
from tests.training.test_feed import make_corpus
from tests.weights import made_published as made
from tests.weights.test_compose import VIDEO, parts

from vljepa.embedder import Embedder
from vljepa.recipes import decoder, finetune, pretrain
from vljepa.weights.folder import load_folder, save_folder

pytestmark = pytest.mark.filterwarnings("ignore:torch.distributed is disabled:UserWarning")

FEW = ["loop.steps=2", "rows=4", "optim.warmup=1"]


def test_training_makes_a_composed_model_answer(tmp_path: Path) -> None:
    """V-JEPA's features are pixels, and no recipe knows."""
    found = parts(
        tmp_path, tower=made.vjepa2(), language_model=made.llama(), text=made.mpnet(), processor=VIDEO, shared=20
    )
    begun, corpus = tmp_path / "begun", make_corpus(tmp_path / "corpus")
    save_folder(found.composed(), begun, card="# Untrained\n", int8=False)
    assert load_folder(begun).untrained == ("predictor", "y_encoder")
    few = [*(f"clips.{setting}" for setting in FEW), "workers=0", "pictures.loop.steps=0", "long.loop.steps=0"]
    trained = pretrain.train(corpus, tmp_path / "one", model=begun, cache=tmp_path, assignments=few, device="cpu")
    assert Embedder(load_folder(trained)).texts(["a ball"]).shape == (1, 20)
    halves = [*FEW, "parts.modes={predictor: full, y_encoder: frozen}"]
    half = finetune.train(corpus, tmp_path / "three", model=begun, assignments=halves, device="cpu")
    assert load_folder(half).untrained == ("y_encoder",)
    with pytest.raises(ValueError, match="no Y-Decoder"):
        decoder.train(corpus, tmp_path / "four", model=begun, assignments=FEW, device="cpu")
