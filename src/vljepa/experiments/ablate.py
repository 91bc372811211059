"""The ablations (paper, section 4.8 and its Table 7, and ours): one thing changed at a time, the same cells shared."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from vljepa.config import SettingsError, fingerprint, meant, override
from vljepa.data.asking import AskSettings
from vljepa.experiments.ablations import GROUPS
from vljepa.experiments.cells import Outcome
from vljepa.experiments.grid import run_grid
from vljepa.experiments.ground import Ground, lay_ground
from vljepa.experiments.settings import Cell, DecoderSettings, GroundSettings
from vljepa.training.run_folder import keep_settings

Found = Mapping[str, Mapping[str, Sequence[Outcome]]]


def _default() -> Cell:
    """Captions, labels and questions, as the paper's ablations train on its mixture with queries.

    Texts that are wrong are left out: a Y-Encoder that learns would take four times as long.
    """
    asking = AskSettings(negatives=0)
    return Cell(ground="", asking=asking, y_encoder="full", scores=("named", "found", "answered"), decoder=None)


@dataclass(frozen=True, kw_only=True)
class AblateSettings:
    """`steps`, the decoder's, and the training samples to choose from grow with `--scale`.

    `cell`: what all variants are made from; its ground, seed and end are set here.
    """

    steps: int = 96
    seeds: int = 2
    decoder: DecoderSettings = field(default_factory=DecoderSettings)
    ground: GroundSettings = field(default_factory=GroundSettings)
    cell: Cell = field(default_factory=_default)

    def scaled(self, scale: float) -> "AblateSettings":
        """So many times the steps. SettingsError where none is left."""
        steps = round(self.steps * scale)
        if steps < 1:
            raise SettingsError(f"--scale {scale:g} leaves no steps of {self.steps}")
        decoder = replace(self.decoder, steps=max(1, round(self.decoder.steps * scale)))
        ground = replace(self.ground, most=round(self.ground.most * scale))
        return replace(self, steps=steps, ground=ground, decoder=decoder)

    def cells(self, ground: Ground, groups: Sequence[str]) -> dict[str, dict[str, list[Cell]]]:
        """By group and variant, one a seed; variants of several groups that are the same are the same cell."""
        base = replace(self.cell, ground=ground.fingerprint, checkpoints=(self.steps,))
        return {
            name: {
                variant.name: [variant.change(replace(cell, seed=seed)) for seed in range(self.seeds)]
                for variant in GROUPS[name].variants
                for cell in (replace(base, decoder=self.decoder) if name == "decoder" else base,)
            }
            for name in groups
        }


def ablate(
    corpus: Path,
    into: Path,
    *,
    cache: Path,
    groups: Sequence[str] = (),
    scale: float = 1.0,
    assignments: Sequence[str] = (),
    workers: int = 2,
    device: str = "auto",
    tell: Callable[[str], None],
) -> tuple[AblateSettings, Ground, Found]:
    """Run what is missing of the groups (all where none is named); outcomes by group and variant."""
    chosen = _known(groups)
    settings = override(AblateSettings(), list(assignments)).scaled(scale)
    if settings.seeds < 1 or workers < 1:
        raise SettingsError(f"{settings.seeds} seeds, {workers} workers: give one or more of each")
    keep_settings(into, settings)
    ground = lay_ground(corpus, into, settings=settings.ground, cache=cache, device=device, tell=tell)
    cells = settings.cells(ground, chosen)
    each = {
        fingerprint(cell): cell
        for seed in range(settings.seeds)
        for variants in cells.values()
        for seeds in variants.values()
        for cell in (seeds[seed],)
    }
    done = dict(
        zip(each, run_grid(list(each.values()), ground, workers=workers, device=device, tell=tell), strict=True)
    )
    return (
        settings,
        ground,
        {
            name: {variant: [done[fingerprint(cell)] for cell in seeds] for variant, seeds in variants.items()}
            for name, variants in cells.items()
        },
    )


def _known(groups: Sequence[str]) -> list[str]:
    for name in groups:
        if name not in GROUPS:
            raise ValueError(f"there is no group of ablations {name!r}{meant(name, GROUPS)}")
    return list(dict.fromkeys(groups)) or list(GROUPS)
