"""The `config.json` of a published folder, as far as it is read here: what is wrong in it is told by file and key.

Other people's files end up here, cut off, edited by hand or of another kind; a number that cannot be would otherwise
be met far from where it stands, or build a network that never ends.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vljepa.weights.convert import WeightsError
from vljepa.weights.stored import json_of

_COUNTS = re.compile(
    r"(hidden|intermediate|vocab|crop|patch|tubelet|image|type_vocab)_size|num_(hidden_layers|attention_heads|"
    r"key_value_heads)|head_dim|max_position_embeddings|relative_attention_num_buckets|sliding_window"
)
_FACTORS = re.compile(r"mlp_ratio|(layer|rms)_norm_eps|rope_theta|rope_local_base_freq|query_pre_attn_scalar|.*factor")
_TABLES = ("vision_config", "text_config", "rope_parameters", "rope_scaling")
MOST_LAYERS, MOST = 1000, 1 << 30


class PublishedConfig(dict[str, Any]):
    """Its values without those that are null; a key that is asked for and missing is a WeightsError."""

    def __init__(self, values: Mapping[str, Any], *, path: Path) -> None:
        super().__init__((key, _checked(key, value, path)) for key, value in values.items() if value is not None)
        self.path = path

    def __missing__(self, key: str) -> Any:
        raise WeightsError(f"{self.path} has no {key}: fetch it again, or give the folder of another model")


def config_of(folder: Path) -> PublishedConfig:
    """What a folder says of its model. WeightsError for a file or a number that cannot be."""
    path = folder / "config.json"
    return PublishedConfig(json_of(path), path=path)


def _checked(key: str, value: Any, path: Path) -> Any:
    """The value, tables as configurations of their own; WeightsError where it is of no use."""
    if isinstance(value, Mapping):
        return PublishedConfig(value, path=path)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    most = MOST_LAYERS if key == "num_hidden_layers" else MOST
    if _COUNTS.fullmatch(key) and not (is_number and isinstance(value, int) and 1 <= value <= most):
        raise WeightsError(f"{path}: {key} is {value!r}, and a whole number from 1 to {most:,} is needed")
    if _FACTORS.fullmatch(key) and not (is_number and 0 < value < MOST):
        raise WeightsError(f"{path}: {key} is {value!r}, and a number above 0 is needed")
    if key in _TABLES:
        raise WeightsError(f"{path}: {key} is {value!r}, and names with values are needed")
    return value
