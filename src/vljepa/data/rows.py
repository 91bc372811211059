"""Rows of numbers on disk, read a few at a time: float16, bfloat16, or int8 with its own scale for each column.

`NAME.npy` holds the rows (bfloat16 as the 16 bits that it is, which NumPy has no name for), `NAME.scale.npy` the
middle and the step of each column of int8. A column is quantised by itself because columns differ a hundredfold.
"""

import os
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

RowType = Literal["float16", "bfloat16", "int8"]
LEVELS = 127


def write_rows(path: Path, rows: Float[Tensor, "row width"], kind: RowType) -> None:
    """Put the file, and that of its scales before it, in place in one step each."""
    if kind == "int8":
        levels, scale = quantized_columns(rows)
        _write_whole(_scale_of(path), scale.numpy())
        _write_whole(path, levels.numpy())
    elif kind == "bfloat16":
        _write_whole(path, rows.to(torch.bfloat16).view(torch.int16).numpy())
    else:
        _write_whole(path, rows.to(torch.float16).numpy())


class Rows:
    """An opened file of rows: a memory map, of which slices come out in float32."""

    def __init__(self, path: Path, kind: RowType) -> None:
        self._kind = kind
        self._rows: NDArray[np.generic] = np.load(path, mmap_mode="r")
        self._scale = torch.from_numpy(np.load(_scale_of(path))) if kind == "int8" else None

    def __getitem__(self, some: slice) -> Float[Tensor, "row width"]:
        """The rows of a slice."""
        found = torch.from_numpy(np.array(self._rows[some]))
        if self._scale is not None:
            middle, step = self._scale
            return found.float() * step + middle
        return found.view(torch.bfloat16).float() if self._kind == "bfloat16" else found.float()


def quantized_columns(rows: Float[Tensor, "row width"]) -> tuple[Tensor, Float[Tensor, "2 width"]]:
    """Nearest of 255 levels between each column's least and largest number; and the columns' middles and steps."""
    if not len(rows):
        return rows.to(torch.int8), torch.zeros(2, rows.shape[1])
    low, high = rows.float().amin(0), rows.float().amax(0)
    middle, step = (low + high) / 2, ((high - low) / (2 * LEVELS)).clamp(min=1e-12)
    levels = ((rows.float() - middle) / step).round().clamp(-LEVELS, LEVELS)
    return levels.to(torch.int8), torch.stack([middle, step])


def _scale_of(path: Path) -> Path:
    return path.with_suffix(".scale.npy")


def _write_whole(path: Path, array: NDArray[np.generic]) -> None:
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as file:
        np.save(file, array)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
