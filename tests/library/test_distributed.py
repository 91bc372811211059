"""Indexing over a local Ray with two workers: the same rows as one process makes, also when a worker is killed."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.library.conftest import SETTINGS, write_picture

import vljepa
from vljepa.embedder import Embedder
from vljepa.library import Library


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    ray = pytest.importorskip("ray")
    import ray.data  # noqa: F811

    environment = {"PYTHONPATH": str(Path(vljepa.__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="error",
        runtime_env={"env_vars": environment},
        object_store_memory=100 * 2**20,
    )
    ray.data.DataContext.get_current().enable_progress_bars = False
    yield ray
    ray.shutdown()


def content(library: Library) -> dict[str, Any]:
    """All that is kept, by path."""
    return {
        medium.path: [
            (row.start, row.end, library.thumbnail(row.id), _vectors(library, row.id).tobytes())
            for row in library.segments(medium.id)
        ]
        for medium in library.media()
    }


def _vectors(library: Library, segment: int) -> np.ndarray:
    return library._engine.get(library._store.vectors(segment))


@pytest.mark.filterwarnings("ignore")
def test_two_workers_make_what_one_process_makes_also_when_one_is_killed(
    cluster: Any, tmp_path: Path, media: Path, tiny_folder: Path
):
    from vljepa.library.distributed import on_ray

    for number in range(6):
        write_picture(media / f"{number}.png", (number * 30, 50, 50))
    (media / "noise.mp4").write_bytes(b"nothing")
    embedder = Embedder.from_folder(tiny_folder, device="cpu")
    alone, spread = (Library.open(tmp_path / name, embedder, create=True) for name in ("alone", "spread"))
    alone.add([media], settings=SETTINGS)
    killed: list[int] = []

    def kill_one(state: Any) -> None:
        if state.counts.added and not killed:
            killed.append(_workers()[0])
            os.kill(killed[0], signal.SIGKILL)

    look = on_ray("local", model=tiny_folder, device="cpu", workers=2)
    indexed = spread.add([media], settings=SETTINGS, progress=kill_one, look=look)
    assert killed
    assert (indexed.counts.added, indexed.counts.failed) == (10, 1)
    assert content(spread) == content(alone)
    assert indexed.state.spent.model > 0
    again = spread.add([media], look=look)
    assert (again.counts.unchanged, again.counts.added) == (10, 0)
    alone.close()
    spread.close()


def _workers() -> list[int]:
    """Processes of ours in which Ray runs an actor that maps."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parents[int(stat.parent.name)] = int(stat.read_text().rsplit(")", 1)[1].split()[1])

    def ours(process: int) -> bool:
        while process in parents and process != os.getpid():
            process = parents[process]
        return process == os.getpid()

    return [process for process in parents if ours(process) and b"MapWorker" in _command(process)]


def _command(process: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{process}/cmdline").read_bytes()
    return b""
