"""A convolution in oneDNN's kernels gives what it gives in PyTorch's, whatever happens to its weight."""

import copy
import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor

from vljepa.models import fused
from vljepa.models.efficientnet_lite import EfficientNetLite, EfficientNetLiteSettings, SameConvolution
from vljepa.runtime import has_fused_kernels

DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
LAYERS = {
    "product": {"kernel": 1},
    "filter": {"kernel": 3, "stride": 2},
    "depthwise": {"kernel": 5, "groups": 16},
}
SHAPES = pytest.mark.parametrize("shape", LAYERS)
here = pytest.mark.skipif(not has_fused_kernels(torch.float32), reason="a processor without these kernels")


def layer(shape: str, dtype: torch.dtype = torch.float32, *, relu6: bool = True) -> SameConvolution:
    made = SameConvolution(16, 32, relu6=relu6, **LAYERS[shape])  # type: ignore[arg-type]
    torch.nn.init.normal_(made.weight)  # so that some come out below 0 and some above 6
    return made.requires_grad_(False).to(dtype)


def maps(dtype: torch.dtype = torch.float32, side: int = 14) -> Tensor:
    return torch.randn(3, 16, side, side, dtype=dtype).contiguous(memory_format=torch.channels_last)


@pytest.fixture
def plainly(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[SameConvolution, Tensor], Tensor]]:
    """The same layer by PyTorch's public functions."""

    def run(convolution: torch.nn.Module, x: Tensor) -> Tensor:
        with monkeypatch.context() as patch:
            patch.setattr(fused, "has_fused_kernels", lambda dtype: False)
            return convolution(x)

    yield run


@DTYPES
@SHAPES
@pytest.mark.parametrize("relu6", [True, False])
def test_fused_equals_plain(shape: str, dtype: torch.dtype, relu6: bool, plainly: Callable[..., Tensor]) -> None:
    convolution, x = layer(shape, dtype, relu6=relu6), maps(dtype)
    wanted = plainly(convolution, x)
    assert bool((wanted.min() >= 0) & (wanted.max() <= 6)) == relu6
    torch.testing.assert_close(convolution(x), wanted)


@DTYPES
def test_the_whole_network_gives_the_same(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    network = EfficientNetLite(EfficientNetLiteSettings()).requires_grad_(False).to(dtype)
    pixels = torch.randn(2, 3, 64, 64, dtype=dtype)
    found = network.maps(pixels)
    monkeypatch.setattr(fused, "has_fused_kernels", lambda dtype: False)
    torch.testing.assert_close(found, network.maps(pixels))


@here
@SHAPES
def test_the_kernels_are_used_and_a_weight_is_put_in_order_once(shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    convolution, x = layer(shape), maps()
    monkeypatch.setattr(fused, "_after", lambda *given, **more: pytest.fail("computed by PyTorch's own"))
    kept = []
    for _ in range(2):
        convolution(x)
        kept.append(convolution._kernels._kept)
    assert kept[0] is kept[1] is not None


@SHAPES
def test_another_weight_is_put_in_order_anew(shape: str, plainly: Callable[..., Tensor]) -> None:
    convolution, other, x = layer(shape), layer(shape), maps()

    def changed(change: Callable[[], object]) -> None:
        before = convolution(x)
        change()
        assert not torch.allclose(convolution(x), before)
        torch.testing.assert_close(convolution(x), plainly(convolution, x))

    changed(lambda: convolution.load_state_dict(other.state_dict()))
    changed(lambda: convolution.weight.mul_(0.5))
    changed(lambda: setattr(convolution.weight, "data", -convolution.weight.data))
    # The second lies where the first weight lay, were that free.
    changed(lambda: [setattr(convolution.weight, "data", torch.randn_like(convolution.weight)) for _ in range(2)])
    changed(lambda: convolution.load_state_dict(other.state_dict(), assign=True))
    convolution.to(torch.bfloat16)
    x = x.to(torch.bfloat16)
    torch.testing.assert_close(convolution(x), plainly(convolution, x))


def test_maps_of_another_size_get_the_filter_that_their_padding_needs(plainly: Callable[..., Tensor]) -> None:
    convolution = layer("filter")
    for side in (14, 15, 14):
        x = maps(side=side)
        torch.testing.assert_close(convolution(x), plainly(convolution, x))


@SHAPES
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda made: pickle.loads(pickle.dumps(made))])
def test_a_copy_has_the_weight_and_none_of_what_was_made_of_it(
    shape: str, copied: Callable[[SameConvolution], SameConvolution], plainly: Callable[..., Tensor]
) -> None:
    convolution, x = layer(shape), maps()
    before = convolution(x)
    assert convolution.state_dict().keys() == {"weight", "bias"}
    twin = copied(convolution)
    torch.testing.assert_close(twin(x), before)
    twin.weight.mul_(0.5)
    torch.testing.assert_close(twin(x), plainly(twin, x))
    torch.testing.assert_close(convolution(x), before)


@SHAPES
def test_gradients_pass_where_they_are_wanted(shape: str) -> None:
    convolution, x = layer(shape), maps().requires_grad_()
    convolution(x).sum().backward()
    assert x.grad is not None and x.grad.any()
    convolution.requires_grad_(True)
    convolution(maps()).sum().backward()
    assert convolution.weight.grad is not None and convolution.weight.grad.any()


def test_weights_whose_changes_nobody_counts_are_never_kept() -> None:
    with torch.inference_mode():
        convolution = layer("product")
        convolution(maps())
    assert convolution._kernels._kept is None


def test_autocast_is_left_to_pytorch() -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert layer("product")(maps()).dtype == torch.bfloat16


def test_many_threads_may_compute_at_once() -> None:
    convolution, several = layer("filter"), [maps(side=side) for side in (14, 15)] * 20
    wanted = [convolution(x) for x in several]
    with ThreadPoolExecutor(4) as pool:
        for found, right in zip(pool.map(convolution, several), wanted, strict=True):
            torch.testing.assert_close(found, right)
