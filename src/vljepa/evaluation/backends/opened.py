"""`--embedder KIND:FOLDER` to a model behind the protocol."""

from importlib.util import find_spec
from pathlib import Path

from vljepa.embedder import Embedder
from vljepa.evaluation.backends.ours import Ours
from vljepa.evaluation.backends.protocol import Backend
from vljepa.evaluation.backends.published import BackendError, Sentences, TwoTowers
from vljepa.runtime import choose_device

# What a folder's config may call itself: SigLIP 2 of fixed size (not NaFlex) uses SigLIP's classes.
KINDS = {"clip": ("clip",), "siglip2": ("siglip",), "sentence-transformers": (), "vljepa": ()}
_NEEDS = {"clip": "transformers", "siglip2": "transformers", "sentence-transformers": "sentence_transformers"}


def open_backend(name: str, *, device: str = "auto") -> Backend:
    """The model that `KIND:FOLDER` names.

    BackendError for another kind, a folder that is not there, or a library that is not installed.
    """
    kind, colon, place = name.partition(":")
    folder = Path(place)
    if kind not in KINDS or not colon:
        raise BackendError(f"--embedder is {name!r}: give {' or '.join(f'{kind}:FOLDER' for kind in KINDS)}")
    if not (folder / "config.json").is_file() and not (folder / "modules.json").is_file():
        raise BackendError(
            f"{folder} is no model folder (config.json is missing): nothing is downloaded, fetch it first"
        )
    if kind in _NEEDS and find_spec(_NEEDS[kind]) is None:
        raise BackendError(f"--embedder {kind} needs {_NEEDS[kind].replace('_', '-')}: install vljepa[eval]")
    if kind == "vljepa":
        return Ours(Embedder.from_folder(folder, device=device))
    if kind == "sentence-transformers":
        return Sentences(folder, device=choose_device(device))
    try:
        return TwoTowers(folder, kinds=KINDS[kind], device=choose_device(device))
    except (OSError, KeyError) as error:
        raise BackendError(f"{folder} cannot be opened as {kind}: {error}") from error
