"""How an experiment's figures came about."""

from dataclasses import asdict
from typing import Any

from vljepa.evaluation.report import receipt
from vljepa.experiments.ground import Ground


def receipt_of(command: str, ground: Ground, *, seeds: int) -> dict[str, Any]:
    """The receipt of an experiment on this ground."""
    settings = ground.settings
    return asdict(
        receipt(
            command=command,
            model="untrained small: published parts, new projections drawn from each seed",
            data=ground.data,
            frames=settings.frames,
            sampling=ground.bundle().processor.settings.sampling,
            missing=0,
            seed=seeds,
            query="empty but where the settings say otherwise",
            failed=sum(ground.features.skipped.values()),
            pool=len(ground.labels),
            further={
                "sources": list(settings.sources) or "all",
                "layers of the language model": list(settings.stack),
                "training samples": len(ground.training_texts),
                "held-out samples": len(ground.items),
                "seed": "how many there were, numbered from 0",
            },
        )
    )
