"""The card of an imported model: every file that it was made of, with where it came from and its sha256."""

from collections.abc import Collection, Mapping
from pathlib import Path

from vljepa.data.packages import sha256_of

# What can change the numbers of a model, and its terms.
_COUNTED = ("*.safetensors", "*.pt", "*.pth", "config.json", "tokenizer.json", "LICENSE*")
_UNTRAINED = """Nothing but its published parts has been trained: the projections between them and the heads were drawn
at random, so that what it answers means nothing yet. `vljepa train pretrain --model FOLDER` begins there.
"""
_SILENT = """Its Y-Decoder begins from layers of the language model and has not learned to say what an embedding means:
when the rest is trained, `vljepa train decoder --model FOLDER` teaches it.
"""
_TRAINED = "It was trained by others, and nothing was measured here: `vljepa evaluate` does.\n"


def import_card(
    name: str, *, told: str, untrained: Collection[str], asked: Mapping[str, str], paths: Mapping[str, Path]
) -> str:
    """`untrained`: parts that nobody has trained. `asked`: what each part was called; `paths`: where it was found."""
    lines = [f"# VL-JEPA {name}", "", f"Imported by `vljepa weights import`: {told}.", ""]
    lines += [_UNTRAINED if "predictor" in untrained else _TRAINED]
    lines += [_SILENT] * ("y_decoder" in untrained)
    lines += ["## Made of", "", "| part | source | file | sha256 |"]
    lines += ["|---|---|---|---|"]
    for part, path in paths.items():
        for file in _files(path):
            lines.append(f"| {part} | {_source(asked[part])} | {file.name} | `{sha256_of(file)}` |")
    lines += [
        "",
        "The terms of all parts hold for the whole (V-JEPA 2: MIT; Llama: its community licence; EmbeddingGemma: the",
        "Gemma terms; SmolLM2 and all-mpnet-base-v2: Apache-2.0). Look at the pages of those named above.",
    ]
    return "\n".join(lines) + "\n"


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return sorted({file for pattern in _COUNTED for file in path.glob(pattern)})


def _source(asked: str) -> str:
    """A name on the hub as it is; of a place on this machine its last name alone, which is nobody else's business."""
    return Path(asked).name if Path(asked).exists() else asked
