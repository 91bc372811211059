"""Where published weights come from: a file or a folder here, or a repository of the hub, which is fetched once."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vljepa.weights.convert import WeightsError

# What a part or a model needs of a repository; its samples, figures and other formats stay where they are.
FILES = ("*.json", "*.safetensors", "README.md")
_NAME = re.compile(r"(?P<name>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?")


def source_path(source: str, *, files: Sequence[str] = FILES, offline: bool = False) -> Path:
    """The file or folder of that name, or a copy of the hub's repository USER/NAME, also USER/NAME@REVISION.

    `files`: which of a repository's. `offline`: only what was fetched before, as with HF_HUB_OFFLINE=1. Gated
    repositories are opened with the token of `hf auth login`, or HF_TOKEN. WeightsError says what to do instead.
    """
    if Path(source).exists():
        return Path(source)
    named = _NAME.fullmatch(source)
    if named is None or source.startswith((".", "/")) or Path(source).suffix in {".pt", ".pth", ".safetensors"}:
        raise WeightsError(f"there is no file or folder {source}: check the path, or give USER/NAME of the hub")
    options = {"revision": named["revision"], "local_files_only": offline or None, "allow_patterns": list(files)}
    return fetched(named["name"], {key: value for key, value in options.items() if value is not None})


def fetched(name: str, options: Mapping[str, Any]) -> Path:
    """A copy of the hub's repository of that name; WeightsError where it cannot be had, with what to do."""
    try:
        from huggingface_hub import constants, snapshot_download
        from huggingface_hub.errors import (
            GatedRepoError,
            HfHubHTTPError,
            HFValidationError,
            LocalEntryNotFoundError,
            RevisionNotFoundError,
        )
    except ModuleNotFoundError as error:
        raise WeightsError(
            f"there is no folder {name}, and fetching it needs huggingface_hub: pip install 'vljepa[hub]'"
        ) from error
    page = f"{constants.ENDPOINT}/{name}"
    try:
        return Path(snapshot_download(name, **options))
    except HFValidationError as error:
        raise WeightsError(f"there is no model folder {name}, and no repository can have that name") from error
    except GatedRepoError as error:
        raise WeightsError(
            f"{name} is gated: accept its terms on {page}, then log in with `hf auth login` or set HF_TOKEN"
        ) from error
    except RevisionNotFoundError as error:
        raise WeightsError(f"{name} has no revision {options.get('revision')}: look on {page}/commits") from error
    except LocalEntryNotFoundError as error:
        raise WeightsError(
            f"there is no model folder {name}, and the hub cannot be reached for it: connect once, or give a folder"
        ) from error
    except HfHubHTTPError as error:
        raise WeightsError(f"there is no model folder {name}, and the hub has no such model: {error}") from error
