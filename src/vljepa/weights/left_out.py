"""What stands where a part of a model would be that was not opened."""

from typing import Any

from torch import nn

from vljepa.weights.convert import WeightsError


class PartLeftOutError(WeightsError, AttributeError):
    """Something was asked of a part that was left out when the model was opened."""


class LeftOut(nn.Module):
    """Stands where a part would be that was not opened: whoever needs it is told how to open it."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._left_out = name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            return super().__getattr__(name)
        raise self._told()

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Never: there is nothing to compute with."""
        raise self._told()

    def _told(self) -> PartLeftOutError:
        return PartLeftOutError(
            f"the part {self._left_out} was left out when this model was opened: open it with that part in `parts`"
        )
