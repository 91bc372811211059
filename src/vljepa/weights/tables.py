"""Key tables: the names of a published checkpoint's tensors beside ours, read in both directions.

A row pairs two names. `{n}` stands for a layer's number, `{kind}` for weight or bias, `{rest}` for anything. Where one
of their tensors holds several of ours, one below the other, the row has all of ours. What is in neither a row nor
`left_out` is an error, and so is what the model needs and nobody brings: nothing is loaded in part.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn

from vljepa.weights.convert import WeightsError
from vljepa.weights.stored import listed

_HOLES = {"n": r"\d+", "kind": "weight|bias", "rest": ".+"}
_NUMBERS = (torch.float32, torch.bfloat16, torch.float16)


@dataclass(frozen=True, kw_only=True)
class KeyTable:
    """`rows`: their name to ours. `prefixes`: what may stand before all of their names, the published way first.

    `left_out`: regular expressions of whole names of theirs that have no use here.
    """

    rows: Mapping[str, str] | Mapping[str, str | tuple[str, ...]]
    prefixes: tuple[str, ...] = ("",)
    left_out: tuple[str, ...] = ()


def to_ours(
    table: KeyTable,
    tensors: Mapping[str, Tensor],
    wanted: Mapping[str, Tensor],
    *,
    name: str,
    layers: Sequence[int] | None = None,
) -> dict[str, Tensor]:
    """Their tensors under our names: exactly those that are `wanted`, of the same shapes, or a WeightsError.

    `layers`: which of their layers become ours 0, 1, 2 ...; the others are left out. `name` is for messages.
    """
    prefix = _prefix(table, tensors)
    out: dict[str, Tensor] = {}
    came_from: dict[str, str] = {}
    unused: list[str] = []
    for key, tensor in tensors.items():
        ours = _our_names(table, key, prefix, layers)
        if ours is None:
            unused.append(key)
            continue
        for part, piece in zip(ours, _pieces(key, tensor, len(ours), name), strict=True):
            out[part], came_from[part] = piece, key
    missing = sorted({_their_name(table, key, prefix, layers) for key in wanted.keys() - out.keys()})
    unused += [came_from[key] for key in out.keys() - wanted.keys()]
    if missing or unused:
        told = [f"missing: {listed(missing)}"] * bool(missing) + [f"unused: {listed(sorted(set(unused)))}"] * bool(
            unused
        )
        raise WeightsError(f"{name}: tensors do not fit the model: {'; '.join(told)}")
    for key, tensor in out.items():
        _check(came_from[key], tensor, wanted[key], name)
    return out


def fill(part: nn.Module, table: KeyTable, tensors: Mapping[str, Tensor], *, name: str, within: str = "") -> None:
    """Their tensors into a part, or into what of it is named `within`; strictly, as `to_ours`."""
    wanted = {key: tensor for key, tensor in part.state_dict().items() if key.startswith(within)}
    part.load_state_dict(to_ours(table, tensors, wanted, name=name), strict=False)


def to_theirs(
    table: KeyTable, tensors: Mapping[str, Tensor], *, layers: Sequence[int] | None = None
) -> dict[str, Tensor]:
    """Our tensors under their published names; WeightsError for one that has none. `layers`: as for `to_ours`."""
    found: dict[str, list[Tensor]] = {}
    # Rows list what lies below each other in its order, and so must we, whatever order the tensors came in.
    for key in sorted(tensors, key=lambda key: _place(table, key)):
        found.setdefault(_their_name(table, key, table.prefixes[0], layers), []).append(tensors[key])
    return {key: pieces[0] if len(pieces) == 1 else torch.cat(pieces) for key, pieces in found.items()}


def _pieces(key: str, tensor: Tensor, count: int, name: str) -> Sequence[Tensor]:
    if count < 2:
        return [tensor] * count
    if not tensor.ndim or len(tensor) % count:
        raise WeightsError(f"{name}: tensor {key} is {tuple(tensor.shape)}, which are not {count} of one size")
    return tensor.chunk(count)


def _check(key: str, tensor: Tensor, wanted: Tensor, name: str) -> None:
    if tensor.shape != wanted.shape:
        raise WeightsError(f"{name}: tensor {key} is {tuple(tensor.shape)}, the model needs {tuple(wanted.shape)}")
    if tensor.dtype not in _NUMBERS:
        raise WeightsError(f"{name}: tensor {key} holds {tensor.dtype} numbers, not float32, bfloat16 or float16")
    # The extremes, which need no copy: they are no numbers where one of all is none.
    if tensor.numel() and not all(map(math.isfinite, torch.stack(tensor.aminmax()).tolist())):
        raise WeightsError(f"{name}: tensor {key} holds NaN or infinite numbers: it was spoilt before it came here")


def _prefix(table: KeyTable, tensors: Mapping[str, Tensor]) -> str:
    """What stands before their names here: the prefix under which most of them have a row."""

    def known(prefix: str) -> int:
        return sum(_our_names(table, key, prefix, None) not in {None, ()} for key in tensors)

    return max(table.prefixes, key=known)


def _our_names(table: KeyTable, key: str, prefix: str, layers: Sequence[int] | None) -> tuple[str, ...] | None:
    """Our names of one of their tensors; none where it is left out, None where it is unknown."""
    if any(re.fullmatch(pattern, key) for pattern in table.left_out):
        return ()
    for theirs, ours in table.rows.items():
        found = _pattern(prefix + theirs).fullmatch(key)
        if found is not None:
            holes = found.groupdict()
            if layers is not None and "n" in holes:
                if int(holes["n"]) not in layers:
                    return ()
                holes["n"] = str(list(layers).index(int(holes["n"])))
            return tuple(template.format(**holes) for template in _several(ours))
    return None


def _their_name(table: KeyTable, key: str, prefix: str, layers: Sequence[int] | None) -> str:
    for theirs, ours in table.rows.items():
        for template in _several(ours):
            found = _pattern(template).fullmatch(key)
            if found is not None:
                holes = found.groupdict()
                if layers is not None and "n" in holes:
                    holes["n"] = str(layers[int(holes["n"])])
                return (prefix + theirs).format(**holes)
    raise WeightsError(f"tensor {key} has no name in the published layout")


def _place(table: KeyTable, key: str) -> int:
    """Where our name stands among those of its row."""
    for ours in table.rows.values():
        for place, template in enumerate(_several(ours)):
            if _pattern(template).fullmatch(key):
                return place
    return 0


def _several(names: str | tuple[str, ...]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else names


@lru_cache(maxsize=512)
def _pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", template)
    return re.compile(
        "".join(f"(?P<{part}>{_HOLES[part]})" if place % 2 else re.escape(part) for place, part in enumerate(parts))
    )
