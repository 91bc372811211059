"""GradCache (Gao et al. 2021): the gradient of one large contrastive batch, a few rows in the networks at a time.

All embeddings are computed first without keeping a graph; the loss compares all of them, so that every row has the
whole batch for negatives; then each piece is computed once more, with the same random numbers, and receives its share
of the gradient. It costs a second forward pass and gives what the whole batch in one pass would have given.

This is not gradient accumulation, which averages the gradients of small batches that never meet: there a row of a
batch of 4 times 64 has 63 other targets to tell its own from, here it has 255.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import pairwise

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from vljepa.objectives.gather import rows_of_ranks
from vljepa.objectives.joint_embedding import JointEmbedding
from vljepa.types import Batch, Losses

Context = Callable[[], AbstractContextManager[None]]
Embed = Callable[[slice], Tensor]


def cached_backward(objective: JointEmbedding, batch: Batch, *, micro_rows: int, computing: Context) -> Losses:
    """Losses of the batch, with its gradients added to those of the objective's parameters.

    `micro_rows`: how many rows, and how many target texts, are in a network at once. `computing`: what forward passes
    run in (autocast, attention kernels).
    """
    predicted = _Side(
        lambda some: objective.predict(batch.frames[some], batch.query.rows(some)),
        _slices(batch.frames, micro_rows),
        objective.model.predictor,
        computing,
    )
    targets = _Side(
        lambda some: objective.encode(batch.targets.rows(some)),
        _slices(batch.targets.ids, micro_rows),
        objective.model.y_encoder,
        computing,
    )
    with computing():
        losses = objective.compare(predicted.embeddings, targets.embeddings, batch)
    losses.total.backward()
    predicted.backward()
    targets.backward()
    return losses


class _Side:
    """One side's embeddings, piece by piece: first without a graph, then once more to pass their gradient on."""

    def __init__(self, embed: Embed, pieces: list[slice], part: nn.Module, computing: Context) -> None:
        self._embed, self._pieces, self._computing = embed, pieces, computing
        self._device = next(part.parameters()).device
        self._states: list[tuple[Tensor, Tensor | None]] = []
        rows = []
        with torch.no_grad(), computing():
            for piece in pieces:
                self._states.append(_random_state(self._device))
                rows.append(self._rows(piece))
        learns = any(parameter.requires_grad for parameter in part.parameters())
        self.embeddings: Float[Tensor, "row dim"] = torch.cat(rows).requires_grad_(learns)

    def backward(self) -> None:
        """Compute the pieces again and add up the parameters' gradients; nothing where the side is frozen."""
        if self.embeddings.grad is None:
            return
        for piece, state in zip(self._pieces, self._states, strict=True):
            with _replayed(state, self._device), self._computing():
                again = self._rows(piece)
            again.backward(self.embeddings.grad[piece])

    def _rows(self, piece: slice) -> Float[Tensor, "some dim"]:
        """A piece's embeddings; an empty piece passes one row through for nothing, to keep in step with other ranks."""
        return self._embed(slice(piece.start, max(piece.stop, piece.start + 1)))[: piece.stop - piece.start]


def _slices(rows: Shaped[Tensor, "row ..."], micro_rows: int) -> list[slice]:
    """Pieces of `micro_rows` rows at most, equally many on every rank.

    Ranks whose equal texts are merged differ in their columns; where weights are sharded each waits for all in every
    forward pass.
    """
    count = math.ceil(max(rows_of_ranks(rows)) / micro_rows)
    bounds = [number * len(rows) // count for number in range(count + 1)]
    return [slice(start, stop) for start, stop in pairwise(bounds)]


def _random_state(device: torch.device) -> tuple[Tensor, Tensor | None]:
    on_device = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
    return torch.get_rng_state(), on_device


@contextmanager
def _replayed(state: tuple[Tensor, Tensor | None], device: torch.device) -> Iterator[None]:
    """Random numbers as they were at `state`, and afterwards as if nothing had been drawn."""
    here, on_device = state
    with torch.random.fork_rng(devices=[] if on_device is None else [device]):
        torch.set_rng_state(here)
        if on_device is not None:
            torch.cuda.set_rng_state(on_device, device)
        yield
