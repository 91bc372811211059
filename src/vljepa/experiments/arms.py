"""The arms of an experiment, ready to train: what each learns and compares. All else is the ground's and the cell's.

What both sides have in common they begin with alike: X-Encoder, token table, and a visual projection that is drawn
from the cell's seed.
"""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from vljepa.config import SettingsError
from vljepa.embedder import shipped_folder
from vljepa.experiments.ground import Ground
from vljepa.experiments.settings import Cell
from vljepa.models.lite_encoder import LiteEncoder
from vljepa.models.predictor import Predictor
from vljepa.models.token_vlm import TokenVLM
from vljepa.models.vljepa import VLJEPA
from vljepa.models.y_encoder import YEncoder
from vljepa.objectives.joint_embedding import JointEmbedding
from vljepa.objectives.next_token import NextToken
from vljepa.recipes.baseline import equal_layers
from vljepa.recipes.opposites import pull_apart
from vljepa.text import Tokenizer
from vljepa.training.optim import Group, parameter_groups
from vljepa.training.parts import PartSettings, apply_modes
from vljepa.weights.convert import layers_of, load_exactly
from vljepa.weights.folder import Bundle, load_folder
from vljepa.weights.token_vlm import num_layers, start_token_vlm

TARGET_TOKENS = 48


@dataclass(frozen=True, kw_only=True)
class Ready:
    """An arm before its first step. `texts` reads its target texts; `bundle` holds the VL-JEPA or its twin's parts."""

    bundle: Bundle
    model: VLJEPA | TokenVLM
    objective: nn.Module
    groups: list[Group]
    texts: Tokenizer

    @property
    def trainable(self) -> int:
        """How many numbers learn."""
        return sum(group.count for group in self.groups)


def ready(cell: Cell, ground: Ground) -> Ready:
    """The cell's arm with its published weights, what is new drawn from the cell's seed."""
    bundle = ground.bundle()
    _draw_anew(bundle.model, seed=cell.seed)
    if cell.arm == "vl-jepa":
        return _vljepa(cell, ground, bundle)
    places = tuple(range(num_layers(ground.language_model)))
    if cell.arm == "vlm-equal":
        twin = _vljepa(replace(cell, arm="vl-jepa"), ground, bundle)
        places = equal_layers(bundle.model, places, wanted=twin.trainable)
    started = start_token_vlm(bundle, ground.language_model, layers=places)
    started.model.requires_grad_(False)
    started.model.generator.requires_grad_(True)
    objective = NextToken(started.model)
    return Ready(
        bundle=bundle,
        model=started.model,
        objective=objective,
        groups=parameter_groups(objective, started.model, cell.optim),
        texts=started.text_tokenizer.cut_at(TARGET_TOKENS),
    )


def _vljepa(cell: Cell, ground: Ground, bundle: Bundle) -> Ready:
    texts = bundle.target_tokenizer.cut_at(TARGET_TOKENS)
    _choose_predictor(bundle.model, cell, ground)
    _choose_y_encoder(bundle.model, cell)
    if cell.stretch != 1:
        pull_apart(bundle.model, texts, factor=cell.stretch)
    modes = {"predictor": "full", "y_encoder": "full" if cell.y_encoder == "full" else "frozen"}
    apply_modes(bundle.model, PartSettings(modes=modes))
    if cell.y_encoder == "head":
        bundle.model.y_encoder.head.requires_grad_(True)
    objective = JointEmbedding(bundle.model, cell.objective)
    groups = parameter_groups(objective, bundle.model, cell.optim)
    return Ready(bundle=bundle, model=bundle.model, objective=objective, groups=groups, texts=texts)


def _choose_predictor(model: VLJEPA, cell: Cell, ground: Ground) -> None:
    """Another Predictor where the cell asks for one; its projections and head stay those that were drawn."""
    choice, old = cell.predictor, model.predictor
    total = num_layers(ground.language_model)
    places = tuple(range(max(1, round(total * choice.first)))) if choice.first else tuple(range(total // 2, total))
    settings = replace(
        old.settings,
        llama=replace(old.settings.llama, layers=tuple(ground.settings.stack[place] for place in places)),
        causal=choice.causal,
        read_out=choice.read_out,
        query_projection=choice.query_projection,
    )
    if settings == old.settings and not choice.random:
        return
    torch.manual_seed(cell.seed)
    predictor = Predictor(settings)
    if not choice.random:
        load_exactly(predictor.layers, layers_of(ground.language_model, places), name="the language model")
    predictor.visual_projection, predictor.head = old.visual_projection, old.head
    model.predictor = predictor
    model.settings = replace(model.settings, predictor=settings)


def _choose_y_encoder(model: VLJEPA, cell: Cell) -> None:
    """Another Y-Encoder of the same shape where the cell asks for one. SettingsError where it does not fit."""
    if cell.y_weights == "shipped":
        shipped = load_folder(shipped_folder(), parts=("y_encoder",)).model.y_encoder
        if shipped.settings != model.y_encoder.settings:
            raise SettingsError("y_weights=shipped needs a Y-Encoder of the shipped model's shape: leave it out here")
        model.y_encoder.load_state_dict(shipped.state_dict())
    elif cell.y_weights == "random":
        torch.manual_seed(cell.seed)
        model.y_encoder = YEncoder(model.y_encoder.settings)


@torch.no_grad()
def _draw_anew(model: VLJEPA, *, seed: int) -> None:
    """The visual projection and the Predictor's head from the seed; what columns mean class names stays as it is."""
    torch.manual_seed(seed)
    projection, head = model.predictor.visual_projection, model.predictor.head
    drawn = nn.Linear(projection.in_features, projection.out_features)
    names = _class_columns(model)
    drawn.weight[:, names] = projection.weight[:, names]
    projection.load_state_dict(drawn.state_dict())
    head.load_state_dict(nn.Linear(head.in_features, head.out_features).state_dict())


def _class_columns(model: VLJEPA) -> slice:
    """Columns of the visual projection that begin as the embeddings of class names; none without a classifier."""
    encoder: Any = model.x_encoder
    if not isinstance(encoder, LiteEncoder):
        return slice(0, 0)
    first = encoder.settings.token_width - encoder.classes - encoder.settings.coordinates
    return slice(first, first + encoder.classes)
