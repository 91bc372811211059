"""Which tokens a published tokenizer puts around a text, and which one it pads with."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tokenizers

from vljepa.text import TokenizerSettings
from vljepa.weights.convert import WeightsError
from vljepa.weights.stored import file, json_of

# Llama 3 has a token for padding and does not say so; masked or not, its own end of a text is no padding.
_UNNAMED_PADDING = "<|finetune_right_pad_id|>"


def target_markers(folder: Path) -> TokenizerSettings:
    """A sentence encoder's own template: what stands before and behind a text as it was trained."""
    tokenizer = _open(folder)
    start, end = _around(tokenizer, folder)
    return TokenizerSettings(start=start, end=end, pad=_pad(tokenizer, folder, fallback=max(end, 0)))


def text_markers(folder: Path, config: Mapping[str, Any]) -> TokenizerSettings:
    """A language model's beginning and end of a text; a query without words is its beginning alone."""
    tokenizer = _open(folder)
    end = _first(config.get("eos_token_id"))
    start = _around(tokenizer, folder)[0]
    start = _first(config.get("bos_token_id")) if start < 0 else start
    start = end if start < 0 else start
    if start < 0:
        raise WeightsError(f"{folder}: config.json names no token that begins or ends a text")
    return TokenizerSettings(start=start, end=end, pad=_pad(tokenizer, folder, fallback=max(end, 0)))


def _open(folder: Path) -> tokenizers.Tokenizer:
    path = file(folder / "tokenizer.json")
    try:
        tokenizer = tokenizers.Tokenizer.from_file(str(path))
    except Exception as error:  # the library has no type of its own for it
        raise WeightsError(f"{path} is no tokenizer ({error}): fetch it again") from error
    tokenizer.no_padding()  # some files pad every text to a fixed length, which is nothing that stands around it
    tokenizer.no_truncation()
    return tokenizer


def _around(tokenizer: tokenizers.Tokenizer, folder: Path) -> tuple[int, int]:
    """What the file's template puts around a text, -1 for nothing."""
    inside = tokenizer.encode("a", add_special_tokens=False).ids
    whole = tokenizer.encode("a", add_special_tokens=True).ids
    first = next((k for k in range(len(whole)) if whole[k : k + len(inside)] == inside), None)
    if first is None or first > 1 or len(whole) - first - len(inside) > 1:
        raise WeightsError(f"{folder / 'tokenizer.json'} puts more around a text than one token on each side")
    return (whole[0] if first else -1), (whole[-1] if len(whole) > first + len(inside) else -1)


def _pad(tokenizer: tokenizers.Tokenizer, folder: Path, *, fallback: int) -> int:
    path = folder / "tokenizer_config.json"
    told = json_of(path).get("pad_token") if path.is_file() else None
    named = told["content"] if isinstance(told, Mapping) else told
    for token in (named, _UNNAMED_PADDING):
        number = tokenizer.token_to_id(token) if token else None
        if number is not None:
            return int(number)
    return fallback


def _first(ids: Any) -> int:
    ids = ids[0] if isinstance(ids, list) else ids
    return -1 if ids is None else int(ids)
