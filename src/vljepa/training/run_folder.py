"""A run's settings on disk: a run goes on with those that it was begun with, or is told to change them."""

import time
from pathlib import Path
from typing import Any

import yaml

from vljepa.config import SettingsError, as_dict, differences, fingerprint, settings_from
from vljepa.runtime import rank


def keep_settings(run: Path, settings: Any, *, change: bool = False) -> None:
    """Write the resolved settings; SettingsError, with the differences, where the run was begun with others.

    `change`: go on with the new ones all the same; `settings.yaml` then holds them, and `settings-changed.txt` when
    they changed and from what to what. Of several ranks the first one writes.
    """
    path = run / "settings.yaml"
    if path.exists():
        found = yaml.safe_load(path.read_text())
        found.pop("fingerprint", None)
        changed = differences(settings_from(type(settings), found), settings)
        if not changed:
            return
        shown = "; ".join(f"{name} was {old}, is {new}" for name, (old, new) in changed.items())
        if not change:
            raise SettingsError(
                f"{run} was begun with other settings ({shown}): use them, name another run, or add --change-settings"
            )
        if rank() == 0:
            with (run / "settings-changed.txt").open("a") as file:
                file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {shown}\n")
    if rank() == 0:
        run.mkdir(parents=True, exist_ok=True)
        text = yaml.safe_dump({"fingerprint": fingerprint(settings)} | as_dict(settings), sort_keys=False)
        temporary = path.with_suffix(".tmp")
        temporary.write_text(text)
        temporary.replace(path)
