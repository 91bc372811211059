"""Device, number format, seed and ranks: nobody else asks the machine for these."""

import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache

import numpy as np
import torch

DEVICES = ("cpu", "cuda")


def choose_device(name: str = "auto") -> torch.device:
    """The named device, or the best one here; ValueError where the named one is missing."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    unknown = ValueError(f"unknown device {name!r}: write one of auto, {', '.join(DEVICES)}, or cuda:NUMBER")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise unknown from error
    if device.type not in DEVICES:
        raise unknown
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError("device cuda was asked for and there is no usable GPU here: use --device cpu")
    if device == torch.device("cuda") and "LOCAL_RANK" in os.environ:  # torchrun: a GPU for each rank
        return torch.device("cuda", int(os.environ["LOCAL_RANK"]))
    return device


def has_bfloat16_units(device: torch.device) -> bool:
    """Whether matrix products in bfloat16 are faster than in float32 here (AMX or AVX-512 BF16 on a CPU; Ampere on)."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and has_fused_kernels(torch.bfloat16)


def has_fused_kernels(dtype: torch.dtype) -> bool:
    """Whether oneDNN's kernels that do several steps at once are here and faster in a number type (AVX-512 alone)."""
    if not torch.backends.mkldnn.is_available() or "AVX512" not in torch.backends.cpu.get_cpu_capability():
        return False
    # oneDNN would emulate bfloat16 with AVX-512 alone, which is slower than float32.
    return dtype == torch.float32 or (dtype == torch.bfloat16 and _has_bfloat16_on_cpu())


def has_int8_kernels() -> bool:
    """Whether oneDNN's kernels for numbers of 8 bits are here, with units that add their products without overflow."""
    return has_fused_kernels(torch.float32) and torch.cpu._is_vnni_supported()


@cache
def _has_bfloat16_on_cpu() -> bool:
    """AMX, or AVX-512 BF16 of another maker than Intel: without AMX Intel's does half of what float32 does in a second.

    Cloud machines hide AMX now and then; 89 against 160 billion operations a second were measured on such a one.
    """
    if not (torch.ops.mkldnn._is_mkldnn_bf16_supported() and torch.cpu._is_avx512_bf16_supported()):
        return False
    told = torch.cpu.get_capabilities()
    return bool(told.get("amx_bf16")) or "intel" not in str(told.get("cpu_name", "")).lower()


def compute_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where the hardware has units for it, else float32; never float16 (EmbeddingGemma overflows in it)."""
    return torch.bfloat16 if has_bfloat16_units(device) else torch.float32


def seed_everything(seed: int) -> None:
    """The random states of Python, NumPy and torch."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def world_size() -> int:
    """How many processes take part; 1 outside of torchrun."""
    return torch.distributed.get_world_size() if torch.distributed.is_initialized() else 1


def rank() -> int:
    """The number of this process, from 0."""
    return torch.distributed.get_rank() if torch.distributed.is_initialized() else 0


@contextmanager
def joined_ranks(device: torch.device) -> Iterator[None]:
    """Meet the other ranks where torchrun started this process; where nobody did, nothing happens.

    Waiting has no limit of its own: torchrun ends all ranks when one dies, the trainer's watchdog when one hangs, and
    the preparation of a corpus by the first rank may take the others hours of waiting.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or torch.distributed.is_initialized():
        yield
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    # Checkpoints are gathered on the CPU while the GPUs go on.
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    torch.distributed.init_process_group(backend, timeout=timedelta(days=7))
    try:
        yield
        torch.distributed.barrier()  # a rank that leaves early breaks the others' connections
    finally:
        torch.distributed.destroy_process_group()


@contextmanager
def first_rank_first() -> Iterator[None]:
    """Rank 0 does what stands inside, then the others do, who then find it done (downloads, caches)."""
    if world_size() > 1 and rank() > 0:
        torch.distributed.barrier()
    yield
    if world_size() > 1 and rank() == 0:
        torch.distributed.barrier()


def meet_ranks() -> None:
    """Wait until every rank is here."""
    if world_size() > 1:
        torch.distributed.barrier()


def shared_by_ranks(work: Callable[[list[str]], dict[str, int]], names: list[str]) -> dict[str, int]:
    """Each rank works on its share of `names` and waits for the others; what its own share came to.

    Before that all are given no names, the first rank first: it makes what has to be there once (a folder, its mark).
    """
    with first_rank_first():
        work([])
    counts = work(names[rank() :: world_size()])
    meet_ranks()
    return counts


def own_share(count: int) -> slice:
    """Which of `count` rows of a batch are this rank's: neighbours, as equally many for each as can be.

    Ranks draw the same batch and each keeps its share, so that one rank and several see the same rows.
    """
    ranks, number = world_size(), rank()
    if count < ranks:
        raise ValueError(f"a batch of {count} rows cannot be shared by {ranks} ranks: take more rows or fewer ranks")
    return slice(number * count // ranks, (number + 1) * count // ranks)


def num_cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
