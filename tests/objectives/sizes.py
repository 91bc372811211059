"""How large the tensors are that a computation makes on its way, and how much it keeps for its backward pass."""

from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class _Watch(TorchDispatchMode):
    largest = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        sizes = [leaf.numel() for leaf in tree_leaves(made) if isinstance(leaf, torch.Tensor)]
        self.largest = max(self.largest, *sizes, 0)
        return made


def largest_tensor(work: Callable[[], object]) -> int:
    """Numbers in the largest tensor that any operation of `work` has made, forward or backward."""
    with _Watch() as watch:
        work()
    return watch.largest


def kept_numbers(forward: Callable[[], object]) -> int:
    """How many numbers autograd keeps from a forward pass, each as often as it is kept."""
    sizes = []

    def pack(kept: torch.Tensor) -> torch.Tensor:
        sizes.append(kept.numel())
        return kept

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda kept: kept):
        forward()
    return sum(sizes)
