"""Streams: what is decoded of them and when, where it goes, and `gate`, which puts other models behind that choice."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vljepa.streaming.gating import Gate, gate

__all__ = ["Gate", "gate"]


def __getattr__(name: str) -> Any:
    """Opened on first use, since they need the model."""
    if name not in __all__:
        raise AttributeError(f"vljepa.streaming has no {name}: there are {', '.join(__all__)}")
    from vljepa.streaming import gating

    return getattr(gating, name)
