"""Everything that a run of the recipe `small` depends on."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from vljepa.data.processor import ProcessorSettings
from vljepa.models.sizes import small as small_size
from vljepa.models.vljepa import VLJEPASettings
from vljepa.objectives.decoding import DecodingSettings
from vljepa.objectives.joint_embedding import JointEmbeddingSettings
from vljepa.training.examples import ExampleSettings
from vljepa.training.optim import OptimSettings
from vljepa.training.trainer import LoopSettings


@dataclass(frozen=True, kw_only=True)
class StageSettings:
    """`mix`: share of steps that each group of examples gets; `rows`: batch size of each group."""

    loop: LoopSettings
    mix: Mapping[str, float]
    optim: OptimSettings = field(default_factory=OptimSettings)


@dataclass(frozen=True, kw_only=True)
class SmallSettings:
    """Everything that the run depends on; `stretch`: how far answers that exclude each other are pulled apart."""

    model: VLJEPASettings = field(default_factory=small_size)
    processor: ProcessorSettings = field(default_factory=ProcessorSettings)
    frames: int = 8
    seed: int = 0
    objective: JointEmbeddingSettings = field(default_factory=lambda: JointEmbeddingSettings(class_weight=0.3))
    examples: ExampleSettings = field(
        default_factory=lambda: ExampleSettings(
            source_weight={"openstax": 2.0, "grocery": 0.5}, kind_weight={"direction": 5.0}
        )
    )
    rows: Mapping[str, int] = field(
        default_factory=lambda: {
            "pictures": 160,
            "classes": 96,
            "clips": 96,
            "picture-questions": 96,
            "clip-questions": 96,
        }
    )
    pictures: StageSettings = field(
        default_factory=lambda: StageSettings(loop=LoopSettings(steps=140), mix={"pictures": 1.0})
    )
    clips: StageSettings = field(
        default_factory=lambda: StageSettings(loop=LoopSettings(steps=120), mix={"pictures": 0.35, "clips": 0.65})
    )
    queries: StageSettings = field(
        default_factory=lambda: StageSettings(
            loop=LoopSettings(steps=1300, evaluate_every=150, save_every=50),
            mix={"pictures": 0.26, "clips": 0.14, "picture-questions": 0.05, "clip-questions": 0.55},
        )
    )
    stretch: float = 4.0
    decoding: DecodingSettings = field(default_factory=DecodingSettings)
    texts: StageSettings = field(
        default_factory=lambda: StageSettings(
            loop=LoopSettings(steps=1200, save_every=100), mix={}, optim=OptimSettings(rate=1e-3, clip=1.0)
        )
    )
    predictions: StageSettings = field(
        default_factory=lambda: StageSettings(
            loop=LoopSettings(steps=250, save_every=50), mix={}, optim=OptimSettings(rate=3e-4, clip=1.0)
        )
    )
    target_tokens: int = 32
    text_rows: int = 64
    sentences: float = 0.35
