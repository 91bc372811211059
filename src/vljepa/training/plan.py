"""What a step will need, before anything is allocated: memory by kind and time, from a model on the meta device.

Parameters are counted. Activations are what autograd would keep of a real forward pass, which the meta device runs
without memory; the time is the pass's floating-point work over what the machine does. X-Encoder features come from the
cache, as in the recipes. An estimate: MARGIN covers buffers and fragments, SHARE is how much of a chip's peak a step
of this kind gets.
"""

import inspect
import os
import time
import typing
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from vljepa.config import SettingsError, meant
from vljepa.models import sizes
from vljepa.models.vljepa import VLJEPA, VLJEPASettings
from vljepa.runtime import choose_device, compute_dtype
from vljepa.training.engine import trained_blocks

GIB = 2.0**30
MARGIN = 1.15
SHARE = 0.35


@dataclass(frozen=True, kw_only=True)
class Machine:
    """One device: bytes of memory, dense floating-point operations a second at its peak, what it computes with."""

    name: str
    memory: float
    flops: float
    dtype: torch.dtype = torch.bfloat16


# Bytes of memory and dense bfloat16 peak from the makers' data sheets.
GPUS = {
    "b200": Machine(name="b200", memory=180 * GIB, flops=2250e12),
    "h200": Machine(name="h200", memory=141 * GIB, flops=989e12),
    "h100": Machine(name="h100", memory=80 * GIB, flops=989e12),
    "a100": Machine(name="a100", memory=80 * GIB, flops=312e12),
    "l40s": Machine(name="l40s", memory=48 * GIB, flops=362e12),
    "rtx4090": Machine(name="rtx4090", memory=24 * GIB, flops=165e12),
    "l4": Machine(name="l4", memory=24 * GIB, flops=121e12),
}


@dataclass(frozen=True, kw_only=True)
class PlanSettings:
    """A step: `batch` rows over all `gpus`, of so many frames, query and target tokens; the rest as in LoopSettings."""

    size: str = "small"
    batch: int = 256
    gpus: int = 1
    machine: str = "here"
    frames: int = 8
    query_tokens: int = 16
    target_tokens: int = 32
    micro_rows: int = 0
    checkpoint_blocks: bool = False


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Bytes on each device by what they are for, and seconds a step."""

    settings: PlanSettings
    machine: Machine
    memory: dict[str, float]
    seconds: float

    @property
    def total(self) -> float:
        """Bytes in all, the margin included."""
        return MARGIN * sum(self.memory.values())

    @property
    def fits(self) -> bool:
        """Whether a device has that much."""
        return self.total <= self.machine.memory


def known_sizes() -> dict[str, Callable[[], VLJEPASettings]]:
    """The functions of `models.sizes` that return a whole model's settings."""
    return {
        name: function
        for name, function in inspect.getmembers(sizes, inspect.isfunction)
        if typing.get_type_hints(function).get("return") is VLJEPASettings
        and not inspect.signature(function).parameters
    }


def machine_named(name: str) -> Machine:
    """A known GPU, or the device that is `here`, whose speed is measured; SettingsError for any other name."""
    if name in GPUS:
        return GPUS[name]
    if name != "here":
        raise SettingsError(f"there is no machine {name}{meant(name, [*GPUS, 'here'])}")
    device = choose_device()
    dtype = compute_dtype(device)
    if device.type == "cuda":
        memory = float(torch.cuda.get_device_properties(device).total_memory)
    else:
        memory = float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    return Machine(name=f"here ({device.type})", memory=memory, flops=_speed(device, dtype), dtype=dtype)


def _speed(device: torch.device, dtype: torch.dtype, *, side: int = 1024) -> float:
    """Floating-point operations a second in a square matrix product, the best of five."""
    square = torch.ones(side, side, device=device, dtype=dtype)
    found = []
    for _ in range(5):
        began = time.perf_counter()
        (square @ square)[0, 0].item()
        found.append(2 * side**3 / (time.perf_counter() - began))
    return max(found)


