"""What one training of an experiment is, and its name: two cells with the same settings are the same cell."""

from dataclasses import dataclass, field
from typing import Literal

from vljepa.config import SettingsError
from vljepa.data.asking import AskSettings
from vljepa.objectives.decoding import DecodingSettings
from vljepa.objectives.joint_embedding import JointEmbeddingSettings
from vljepa.training.optim import OptimSettings

# VL-JEPA; the token VLM with every layer of the language model; with as many parameters as the VL-JEPA learns.
Arm = Literal["vl-jepa", "vlm", "vlm-equal"]
Score = Literal["named", "said", "found", "answered"]
# Captions alone and no query, as the paper pretrains: labels are then names that training never used as answers.
CAPTIONS = AskSettings(labels=0.0, questions=0.0, query_free=1.0, negatives=0)


@dataclass(frozen=True, kw_only=True)
class GroundSettings:
    """What all cells of an experiment stand on. `sources`: corpus sources, all where empty; `frames` of each clip.

    `stack`: the layers of the published language model that there are, in order. The token VLM has all of them, the
    Predictor the last half, as in the paper. `most`: shards are taken until they hold so many training samples, 0: all;
    `items`: samples of the `split` that are scored. Settings are chosen on validation, and then told of test.
    """

    sources: tuple[str, ...] = ()
    frames: int = 4
    stack: tuple[int, ...] = (0, 1, 2, 27, 28, 29)
    most: int = 3200
    items: int = 200
    split: Literal["test", "validation"] = "test"

    def __post_init__(self) -> None:
        if len(self.stack) < 2 or len(self.stack) % 2:
            raise SettingsError(
                f"ground.stack has {len(self.stack)} layers: give an even number, so that half of it is"
            )

    @property
    def last_half(self) -> tuple[int, ...]:
        """The Predictor's layers."""
        return self.stack[len(self.stack) // 2 :]


@dataclass(frozen=True, kw_only=True)
class DecoderSettings:
    """Training of a Y-Decoder: `rows` texts a step; `predicted`: share of steps on what the Predictor says of clips."""

    rows: int = 32
    steps: int = 320
    predicted: float = 0.0
    seed: int = 0
    decoding: DecodingSettings = field(default_factory=DecodingSettings)
    optim: OptimSettings = field(default_factory=lambda: OptimSettings(rate=1e-3, warmup=10))


@dataclass(frozen=True, kw_only=True)
class PredictorChoice:
    """What the ablations change of the Predictor; `first`: which share of the stack from its first layer on it has, 0:
    the last half; `random`: layers as they are drawn, not as they were published."""

    first: float = 0.0
    random: bool = False
    causal: bool = False
    read_out: Literal["all", "query"] = "all"
    query_projection: bool = True


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One training, from its beginning to its last score. `ground`: fingerprint of data and published weights.

    `checkpoints`: steps after which it is scored, the last one is where it ends. `y_encoder`: whether it learns, or
    `head`, its linear head alone; `y_weights`: where it comes from. `stretch`: of the target space along opposites
    (recipes/opposites.py), 1 leaves it. `before`: steps of pretraining on captions alone that came first. `decoder`:
    None says nothing; `own_decoder`: one that is trained on this cell's end, beside the shared one.
    """

    ground: str
    arm: Arm = "vl-jepa"
    seed: int = 0
    rows: int = 32
    checkpoints: tuple[int, ...] = (12, 24, 36, 48, 72, 96, 144, 192)
    before: int = 0
    asking: AskSettings = CAPTIONS
    objective: JointEmbeddingSettings = field(default_factory=JointEmbeddingSettings)
    optim: OptimSettings = field(default_factory=lambda: OptimSettings(rate=5e-4, warmup=8, shape="constant"))
    predictor: PredictorChoice = field(default_factory=PredictorChoice)
    y_encoder: Literal["frozen", "head", "full"] = "frozen"
    y_weights: Literal["published", "shipped", "random"] = "published"
    stretch: float = 1.0
    scores: tuple[Score, ...] = ("named", "said")
    decoder: DecoderSettings | None = field(default_factory=DecoderSettings)
    own_decoder: DecoderSettings | None = None
    max_tokens: int = 24

    def __post_init__(self) -> None:
        if not self.checkpoints or list(self.checkpoints) != sorted(set(self.checkpoints)) or self.checkpoints[0] < 1:
            raise SettingsError(f"checkpoints are {self.checkpoints}: give rising steps from 1 on")

    @property
    def steps(self) -> int:
        """Steps of the training."""
        return self.checkpoints[-1]
