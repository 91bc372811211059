"""`settings.yaml` of a run: written when it begins, compared when it goes on."""

from pathlib import Path
from typing import Any

import yaml

from vljepa.config import SettingsError, as_dict, differences, fingerprint, settings_from


def keep_settings(run: Path, settings: Any) -> None:
    """Write the resolved settings, or refuse to go on where the run was begun with others."""
    path = run / "settings.yaml"
    if path.exists():
        found = yaml.safe_load(path.read_text())
        found.pop("fingerprint")
        changed = differences(settings_from(type(settings), found), settings)
        if changed:
            shown = "; ".join(f"{name} was {old}, is {new}" for name, (old, new) in changed.items())
            raise SettingsError(f"{run} was begun with other settings ({shown}): use them, or name another run")
        return
    run.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump({"fingerprint": fingerprint(settings)} | as_dict(settings), sort_keys=False))
