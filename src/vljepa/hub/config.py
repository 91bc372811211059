"""`VLJEPAConfig`: the settings of `config.json`, as strict as ever, in transformers' dress."""

from dataclasses import fields
from typing import Any

from transformers import PreTrainedConfig

from vljepa.config import SettingsError, as_dict, meant
from vljepa.models.sizes import small
from vljepa.weights.folder import FolderSettings, folder_settings

_OURS = {field.name for field in fields(FolderSettings)} - {"model_type"}
# What transformers adds on the way from a file to a configuration; none of it is written into our files.
_THEIRS = {field.name for field in fields(PreTrainedConfig)} | {
    "attn_implementation",
    "experts_implementation",
    "name_or_path",
    "torch_dtype",
    "output_attentions",
    "num_labels",
    "model_type",
}


class VLJEPAConfig(PreTrainedConfig):  # type: ignore[misc]  # it looks untyped from here
    """Settings of a model folder; `settings` holds them as our own dataclasses.

    An unknown name is an error, with the nearest one. Without `model` it is a model of size `small`.
    """

    model_type = "vljepa"

    def __init__(self, **values: Any) -> None:
        unknown = sorted(values.keys() - _OURS - _THEIRS)
        if unknown:
            raise SettingsError(f"unknown setting {unknown[0]}{meant(unknown[0], _OURS)}")
        ours = {name: values.pop(name) for name in _OURS & values.keys()}
        super().__init__(**values)
        self.settings = folder_settings({"model": as_dict(small()), "frames": 8} | ours)

    @classmethod
    def of(cls, settings: FolderSettings, **theirs: Any) -> "VLJEPAConfig":
        """The configuration of settings that are there already."""
        return cls(**as_dict(settings), **theirs)

    def to_dict(self) -> dict[str, Any]:
        """What stands in `config.json`."""
        return as_dict(self.settings)

    to_diff_dict = to_dict
