"""All kinds of X-Encoders: their settings, and what is built from them."""

from typing import Annotated

from torch import nn

from vljepa.config import BY_KIND
from vljepa.models.joint_encoder import JointEncoder
from vljepa.models.lite_encoder import LiteEncoder, LiteEncoderSettings
from vljepa.models.perception_encoder import PerceptionEncoder, PerceptionSettings
from vljepa.models.tower import ClipSettings, Dinov2Settings, SiglipSettings, TowerEncoder, tower
from vljepa.models.vjepa2 import VJEPA2, VJEPA2Settings
from vljepa.models.vjepa2_1 import VJEPA21, VJEPA21Settings
from vljepa.models.x_encoder import XEncoder

# The first is meant where settings tell no kind: folders from before there were more.
XEncoderSettings = Annotated[
    LiteEncoderSettings
    | VJEPA2Settings
    | VJEPA21Settings
    | ClipSettings
    | SiglipSettings
    | Dinov2Settings
    | PerceptionSettings,
    BY_KIND,
]

# Networks that look at a whole clip.
_JOINT: dict[type, type[nn.Module]] = {VJEPA2Settings: VJEPA2, VJEPA21Settings: VJEPA21}


def x_encoder(settings: XEncoderSettings) -> XEncoder:
    """The encoder that the settings describe, untrained."""
    if isinstance(settings, LiteEncoderSettings):
        return LiteEncoder(settings)
    if isinstance(settings, PerceptionSettings):
        return TowerEncoder(settings, PerceptionEncoder(settings), int(settings.class_token))
    if isinstance(settings, ClipSettings | SiglipSettings | Dinov2Settings):
        return TowerEncoder(settings, *tower(settings))
    return JointEncoder(settings, _JOINT[type(settings)](settings))
