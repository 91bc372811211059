"""The recipe of the shipped model `small` (paper, section 3: query-free pretraining, then queries, then the decoder).

Command: vljepa train small --corpus corpus --run runs/small
Two CPU cores without a GPU, 95 minutes, measured 2026-11-22. The shipped weights went on from there: what they score,
and how they came about, says their card, src/vljepa/shipped/small/README.md.
"""

from collections.abc import Sequence
from pathlib import Path

from vljepa.config import override
from vljepa.recipes.ingredients import gather_ingredients
from vljepa.recipes.small_run import SmallRun
from vljepa.recipes.small_settings import SmallSettings
from vljepa.runtime import first_rank_first
from vljepa.training.run_folder import keep_settings
from vljepa.training.trackers import open_trackers


def train(
    corpus: Path,
    run: Path,
    *,
    cache: Path,
    model: Path | None = None,
    assignments: list[str] | None = None,
    device: str = "auto",
    change: bool = False,
    track: Sequence[str] = (),
) -> Path:
    """Run the recipe, or go on with it, to a model folder. `assignments`: settings, as `queries.loop.steps=10`.

    `model`: a folder of this recipe's to begin from instead of published weights.

    `change`: go on with other settings than the run was begun with. `track`: trackers besides `metrics.jsonl`.
    """
    settings = override(SmallSettings(), assignments or [])
    with first_rank_first():
        run.mkdir(parents=True, exist_ok=True)
        keep_settings(run, settings, change=change)
        ingredients = gather_ingredients(cache)
    recipe = SmallRun(
        corpus,
        run,
        settings=settings,
        ingredients=ingredients,
        model=model,
        device=device,
        trackers=open_trackers(track, run, settings),
    )
    return recipe.through()
