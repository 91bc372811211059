"""The controlled comparison (paper, section 4.5): does predicting embeddings learn faster than predicting tokens?

Three arms with the same frozen X-Encoder's features, the same rows in the same order, batch and schedule:
VL-JEPA (the last half of a language model's layers), the token VLM with all of its layers, and the token VLM with as
many parameters as the VL-JEPA learns. The paper's arms: 0.5B against 1B, batch 128, CIDEr 14.8 against 7.1 and top-5
41.0 against 27.2 % after 15M samples (its text; its figure shows 18.8 and 9.2), one run each.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import get_args

from vljepa.config import SettingsError, override
from vljepa.experiments.cells import Outcome
from vljepa.experiments.grid import run_grid
from vljepa.experiments.ground import Ground, lay_ground
from vljepa.experiments.settings import Arm, Cell, DecoderSettings, GroundSettings
from vljepa.objectives.joint_embedding import JointEmbeddingSettings
from vljepa.training.run_folder import keep_settings

ARMS: tuple[Arm, ...] = get_args(Arm)
# Checkpoints in sixteenths of a run: close together where most is learned.
SIXTEENTHS = (1, 2, 3, 4, 6, 8, 12, 16)


def _default() -> Cell:
    """Beside InfoNCE predictions are drawn towards their targets, since the decoder knows targets alone; the weight,
    the temperature, and how long the decoder learns are those that were best on validation (LOG.md). Each VL-JEPA has
    a decoder of its own at the end, which learns from what it says of training clips."""
    objective = JointEmbeddingSettings(alignment_weight=2.0, temperature=0.2, learn_temperature=False)
    return Cell(
        ground="",
        objective=objective,
        decoder=DecoderSettings(steps=1280),
        own_decoder=DecoderSettings(steps=320, predicted=1.0),
    )


@dataclass(frozen=True, kw_only=True)
class CompareSettings:
    """`steps`, the decoder's, and the training samples to choose from grow with `--scale`.

    `cell`: what all arms have in common; its arm, seed, ground and checkpoints are set by the comparison. `vlm_rate`:
    the token VLMs' own rate: each side has the one that was best for it on validation.
    """

    steps: int = 192
    seeds: int = 3
    vlm_rate: float = 1e-3
    ground: GroundSettings = field(default_factory=GroundSettings)
    cell: Cell = field(default_factory=_default)

    def scaled(self, scale: float) -> "CompareSettings":
        """So many times the steps. SettingsError where too few are left for the checkpoints."""
        steps = 16 * round(self.steps * scale / 16)
        if steps < 16:
            raise SettingsError(f"--scale {scale:g} leaves {self.steps * scale:.0f} steps: 16 are the least")
        decoder, own = (
            one and replace(one, steps=max(16, round(one.steps * scale)))
            for one in (self.cell.decoder or DecoderSettings(), self.cell.own_decoder)
        )
        ground = replace(self.ground, most=round(self.ground.most * scale))
        return replace(self, steps=steps, ground=ground, cell=replace(self.cell, decoder=decoder, own_decoder=own))

    def cells(self, ground: Ground) -> list[Cell]:
        """Every training, seed by seed. What only VL-JEPA has does not make another token VLM."""
        checkpoints = tuple(sixteenth * self.steps // 16 for sixteenth in SIXTEENTHS)
        base = replace(self.cell, ground=ground.fingerprint, checkpoints=checkpoints)
        theirs = replace(base, decoder=None, own_decoder=None, objective=JointEmbeddingSettings(), stretch=1.0)
        theirs = replace(theirs, optim=replace(base.optim, rate=self.vlm_rate))
        return [
            replace(base if arm == "vl-jepa" else theirs, arm=arm, seed=seed)
            for seed in range(self.seeds)
            for arm in ARMS
        ]


def compare(
    corpus: Path,
    into: Path,
    *,
    cache: Path,
    scale: float = 1.0,
    assignments: Sequence[str] = (),
    workers: int = 2,
    device: str = "auto",
    tell: Callable[[str], None],
) -> tuple[CompareSettings, Ground, list[Outcome]]:
    """Run what is missing in `into`; all outcomes. SettingsError where `into` was begun with other settings."""
    settings = override(CompareSettings(), list(assignments)).scaled(scale)
    if settings.seeds < 1 or workers < 1:
        raise SettingsError(f"{settings.seeds} seeds, {workers} workers: give one or more of each")
    keep_settings(into, settings)
    ground = lay_ground(corpus, into, settings=settings.ground, cache=cache, device=device, tell=tell)
    return settings, ground, run_grid(settings.cells(ground), ground, workers=workers, device=device, tell=tell)
