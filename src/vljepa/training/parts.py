"""Which parts of the model learn, and how: not at all, as a whole, or through low-rank adapters (LoRA, Hu et al. 2021).

Adapters are peft's. They stand beside linear layers, which stay frozen; `merged` adds them into the layers' weights, so
that what is exported is an ordinary model folder that needs neither peft nor to know that there were adapters.
"""

import copy
import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from vljepa.config import SettingsError, meant
from vljepa.models.vljepa import VLJEPA
from vljepa.training.optim import Group

PARTS = ("x_encoder", "predictor", "y_encoder", "y_decoder")
MODES = ("frozen", "full", "lora")


@dataclass(frozen=True, kw_only=True)
class PartSettings:
    """`modes`: frozen, full or lora for each part that is not frozen anyway; `lora_rank`, `lora_alpha`: the adapters'
    inner width, and their strength times it. Heads and projections of a part with adapters learn as a whole: they are
    new, and small.
    """

    modes: Mapping[str, str] = field(default_factory=lambda: {"predictor": "full", "y_encoder": "full"})
    lora_rank: int = 16
    lora_alpha: float = 32.0


def apply_modes(model: VLJEPA, settings: PartSettings) -> None:
    """Freeze, free or adapt each part; SettingsError for a part or mode that does not exist, or where peft is missing.

    Must come before `parameter_groups`. Adapters change the model in place and leave what it computes as it was.
    """
    for name, mode in settings.modes.items():
        if name not in PARTS:
            raise SettingsError(f"there is no part {name} to train{meant(name, PARTS)}")
        if mode not in MODES:
            raise SettingsError(f"part {name} cannot be {mode}{meant(mode, MODES)}")
    model.requires_grad_(False)
    for name, mode in settings.modes.items():
        part: nn.Module = getattr(model, name)
        if mode == "lora":
            _adapt(name, part, settings)
        else:
            part.requires_grad_(mode == "full")


def _adapt(name: str, part: nn.Module, settings: PartSettings) -> None:
    """Adapters on every linear layer of the part's stack of layers."""
    stacks = [prefix for prefix, module in part.named_modules() if isinstance(module, nn.ModuleList)]
    inside = tuple(f"{prefix}." for prefix in stacks)
    layers = [
        path for path, module in part.named_modules() if isinstance(module, nn.Linear) and path.startswith(inside)
    ]
    if not layers:
        raise SettingsError(f"part {name} has no linear layers that adapters could stand beside: use frozen or full")
    peft = _peft()
    config = peft.LoraConfig(r=settings.lora_rank, lora_alpha=settings.lora_alpha, target_modules=layers)
    peft.inject_adapter_in_model(config, part)
    for path, parameter in part.named_parameters():
        if not path.startswith(inside):
            parameter.requires_grad_(not path.startswith(("body.embeddings", "layers.norm")))


def merged(model: VLJEPA) -> VLJEPA:
    """A copy whose adapters are part of its layers' weights; the model itself where it has none."""
    if not any(hasattr(module, "lora_A") for module in model.modules()):
        return model
    plain = copy.deepcopy(model)
    for path, module in list(plain.named_modules()):
        if hasattr(module, "lora_A"):
            layer: Any = module
            layer.merge(safe_merge=True)
            parent, _, child = path.rpartition(".")
            setattr(plain.get_submodule(parent), child, layer.get_base_layer())
    return plain


def _peft() -> Any:
    try:
        return importlib.import_module("peft")
    except ImportError as error:
        raise SettingsError("mode lora needs a package that is not here: pip install 'vljepa[lora]'") from error


def group_table(model: nn.Module, groups: list[Group]) -> str:
    """What learns at which rate, group by group, and what is frozen, part by part; parameters in millions."""
    lines = [f"  {'group':<34} {'parameters':>12}  {'rate':>9}  {'decay':>6}  state"]
    for group in groups:
        lines.append(_row(group.name, group.count, f"{group.rate:.2e}", f"{group.decay:g}", "trainable"))
    for name, part in model.named_children():
        frozen = sum(parameter.numel() for parameter in part.parameters() if not parameter.requires_grad)
        if frozen:
            lines.append(_row(name, frozen, "-", "-", "frozen"))
    learned = sum(group.count for group in groups)
    lines.append(f"  {learned / 1e6:.2f} M of {(learned + _frozen(model)) / 1e6:.2f} M parameters learn")
    return "\n".join(lines)


def _frozen(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters() if not parameter.requires_grad)


def _row(name: str, count: int, rate: str, decay: str, state: str) -> str:
    return f"  {name:<34} {count / 1e6:>10.3f} M  {rate:>9}  {decay:>6}  {state}"
