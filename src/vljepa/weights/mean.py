"""The mean of models that began alike: what the seeds of one run agree on (model soups, Wortsman et al. 2022)."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from vljepa.weights.calibration import Calibration
from vljepa.weights.convert import WeightsError
from vljepa.weights.folder import Bundle, load_folder


@torch.no_grad()
def mean_of(folders: Sequence[Path]) -> Bundle:
    """The model whose every weight is the mean of theirs, in float32, without a calibration: that is to be fitted anew.

    Raises WeightsError for fewer than two models, or models of which one differs in more than its weights.
    """
    if len(folders) < 2:
        raise WeightsError("the mean of one model is that model: name two or more folders")
    mean = load_folder(folders[0])
    total = dict(mean.model.state_dict())
    for folder in folders[1:]:
        other = load_folder(folder)
        _check_alike(mean, other, folders[0], folder)
        for name, tensor in other.model.state_dict().items():
            if total[name].is_floating_point():
                total[name] += tensor
            elif not torch.equal(total[name], tensor):
                raise WeightsError(f"{folder} has another {name} than {folders[0]}: their mean says nothing")
    for tensor in total.values():
        if tensor.is_floating_point():
            tensor.div_(len(folders))
    return replace(mean, calibration=Calibration())


def _check_alike(one: Bundle, other: Bundle, first: Path, folder: Path) -> None:
    differing = [
        what
        for what, mine, its in (
            ("shape", one.model.settings, other.model.settings),
            ("number of frames", one.frames, other.frames),
            ("untrained parts", one.untrained, other.untrained),
            ("preprocessing", one.processor.to_json(), other.processor.to_json()),
            ("query tokenizer", one.query_tokenizer.definition, other.query_tokenizer.definition),
            ("target tokenizer", one.target_tokenizer.definition, other.target_tokenizer.definition),
        )
        if mine != its
    ]
    if differing:
        raise WeightsError(f"{folder} differs from {first} in its {differing[0]}: a mean needs models that began alike")
