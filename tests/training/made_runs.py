"""A stage of training on the tiny model that is over in a second, for tests of the loop."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from tests.conftest import tiny_bundle

from vljepa.data.collate import Example, collate
from vljepa.objectives.joint_embedding import JointEmbedding, JointEmbeddingSettings
from vljepa.runtime import own_share
from vljepa.training.optim import OptimSettings, make_optimizer, parameter_groups
from vljepa.training.record import Record
from vljepa.training.trainer import LoopSettings, Trainer
from vljepa.types import Batch, Losses

OPTIM = OptimSettings(rate=1e-3, warmup=2)
TEXTS = ("a red ball", "the cat", "blue cube falls", "a red ball", "the dog", "a door opens", "the cat", "a green ball")


class ToldTrainer(Trainer):
    """Keeps the loss of every step, and can be told after which step to stop."""

    stop_after: int | None = None

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.losses: list[torch.Tensor] = []

    def _one(self, arguments: tuple[Any, ...]) -> None:
        self._stop = self._stop or self.step + 1 == self.stop_after
        super()._one(arguments)

    def _update(self, arguments: tuple[Any, ...]) -> tuple[Losses, torch.Tensor]:
        losses, norm = super()._update(arguments)
        self.losses.append(losses.total.detach().clone())
        return losses, norm

    def weights(self) -> list[torch.Tensor]:
        return [parameter.detach().clone() for parameter in self.objective.parameters() if parameter.requires_grad]


def make_run(
    folder: Path,
    *,
    loop: LoopSettings,
    dropout: float = 0.0,
    spoil: Callable[[int], None] = lambda step: None,
    dtype: torch.dtype = torch.float32,
    stop_after: int | None = None,
    epsilon: float = 1e-8,
    pixels: bool = False,
) -> ToldTrainer:
    """A stage over batches of eight rows, of which this rank draws its share; class names are renewed as it goes.

    `epsilon`: AdamW's. It divides by the size of gradients, so that with the usual one a weight whose gradient is zero
    but for rounding moves by a share of the rate: sums in another order would then show in the fifth digit.
    `pixels`: the X-Encoder learns too, and batches hold what it reads.
    """
    bundle = tiny_bundle()
    model = bundle.model
    if dropout:
        model.predictor.head = torch.nn.Sequential(torch.nn.Dropout(dropout), model.predictor.head)  # type: ignore[assignment]
    objective = JointEmbedding(model, JointEmbeddingSettings(class_weight=0.0 if pixels else 0.3)).train()
    model.y_decoder.requires_grad_(False)
    model.x_encoder.network.requires_grad_(pixels)
    shape = (3, 32, 32) if pixels else (model.settings.x_encoder.frame_width,)
    names = bundle.target_tokenizer([f"name {number % 7}" for number in range(len(objective.class_names))])

    def draw(step: int) -> tuple[Batch]:
        spoil(step)
        frames = torch.rand(len(TEXTS), 2, *shape, generator=torch.Generator().manual_seed(step))
        rows = [
            Example(frames=frames[row], query="what" if row % 2 else "", target=text, key=f"sample {row}")
            for row, text in enumerate(TEXTS)
        ]
        return (
            collate(
                rows[own_share(len(rows))],
                query_tokenizer=bundle.query_tokenizer,
                target_tokenizer=bundle.target_tokenizer,
            ),
        )

    def evaluate(step: int) -> dict[str, float]:
        objective.refresh_class_names(names)
        return {"step_seen": float(step)}

    folder.mkdir(parents=True, exist_ok=True)
    optimizer = make_optimizer(parameter_groups(objective, model, OPTIM), OPTIM)
    for group in optimizer.param_groups:
        group["eps"] = epsilon
    trainer = ToldTrainer(
        objective,
        optimizer,
        draw,
        name="stage",
        loop=loop,
        optim=OPTIM,
        record=Record(folder / "metrics.jsonl", keep=(folder / "checkpoints").exists()),
        folder=folder / "checkpoints",
        dtype=dtype,
        evaluate=evaluate,
    )
    trainer.stop_after = stop_after
    return trainer
