"""VL-JEPA, open and complete: answers about pictures and video by predicting the answer's embedding."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vljepa.api import Model, load, watch
    from vljepa.types import Clip

__version__ = "0.1.0"
__all__ = ["Clip", "Model", "__version__", "load", "watch"]

# Opened on first use: `import vljepa` and `vljepa --help` must not wait for torch.
_LAZY = {"Clip": "vljepa.types", "Model": "vljepa.api", "load": "vljepa.api", "watch": "vljepa.api"}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"vljepa has no {name}: there are {', '.join(__all__)}")
    from importlib import import_module

    return getattr(import_module(_LAZY[name]), name)
