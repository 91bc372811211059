"""The one door to transformers, for kinds of encoders that are its own: opened only when such a model is."""

import importlib
from typing import Any


def transformers(kind: str) -> Any:
    """The library. ValueError that says how to install it where it is missing."""
    try:
        return importlib.import_module("transformers")
    except ImportError as error:
        raise ValueError(
            f"encoders of kind {kind} are transformers' own, which is not here: pip install 'vljepa[hub]'"
        ) from error
