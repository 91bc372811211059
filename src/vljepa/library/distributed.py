"""The seeing of a library spread over a Ray cluster: every worker opens the model once, the driver keeps the rows.

Workers read the same paths (a shared file system) and do what one process does, file by file; what a worker that dies
had in hand is done again by another, and what the driver has kept stays kept.
"""

import json
import pickle
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any

from vljepa.index.records import FileFacts
from vljepa.library.looking import Looked, Spent, looked_at
from vljepa.library.settings import IndexSettings

# Files that a worker is handed at once: pictures are computed together.
_FILES_AT_ONCE = 16
# Files that are handed to the cluster before their results are kept: a restart repeats these at most.
_FILES_A_ROUND = 4096


class Worker:
    """The model on one worker: rows of files in, rows of what is to be kept out."""

    def __init__(self, model: Path | None, device: str, settings: IndexSettings) -> None:
        from vljepa.embedder import Embedder

        self._embedder = Embedder.from_folder(model, device=device)
        self._settings = settings

    def __call__(self, rows: dict[str, Any]) -> dict[str, Any]:
        """One batch of Ray Data."""
        spent = Spent()
        files = [FileFacts(**json.loads(file)) for file in rows["file"]]
        found = looked_at(files, self._embedder, settings=self._settings, spent=spent)
        # One row a batch, packed as Ray itself would pack it, which it says aloud for each batch.
        return {"done": [pickle.dumps((list(chain.from_iterable(found)), spent))]}


def on_ray(
    address: str, *, model: Path | None = None, device: str = "auto", workers: int | None = None
) -> Callable[[Iterator[FileFacts], IndexSettings, Spent, Callable[[], None]], Iterator[list[Looked]]]:
    """What `Library.add` takes as `look`: the cluster at an address (`local`: a new one on this machine; `auto`).

    `workers`: how many open the model; None for as many as the cluster has room for.
    """
    ray = _ray()

    def look(
        files: Iterator[FileFacts], settings: IndexSettings, spent: Spent, seen: Callable[[], None]
    ) -> Iterator[list[Looked]]:
        with suppress(RuntimeError):  # the program that called may have joined a cluster already
            if not ray.is_initialized():
                ray.init(address=address, log_to_driver=False)
        for some in _rounds(files):
            for row in _on_cluster(ray, some, (model, device, settings), workers):
                done, more = pickle.loads(row["done"])
                for name, seconds in vars(more).items():
                    setattr(spent, name, getattr(spent, name) + seconds)
                seen()
                yield done

    return look


def _on_cluster(ray: Any, files: list[FileFacts], made: tuple[Any, ...], workers: int | None) -> Iterator[Any]:
    at_once = min(_FILES_AT_ONCE, max(len(files) // (2 * (workers or 1)), 1))
    data = ray.data.from_items(
        [{"file": json.dumps(vars(file))} for file in files], override_num_blocks=-(-len(files) // at_once)
    )
    compute = ray.data.ActorPoolStrategy(size=workers) if workers else ray.data.ActorPoolStrategy(min_size=1)
    looked = data.map_batches(
        Worker, batch_size=None, compute=compute, fn_constructor_args=made, batch_format="numpy", num_cpus=1
    )
    return iter(looked.iter_rows())


def _rounds(files: Iterator[FileFacts]) -> Iterator[list[FileFacts]]:
    some: list[FileFacts] = []
    for file in files:
        some.append(file)
        if len(some) == _FILES_A_ROUND:
            yield some
            some = []
    if some:
        yield some


def _ray() -> Any:
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise ValueError(f"--ray needs Ray ({error}): pip install 'vljepa[ray]'") from error
    return ray
