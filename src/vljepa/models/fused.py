"""A frozen convolution with its ReLU6 in one kernel of oneDNN, and its weight in the order that the kernel reads.

PyTorch's public functions end in the same library, but put a weight in order anew in every call, and a ReLU6 of its own
reads and writes all maps once more. The operators here are those that torch.compile makes of a network on CPUs; nobody
promises that they stay. Where they would not be faster, PyTorch's functions give the same up to rounding.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from vljepa.runtime import has_fused_kernels

# The names and numbers by which the operators know what follows a product.
_NOTHING: tuple[str, list[float], str] = ("none", [], "")
_RELU6: tuple[str, list[float], str] = ("hardtanh", [0.0, 6.0], "")


class FusedKernels:
    """The kernels of one layer; they keep its weight in their order from the first call until it is another.

    What is kept is no part of the layer's state: it is not saved, and a copy of the layer makes its own.
    """

    def __init__(self) -> None:
        self._kept: tuple[Tensor, int, tuple[int, ...], Tensor] | None = None

    def __reduce__(self) -> tuple[type["FusedKernels"], tuple[()]]:
        return FusedKernels, ()

    def product(
        self,
        x: Float[Tensor, "*rows wide"],
        weight: Float[Tensor, "out wide"],
        bias: Float[Tensor, "out"] | None,
        *,
        relu6: bool,
    ) -> Float[Tensor, "*rows out"]:
        """Rows times a matrix, plus the bias."""
        if not _fits(x, weight):
            return _after(functional.linear(x, weight, bias), relu6=relu6)
        rows = x.numel() // x.shape[-1]
        ordered = self._ordered(weight, (), lambda plain: torch.ops.mkldnn._reorder_linear_weight(plain, rows))
        return torch.ops.mkldnn._linear_pointwise(x, ordered, bias, *(_RELU6 if relu6 else _NOTHING))

    def convolution(
        self,
        x: Float[Tensor, "batch channel height width"],
        weight: Float[Tensor, "out grouped kernel kernel"],
        bias: Float[Tensor, "out"] | None,
        *,
        stride: tuple[int, ...],
        padding: tuple[int, int],
        zeros: tuple[int, int, int, int],
        groups: int,
        relu6: bool,
    ) -> Float[Tensor, "batch out rows columns"]:
        """Maps through a filter that gets `zeros` around it: before and after its columns, then its rows."""
        if not _fits(x, weight):
            widened = functional.pad(weight, zeros) if any(zeros) else weight
            return _after(functional.conv2d(x, widened, bias, stride, padding, 1, groups), relu6=relu6)
        place = (padding, stride, (1, 1), groups)
        ordered = self._ordered(
            weight,
            zeros,
            lambda plain: torch.ops.mkldnn._reorder_convolution_weight(functional.pad(plain, zeros), *place, x.shape),
        )
        return torch.ops.mkldnn._convolution_pointwise(x, ordered, bias, *place, *(_RELU6 if relu6 else _NOTHING))

    def _ordered(self, weight: Tensor, zeros: tuple[int, ...], order: Callable[[Tensor], Tensor]) -> Tensor:
        kept = self._kept  # once: another thread may put its own there meanwhile
        if kept is None or not same_weight(kept[0], kept[1], weight) or kept[2] != zeros:
            # Nothing else can come to lie in the memory of what was put in order, since it is held on to.
            kept = self._kept = (weight.detach(), weight._version, zeros, order(weight))
        return kept[3]


def same_weight(then: Tensor, version: int, now: Tensor) -> bool:
    """Whether a weight still lies where it did, and has not been written to."""
    return (then.data_ptr(), then.dtype, version) == (now.data_ptr(), now.dtype, now._version)


def _fits(x: Tensor, weight: Tensor) -> bool:
    """Whether the kernels take this: they know neither gradients nor autocast, and weights must count their changes."""
    return (
        x.device.type == weight.device.type == "cpu"
        and x.dtype == weight.dtype
        and not (x.requires_grad or weight.requires_grad or weight.is_inference())
        and not torch.is_autocast_enabled("cpu")
        and has_fused_kernels(x.dtype)
    )


def _after(y: Float[Tensor, "*shape"], *, relu6: bool) -> Float[Tensor, "*shape"]:
    return functional.relu6(y, inplace=True) if relu6 else y