def plan(settings: PlanSettings) -> Plan:
    """Memory and time of a step; SettingsError for numbers that make no step."""
    if settings.size not in known_sizes():
        raise SettingsError(f"there is no size {settings.size}{meant(settings.size, known_sizes())}")
    for name in ("batch", "gpus", "frames", "query_tokens", "target_tokens"):
        if getattr(settings, name) < 1:
            raise SettingsError(f"{name} is {getattr(settings, name)}: take 1 or more")
    if settings.batch < settings.gpus:
        raise SettingsError(
            f"a batch of {settings.batch} rows cannot be shared by {settings.gpus} GPUs: take more rows"
        )
    machine = machine_named(settings.machine)
    with torch.device("meta"):
        model = VLJEPA(known_sizes()[settings.size]()).to(machine.dtype)
    _freeze(model)
    rows = -(-settings.batch // settings.gpus)
    at_once = min(rows, settings.micro_rows or rows)
    cost = _pass(model, at_once, settings, of_gpu=machine.name in GPUS)
    return Plan(
        settings=settings,
        machine=machine,
        memory=_weights(model, settings, machine) | {"activations": cost.kept, "loss": _loss(model, rows, settings)},
        # Backward is twice the forward work; what is computed again adds one forward pass.
        seconds=cost.flops
        * rows
        / at_once
        * (3 + bool(settings.micro_rows) + settings.checkpoint_blocks)
        / (machine.flops * SHARE),
    )


def _freeze(model: VLJEPA) -> None:
    """What alignment trains: Predictor and Y-Encoder without its token table."""
    model.requires_grad_(False)
    model.predictor.requires_grad_(True)
    model.y_encoder.requires_grad_(True)
    model.y_encoder.body.embeddings.requires_grad_(False)


def _weights(model: VLJEPA, settings: PlanSettings, machine: Machine) -> dict[str, float]:
    """Weights, gradients, moments, and copies in the number type of computing, in bytes."""
    every = sum(parameter.numel() for parameter in model.parameters())
    learned = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    width = torch.finfo(machine.dtype).bits // 8
    if settings.gpus == 1:
        copies = learned * width if width < 4 else 0
        return {"weights": 4.0 * every, "gradients and AdamW": 12.0 * learned, "weights to compute with": float(copies)}
    # A block's own weights are whole while it computes, and the next one's are fetched meanwhile.
    largest = max(sum(parameter.numel() for parameter in block.parameters()) for block in trained_blocks(model))
    return {
        "weights": 4.0 * every,
        "share of master weights": 4.0 * learned / settings.gpus,
        "gradients and AdamW": 12.0 * learned / settings.gpus,
        "weights to compute with": 2.0 * width * largest,
    }


def _loss(model: VLJEPA, rows: int, settings: PlanSettings) -> float:
    """Targets of all ranks with their gradient, in float32, and some rows of scores."""
    columns = rows * settings.gpus
    return 4.0 * (2 * columns * model.settings.predictor.shared + 3 * min(rows, 256) * columns)


@dataclass(frozen=True, kw_only=True)
class _Cost:
    """Bytes that a forward pass keeps for the backward one, and its floating-point operations."""

    kept: float
    flops: float

    def __add__(self, other: "_Cost") -> "_Cost":
        return _Cost(kept=self.kept + other.kept, flops=self.flops + other.flops)


def _pass(model: VLJEPA, rows: int, settings: PlanSettings, *, of_gpu: bool) -> _Cost:
    """A forward pass of so many rows and of as many texts."""
    dtype = next(model.predictor.parameters()).dtype
    predictor, y_encoder = model.predictor, model.y_encoder
    frames = torch.zeros(1, settings.frames, model.settings.x_encoder.frame_width, device="meta")
    visual = torch.zeros(
        rows, model.x_encoder.tokens(frames).shape[1], predictor.settings.visual_width, device="meta", dtype=dtype
    )
    length = visual.shape[1] + settings.query_tokens
    words = _states(rows, settings.query_tokens, predictor.settings.llama.hidden, dtype)
    tokens = _states(rows, length, predictor.settings.llama.hidden, dtype)
    turn = predictor.layers._turn(0, length, tokens)
    texts = _states(rows, settings.target_tokens, y_encoder.settings.hidden, dtype)
    again = settings.checkpoint_blocks
    return (
        _cost(lambda: predictor.visual_projection(visual), model)
        + _cost(lambda: predictor.query_projection(words), model)
        + _stack(lambda layer: layer(tokens, turn, None, None), predictor.layers.layers, tokens, again, of_gpu)
        + _cost(lambda: predictor.head(predictor.layers.norm(tokens).mean(1)), model)
        + _stack(lambda layer: y_encoder.body.through(layer, texts), y_encoder.body.layers, texts, again, of_gpu)
        + _cost(lambda: y_encoder.head(texts.mean(1)), model)
    )


def _states(rows: int, tokens: int, width: int, dtype: torch.dtype) -> Tensor:
    return torch.zeros(rows, tokens, width, device="meta", dtype=dtype, requires_grad=True)


def _stack(
    run: Callable[[nn.Module], Tensor], blocks: nn.ModuleList, states: Tensor, again: bool, of_gpu: bool
) -> _Cost:
    """All blocks from the first one, as they are alike; with recomputing, the inputs of all and the inside of one."""
    one = _cost(lambda: run(blocks[0]), blocks, square=0 if not of_gpu else states.shape[1])
    kept = len(blocks) * states.nbytes + one.kept if again else len(blocks) * one.kept
    return _Cost(kept=kept, flops=len(blocks) * one.flops)


def _cost(run: Callable[[], Tensor], weights: nn.Module, *, square: int = 0) -> _Cost:
    """What autograd keeps of `run`, each storage once and weights not.

    `square`: the length of sequences where attention is fused, which keeps no matrix of that side.
    """
    seen = {parameter.untyped_storage()._cdata for parameter in weights.parameters()}
    held: list[Tensor] = []  # or storages that are gone would lend their addresses to new ones

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in seen and not (square and tensor.shape[-2:] == (square, square)):
            seen.add(storage._cdata)
            held.append(tensor)
        return tensor

    with FlopCounterMode(display=False) as counter, saved_tensors_hooks(pack, lambda tensor: tensor):
        out = run()
    held.append(out)
    return _Cost(
        kept=float(sum(tensor.untyped_storage().nbytes() for tensor in held)), flops=float(counter.get_total_flops())
    )


def advice(found: Plan) -> str:
    """What to do about a step that does not fit: the first of the cheapest changes that makes it; empty if it fits."""
    if found.fits:
        return ""
    settings = found.settings
    rows = -(-settings.batch // settings.gpus)
    tries = [replace(settings, checkpoint_blocks=True)]
    micro = rows // 2
    while micro >= 1:
        tries.append(replace(settings, micro_rows=micro, checkpoint_blocks=settings.checkpoint_blocks))
        micro //= 2
    for other in tries:
        if plan(other).fits:
            changed = (
                "loop.checkpoint_blocks=true"
                if other.checkpoint_blocks != settings.checkpoint_blocks
                else (f"loop.micro_rows={other.micro_rows}")
            )
            return f"does not fit: with {changed} it does"
    largest = max(found.memory, key=lambda kind: found.memory[kind])
    return (
        f"does not fit, however few rows are taken at once: {largest} need the most; take more GPUs or a smaller size"
    )


def table(found: Plan) -> str:
    """The plan for a person: gigabytes by kind, the sum against what the device has, seconds a step."""
    settings, machine = found.settings, found.machine
    lines = [
        f"{settings.size}, batch {settings.batch} on {settings.gpus} x {machine.name}, {settings.frames} frames, "
        f"{str(machine.dtype).removeprefix('torch.')}:"
    ]
    lines += [f"  {name:<26} {size / GIB:>9.2f} GiB" for name, size in found.memory.items() if size]
    lines.append(f"  {'all, with 15 % to spare':<26} {found.total / GIB:>9.2f} GiB of {machine.memory / GIB:.0f}")
    rate = settings.batch / found.seconds
    lines.append(
        f"  a step takes about {found.seconds:.3g} s, {rate:,.0f} samples a second, at {SHARE:.0%} of the peak"
    )
    lines.append(f"  {advice(found) or 'fits'}")
    return "\n".join(lines)
