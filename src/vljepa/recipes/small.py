"""The recipe of the shipped model `small` (paper, section 3: query-free pretraining, then queries, then the decoder).

Command: vljepa train small --corpus corpus --run runs/small
Hardware, duration and scores of the shipped weights: their model card, src/vljepa/shipped/small/README.md.
"""

from pathlib import Path

import yaml

from vljepa.config import SettingsError, as_dict, differences, fingerprint, override, settings_from
from vljepa.recipes.ingredients import gather_ingredients
from vljepa.recipes.small_run import SmallRun
from vljepa.recipes.small_settings import SmallSettings


def train(corpus: Path, run: Path, *, cache: Path, assignments: list[str] | None = None, device: str = "auto") -> Path:
    """Run the recipe, or go on with it, to a model folder. `assignments`: settings, as `queries.loop.steps=10`."""
    settings = override(SmallSettings(), assignments or [])
    run.mkdir(parents=True, exist_ok=True)
    keep_settings(run, settings)
    recipe = SmallRun(corpus, run, settings=settings, ingredients=gather_ingredients(cache), device=device)
    recipe.look()
    recipe.speak()
    recipe.align()
    recipe.describe()
    return recipe.finish()


def keep_settings(run: Path, settings: SmallSettings) -> None:
    """Write the resolved settings, or refuse to go on where the run was begun with others."""
    path = run / "settings.yaml"
    if path.exists():
        found = yaml.safe_load(path.read_text())
        found.pop("fingerprint")
        changed = differences(settings_from(SmallSettings, found), settings)
        if changed:
            shown = "; ".join(f"{name} was {old}, is {new}" for name, (old, new) in changed.items())
            raise SettingsError(f"{run} was begun with other settings ({shown}): use them, or name another run")
        return
    path.write_text(yaml.safe_dump({"fingerprint": fingerprint(settings)} | as_dict(settings), sort_keys=False))
