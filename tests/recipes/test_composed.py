"""Recipes begin from a model of published parts as from any other, and what they train answers afterwards."""

import json
from pathlib import Path

import pytest
import torch
from tests.training.test_feed import clip, make_corpus
from tests.weights import made_published as made
from tests.weights.made_whole import VIDEO

from vljepa.cli.main import main
from vljepa.embedder import Embedder
from vljepa.recipes import decoder, finetune, pretrain
from vljepa.weights.folder import load_folder
from vljepa.weights.foreign import read_tensors
from vljepa.weights.importing import ImportSettings, import_weights
from vljepa.weights.untrained import UntrainedPartError

pytestmark = pytest.mark.filterwarnings("ignore:torch.distributed is disabled:UserWarning")

FEW = ["loop.steps=2", "rows=4", "optim.warmup=1"]
PRETRAINED = [
    *(f"clips.{setting}" for setting in FEW), "workers=0", "pictures.loop.steps=0", "long.loop.steps=0",
]  # fmt: skip


def begun(folder: Path, *, shared: int = 20) -> Path:
    """Imported as a stranger would: V-JEPA's features are pixels, and no recipe knows."""
    x = made.saved(made.vjepa2(), folder / "x", processor=VIDEO)
    language_model, y = made.saved(made.llama(layers=5), folder / "llm"), made.saved(made.mpnet(), folder / "y")
    parts = {"source": str(x), "predictor": str(language_model), "y_encoder": str(y)}
    import_weights(ImportSettings(kind="parts", shared=shared, **parts), folder / "begun")
    return folder / "begun"


def test_from_published_parts_to_a_caption(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every part answers once it is trained, and not before; the Y-Decoder last of all."""
    model, corpus, video = begun(tmp_path), make_corpus(tmp_path / "corpus"), tmp_path / "clip.mp4"
    video.write_bytes(clip(0))
    opened = load_folder(model)
    assert opened.untrained == ("predictor", "y_encoder", "y_decoder")
    theirs = read_tensors(tmp_path / "llm")
    for place, layer in enumerate((0, 1, 2, 4)):
        ours = opened.model.y_decoder.layers.layers[place].mlp.up_proj.weight
        assert torch.equal(ours, theirs[f"model.layers.{layer}.mlp.up_proj.weight"])
    trained = pretrain.train(
        corpus, tmp_path / "one", model=model, cache=tmp_path, assignments=PRETRAINED, device="cpu"
    )
    assert Embedder(load_folder(trained)).texts(["a ball"]).shape == (1, 20)
    assert main(["caption", str(video), "--model", str(trained)]) == 2
    assert "the part y_decoder of this model was never trained" in capsys.readouterr().err
    spoken = decoder.train(corpus, tmp_path / "two", model=trained, assignments=FEW, device="cpu")
    assert load_folder(spoken).untrained == ()
    assert main(["caption", str(video), "--model", str(spoken), "--json"]) == 0
    assert -1 <= json.loads(capsys.readouterr().out)["fidelity"] <= 1  # also where two steps taught it to say nothing
    able = set(load_folder(spoken).model.y_decoder.vocabulary.tolist())
    assert opened.decoder_tokenizer.settings.end in able  # it can come to an end,
    assert len(able) < 300  # and says only what training has seen


def test_what_was_not_trained_stays_untrained(tmp_path: Path) -> None:
    model, corpus = begun(tmp_path), make_corpus(tmp_path / "corpus")
    halves = [*FEW, "parts.modes={predictor: full, y_encoder: frozen}"]
    half = finetune.train(corpus, tmp_path / "one", model=model, assignments=halves, device="cpu")
    assert load_folder(half).untrained == ("y_encoder", "y_decoder")
    none = finetune.train(corpus, tmp_path / "two", model=model, assignments=["loop.steps=0", "rows=4"], device="cpu")
    assert load_folder(none).untrained == ("predictor", "y_encoder", "y_decoder")


def test_a_decoder_does_not_learn_to_say_what_means_nothing(tmp_path: Path) -> None:
    """Of the space of a trained sentence encoder it may learn from texts alone, before the Predictor is trained."""
    corpus = make_corpus(tmp_path / "corpus")
    model = begun(tmp_path, shared=24)
    assert load_folder(model).untrained == ("predictor", "y_decoder")
    with pytest.raises(UntrainedPartError, match="the part predictor of this model was never trained"):
        decoder.train(corpus, tmp_path / "one", model=model, assignments=FEW, device="cpu")
    alone = [*FEW, "predicted=0"]
    spoken = decoder.train(corpus, tmp_path / "two", model=model, assignments=alone, device="cpu")
    assert load_folder(spoken).untrained == ("predictor",)
    nothing = ["loop.steps=0", "rows=4", "predicted=0"]
    silent = decoder.train(corpus, tmp_path / "three", model=model, assignments=nothing, device="cpu")
    assert load_folder(silent).untrained == ("predictor", "y_decoder")
    other = begun(tmp_path / "other")
    with pytest.raises(UntrainedPartError, match="the part y_encoder of this model was never trained"):
        decoder.train(corpus, tmp_path / "four", model=other, assignments=alone, device="cpu")
