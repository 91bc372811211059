"""The recipe `small` from its first stage to a model folder: a tiny model that goes on, on real sources' samples."""

from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
import torch

from vljepa.config import SettingsError, override
from vljepa.data.corpora.physics import Physics
from vljepa.data.corpora.shapes import Shapes
from vljepa.data.processor import ProcessorSettings
from vljepa.data.shards import write_listing, write_shard
from vljepa.features import Features, encoder_fingerprint
from vljepa.models.sizes import tiny
from vljepa.recipes.ingredients import Ingredients
from vljepa.recipes.small_run import SmallRun
from vljepa.recipes.small_settings import SmallSettings
from vljepa.training.record import read_metrics
from vljepa.training.run_folder import keep_settings
from vljepa.types import Tokens
from vljepa.weights.calibration import Calibration
from vljepa.weights.folder import load_folder
from vljepa.weights.start import PublishedFiles, start_trained

pytestmark = pytest.mark.filterwarnings("ignore:torch.distributed is disabled:UserWarning")

STAGES = ("pictures", "clips", "queries", "texts", "predictions")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two dozen clips of physics and as many pictures of shapes, with their own questions; and pictures for photos."""
    root = tmp_path_factory.mktemp("corpus")
    entries = []
    for name, source in (("physics", Physics(total=24, size=32)), ("shapes", Shapes()), ("photos", Shapes())):
        samples = list(islice(source.samples(0, {}), 24))
        samples = [replace(sample, split=("train", "validation")[k % 3 == 0]) for k, sample in enumerate(samples)]
        entries.append(write_shard(root, f"{name}-000.tar", samples=samples) | {"source": name})
    write_listing(root, entries)
    return root


@pytest.fixture(scope="module")
def ingredients() -> Ingredients:
    """A thousand names; nothing that was published, since the run goes on from a model."""
    nowhere, names = Path("nowhere"), [f"thing {number}" for number in range(1000)]
    return Ingredients(
        files=PublishedFiles(efficientnet=nowhere, sentence_encoder=nowhere, language_model=nowhere),
        class_names=names,
        class_texts=[(name, f"a {name}") for name in names],
        sentences=["a ball rolls away", "the box is red"],
    )


def settings(*assignments: str) -> SmallSettings:
    """One step a stage on a few rows."""
    shape = tiny()
    shape = replace(shape, predictor=replace(shape.predictor, classes=1000))
    few = SmallSettings(model=shape, processor=ProcessorSettings(resolution=32, pictures="middle and whole"), frames=4)
    groups = dict.fromkeys(few.rows, 4) | {"classes": 0}  # a random classifier is sure of nothing
    steps = [f"{stage}.{key}" for stage in STAGES for key in ("loop.steps=1", "optim.warmup=1", "optim.rate=0.05")]
    return override(replace(few, rows=groups, text_rows=4), [*steps, "pictures.optim.y_encoder_factor=1", *assignments])


def test_every_stage_runs_and_the_opinion_is_fitted_last(
    corpus: Path, ingredients: Ingredients, tiny_folder: Path, tmp_path: Path
) -> None:
    few, folder = settings(), tmp_path / "run"
    folder.mkdir()
    keep_settings(folder, few)
    run = SmallRun(corpus, folder, settings=few, ingredients=ingredients, model=tiny_folder, device="cpu")
    assert float(run.model.predictor.conse.weight) == 0
    made = run.through()
    assert {row["stage"] for row in read_metrics(folder / "metrics.jsonl")} >= {*STAGES, "belief"}
    assert changed_parts_of(tiny_folder, made) >= {"predictor", "y_encoder", "y_decoder"}
    opened = load_folder(made)
    assert opened.calibration != Calibration(unsure=opened.calibration.unsure)
    encoder = opened.model.x_encoder
    assert Features(corpus / "features").fingerprint == encoder_fingerprint(encoder, opened.processor, 4)
    torch.testing.assert_close(encoder.mean, load_folder(tiny_folder).model.x_encoder.mean)
    names = opened.model.predictor.conse.names
    assert (names.norm(dim=-1) - 1).abs().max() < 1e-2 and names.mean(0).norm() < 0.1


def changed_parts_of(before: Path, after: Path) -> set[str]:
    """Parts that moved, of those weights that both folders have."""
    one, other = (load_folder(folder).model.state_dict() for folder in (before, after))
    both = {name for name in one.keys() & other.keys() if one[name].is_floating_point()}
    return {
        name.split(".")[0]
        for name in both
        if one[name].shape != other[name].shape or not torch.allclose(one[name], other[name], rtol=0.02, atol=1e-3)
    }


def test_a_classifier_that_is_never_sure_is_told_of(
    corpus: Path, ingredients: Ingredients, tiny_folder: Path, tmp_path: Path
) -> None:
    few = settings("rows.classes=4")
    run = SmallRun(corpus, tmp_path, settings=few, ingredients=ingredients, model=tiny_folder, device="cpu")
    run.look()
    with pytest.raises(ValueError, match=r"rows\.classes=0"):
        run.align()


def test_a_y_encoder_without_a_rate_stands_still(
    corpus: Path, ingredients: Ingredients, tiny_folder: Path, tmp_path: Path
) -> None:
    still = [f"{stage}.optim.y_encoder_factor=0" for stage in ("pictures", "clips", "queries")]
    few = settings(*still)
    keep_settings(tmp_path, few)
    made = SmallRun(corpus, tmp_path, settings=few, ingredients=ingredients, model=tiny_folder, device="cpu").through()
    changed = changed_parts_of(tiny_folder, made)
    assert "predictor" in changed and "y_encoder" not in changed


def test_the_space_begins_anew_from_the_published_y_encoder(
    corpus: Path, ingredients: Ingredients, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = replace(settings(), space="anew", whitening=0.0)
    published = start_trained(few.model, tiny_folder)
    torch.nn.init.normal_(published.model.y_encoder.head.weight)
    of_the_body = next(published.model.y_encoder.body.parameters())
    torch.nn.init.normal_(of_the_body)
    monkeypatch.setattr(SmallRun, "_published", lambda run: published)
    run = SmallRun(corpus, tmp_path, settings=few, ingredients=ingredients, model=tiny_folder, device="cpu")
    assert torch.equal(next(run.model.y_encoder.body.parameters()), of_the_body)
    run.look()
    head = run.model.predictor.head.weight.clone()
    run.carry_over()
    assert not torch.allclose(run.model.predictor.head.weight, head)
    (told,) = [row for row in read_metrics(tmp_path / "metrics.jsonl") if row["stage"] == "space"]
    assert 0 < told["turned_cosine"] <= 1


def test_what_was_learned_is_turned_before_any_stage(
    corpus: Path, ingredients: Ingredients, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = replace(settings(), space="anew", whitening=0.0)
    keep_settings(tmp_path, few)
    published = start_trained(few.model, tiny_folder)
    monkeypatch.setattr(SmallRun, "_published", lambda run: published)
    SmallRun(corpus, tmp_path, settings=few, ingredients=ingredients, model=tiny_folder, device="cpu").through()
    rows = read_metrics(tmp_path / "metrics.jsonl")
    steps = [row["stage"] for row in rows if "turned_cosine" in row or "loss" in row]
    assert steps[0] == "space" and {*steps[1:]} == {*STAGES}


def test_a_model_of_another_shape_is_refused(tiny_folder: Path) -> None:
    deeper = replace(tiny().y_encoder, layers=tiny().y_encoder.layers + 1)
    other = replace(tiny(), y_encoder=deeper)
    with pytest.raises(ValueError, match="another shape"):
        start_trained(other, tiny_folder)


def test_a_blend_is_that_far_on_the_way_from_what_the_run_began_with(
    corpus: Path, ingredients: Ingredients, tiny_folder: Path, tmp_path: Path
) -> None:
    def predictor(blend: float) -> dict[str, torch.Tensor]:
        few, folder = replace(settings(), blend=blend), tmp_path / f"{blend:g}"
        keep_settings(folder, few)
        run = SmallRun(corpus, folder, settings=few, ingredients=ingredients, model=tiny_folder, device="cpu")
        run.look()
        run.align()
        return {name: value.detach().clone() for name, value in run.model.predictor.state_dict().items()}

    began = start_trained(settings().model, tiny_folder).model.predictor.state_dict()
    whole, part = predictor(1.0), predictor(0.25)
    moved = [name for name, value in whole.items() if "conse" not in name and not torch.equal(value, began[name])]
    assert len(moved) > 5
    for name in moved:
        torch.testing.assert_close(part[name], 0.75 * began[name] + 0.25 * whole[name])


def test_a_blend_of_nothing_is_refused() -> None:
    with pytest.raises(SettingsError, match="above 0"):
        replace(settings(), blend=0.0)


def test_a_blend_without_a_model_to_go_on_from_is_refused(
    corpus: Path, ingredients: Ingredients, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match="no model that the run goes on from"):
        SmallRun(corpus, tmp_path, settings=replace(settings(), blend=0.5), ingredients=ingredients, device="cpu")


def test_a_share_of_the_y_decoders_last_steps_is_on_texts(
    corpus: Path, ingredients: Ingredients, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: dict[str, Callable[[int], tuple[torch.Tensor, Tokens]]] = {}
    said = Tokens(ids=torch.zeros(1, 1, dtype=torch.long), mask=torch.ones(1, 1, dtype=torch.bool))
    monkeypatch.setattr(SmallRun, "_fit", lambda run, name, objective, draw: drawn.update({name: draw}))
    monkeypatch.setattr(SmallRun, "_texts", lambda run, step: (torch.ones(1), said))
    monkeypatch.setattr("vljepa.recipes.small_run.predicted_batch", lambda *given: (torch.zeros(1), said))
    for share in (0.0, 0.3, 1.0):
        few = settings(f"texts_share={share}")
        run = SmallRun(corpus, tmp_path, settings=few, ingredients=ingredients, model=tiny_folder, device="cpu")
        run.look()
        run.describe()
        of_texts = sum(float(drawn["predictions"](step)[0]) for step in range(300)) / 300
        assert of_texts == pytest.approx(share, abs=0.06 if 0 < share < 1 else 0)
