"""What a loop trains: the objective itself, or a twin of it that is sharded, checkpointed or compiled block by block.

The twin keeps what a stage does to weights for speed and memory out of everybody else's sight: recipes, evaluation and
export see the plain objective, into which the twin's weights are copied back (`bring_home`). A rank therefore holds the
plain weights beside its share of the twin; gradients, optimizer state and activations, the larger part, are shared out.
"""

import copy
import functools
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor
from torch.utils.checkpoint import checkpoint

from vljepa.runtime import world_size

# Methods besides `forward` by which GradCache enters the objective.
ENTRANCES = ("predict", "encode", "compare")


def twin_of(
    objective: nn.Module,
    optimizer: torch.optim.Optimizer,
    *,
    dtype: torch.dtype,
    checkpoint_blocks: bool = False,
    compile_blocks: bool = False,
) -> nn.Module:
    """The module that the loop calls, with `optimizer` pointed at its parameters.

    The objective itself where there is one process and nothing to wrap.
    """
    if world_size() == 1 and not checkpoint_blocks and not compile_blocks:
        return objective
    twin = copy.deepcopy(objective, _shared(objective))
    for block in trained_blocks(twin):
        if checkpoint_blocks:
            _checkpoint(block)
        if compile_blocks:
            # The forward pass alone: FSDP's hooks, which swap weights, stay outside of what is compiled.
            block.forward = torch.compile(block.forward)
    if world_size() > 1:
        _shard(twin, dtype)
    _repoint(optimizer, objective, twin)
    return twin


def _shared(objective: nn.Module) -> dict[int, Any]:
    """Weights of parts that learn nothing, of which one copy serves both, as `deepcopy` wants to be told."""
    return {id(parameter): parameter for part in _frozen_parts(objective) for parameter in part.parameters()}


def trained_blocks(module: nn.Module) -> list[nn.Module]:
    """The layers of every stack of layers that has something to learn: the units of sharding and recomputing."""
    stacks = [part for part in module.modules() if isinstance(part, nn.ModuleList)]
    return [block for stack in stacks for block in stack if _learns(block)]


def _learns(module: nn.Module) -> bool:
    return any(parameter.requires_grad for parameter in module.parameters())


def _checkpoint(block: nn.Module) -> None:
    """Keep the block's inputs alone, and compute what is inside once more in the backward pass."""
    block.forward = functools.partial(checkpoint, block.forward, use_reentrant=False)


def _shard(twin: nn.Module, dtype: torch.dtype) -> None:
    """FSDP2: each block by itself, then each part of the model, then what the objective itself learns.

    Master weights, and sums over ranks, are float32; what the networks compute with has the run's number type. The
    objective's own numbers stay float32: a temperature in bfloat16 moves in steps of half a per cent. Parts that learn
    nothing stay whole on every rank, since others use their weights from outside (the token table).
    """
    computing = MixedPrecisionPolicy(
        param_dtype=None if dtype == torch.float32 else dtype, reduce_dtype=torch.float32, cast_forward_inputs=False
    )
    mesh = init_device_mesh(next(twin.parameters()).device.type, (world_size(),))
    for unit in (*trained_blocks(twin), *_trained_parts(twin)):
        fully_shard(unit, mesh=mesh, mp_policy=computing)
    frozen = {parameter for part in _frozen_parts(twin) for parameter in part.parameters()}
    exact = MixedPrecisionPolicy(cast_forward_inputs=False)
    fully_shard(twin, mesh=mesh, ignored_params=frozen, mp_policy=exact)
    for entrance in ENTRANCES:
        if hasattr(twin, entrance):
            register_fsdp_forward_method(twin, entrance)


def _parts(twin: nn.Module) -> Iterator[nn.Module]:
    """The model's parts, or what the module is made of where it holds no model."""
    return iter(getattr(twin, "model", twin).children())


def _trained_parts(twin: nn.Module) -> list[nn.Module]:
    return [part for part in _parts(twin) if _learns(part) and not isinstance(part, FSDPModule | nn.ModuleList)]


def _frozen_parts(twin: nn.Module) -> list[nn.Module]:
    return [part for part in _parts(twin) if not _learns(part)]


def _repoint(optimizer: torch.optim.Optimizer, objective: nn.Module, twin: nn.Module) -> None:
    """The optimizer's parameters become those of the same names in the twin."""
    names = {parameter: name for name, parameter in objective.named_parameters()}
    there = dict(twin.named_parameters())
    for group in optimizer.param_groups:
        group["params"] = [there[names[parameter]] for parameter in group["params"]]


@torch.no_grad()
def bring_home(twin: nn.Module, objective: nn.Module) -> None:
    """Copy what the twin has learned into the objective; all ranks must call it together."""
    if twin is objective:
        return
    plain = dict(objective.named_parameters())
    for name, parameter in twin.named_parameters():
        if parameter.requires_grad:
            plain[name].copy_(whole(parameter))


@torch.no_grad()
def bring_buffers(objective: nn.Module, twin: nn.Module) -> None:
    """Copy the objective's own buffers, which evaluation may renew, into the twin."""
    if twin is objective:
        return
    there = dict(twin.named_buffers())
    for name, buffer in objective.named_buffers(recurse=False):
        there[name].copy_(buffer)


def whole(tensor: Any) -> torch.Tensor:
    """A tensor of which each rank holds a share, put together; all ranks must call it together."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
