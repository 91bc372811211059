"""Everything that a run of the recipe `small` depends on.

The settings of a run from published weights, which is still to be made. Those that the shipped weights were made with
stand in reports/small_run/settings.yaml and, each going on from the one before, in small_run2 to small_run5 beside it.
Why each is what it is, and what was tried: LOG.md, "The plan of the second run".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from vljepa.config import SettingsError
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
    """Everything that the run depends on; `stretch`: how far answers that exclude each other are pulled apart.

    `whitening`: the power to which the variance of the sentence encoder's directions is evened out at the start.
    `space`: whether a run that goes on from a model keeps its Y-Encoder, or begins with the published one anew and
    turns what was trained to it. `blend`: how far the Predictor of such a run goes the straight way from what it began
    with to what it has learned, 1 for all of it; less keeps more of what it knew (Wortsman et al. 2022).
    `texts_share`: of the steps on predictions, how many are on texts' own embeddings (an ablation: none says most).
    """

    model: VLJEPASettings = field(default_factory=small_size)
    processor: ProcessorSettings = field(default_factory=lambda: ProcessorSettings(pictures="middle and whole"))
    frames: int = 8
    seed: int = 0
    objective: JointEmbeddingSettings = field(
        default_factory=lambda: JointEmbeddingSettings(class_weight=0.3, twin_weight=0.2, keep_weight=0.5)
    )
    examples: ExampleSettings = field(
        default_factory=lambda: ExampleSettings(
            source_weight={
                "openstax": 4.0,
                "grocery": 0.5,
                "shapes": 0.25,
                "scenes": 0.35,
                "metaworld": 0.9,
                "people": 1.3,
                "sequences": 0.8,
                "fluent-clips": 2.0,
            },
            asked_weight={
                "openstax": 1.0,
                "grocery": 0.25,
                "openclipart": 0.25,
                "fluent-pictures": 0.25,
                "metaworld": 1.0,
                "people": 1.4,
                "sequences": 1.3,
            },
            own_questions=0.7,
            kind_weight={
                "direction": 3.0,
                "yesno": 4.0,
                "relation": 3.0,
                "pair": 3.0,
                "order": 3.0,
                "next": 3.0,
                "times": 2.0,
                "who": 2.0,
            },
            twins=0.4,
            states=0.3,
        )
    )
    rows: Mapping[str, int] = field(
        default_factory=lambda: {
            "pictures": 160,
            "classes": 96,
            "clips": 96,
            "picture-questions": 160,
            "clip-questions": 96,
        }
    )
    pictures: StageSettings = field(
        default_factory=lambda: StageSettings(loop=LoopSettings(steps=60), mix={"pictures": 1.0})
    )
    clips: StageSettings = field(
        default_factory=lambda: StageSettings(loop=LoopSettings(steps=120), mix={"pictures": 0.35, "clips": 0.65})
    )
    queries: StageSettings = field(
        default_factory=lambda: StageSettings(
            loop=LoopSettings(steps=1500, evaluate_every=150, save_every=50),
            mix={"pictures": 0.24, "clips": 0.12, "picture-questions": 0.24, "clip-questions": 0.4},
        )
    )
    stretch: float = 4.0
    whitening: float = 0.15
    space: Literal["kept", "anew"] = "kept"
    blend: float = 1.0
    decoding: DecodingSettings = field(default_factory=DecodingSettings)
    texts: StageSettings = field(
        default_factory=lambda: StageSettings(
            loop=LoopSettings(steps=1200, save_every=100), mix={}, optim=OptimSettings(rate=1e-3, clip=1.0)
        )
    )
    predictions: StageSettings = field(
        default_factory=lambda: StageSettings(
            loop=LoopSettings(steps=350, save_every=50), mix={}, optim=OptimSettings(rate=3e-4, clip=1.0)
        )
    )
    texts_share: float = 0.25
    target_tokens: int = 32
    text_rows: int = 64
    sentences: float = 0.35

    def __post_init__(self) -> None:
        if not 0 < self.blend <= 1:
            raise SettingsError(f"blend is {self.blend:g}: give a share above 0, 1 for all that is learned")
