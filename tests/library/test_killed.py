"""Kill -9 at a hundred moments: nothing is twice, missing or damaged, and the end is that of an undisturbed run."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vljepa
from vljepa.index.engines.flat import Flat
from vljepa.index.store import Store

HERE = Path(__file__).parent
DIM = 8


def content(library: Path) -> tuple[dict[str, Any], int]:
    """Everything that a library knows, by path and without its numbers; and how many vectors the engine holds."""
    store, engine = Store(library), Flat(library, dim=DIM)
    found = {}
    for medium in store.media():
        rows = []
        for row in store.segments(medium.id):
            numbers = store.vectors(row.id)
            (nearest,) = engine.search(engine.get(numbers)[:1], 1)
            assert nearest[0].cosine == pytest.approx(1, abs=1e-2)
            vectors = engine.get(numbers).tobytes()
            rows.append((row.start, row.end, row.caption, store.thumbnail(row.id), vectors))
        found[medium.path] = (medium.sha256, medium.size, medium.seconds, store.timeline(medium.id), tuple(rows))
    count = engine.stats().count
    owners = store.owners(np.arange(1, 10_000).tolist())
    store.close()
    engine.close()
    assert len(owners) == count
    return found, count


def run(library: Path, media: Path, *kills: int) -> list[str]:
    finished = subprocess.run(
        [sys.executable, str(HERE / "killed_indexer.py"), str(library), str(media), "20261125", *map(str, kills)],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(vljepa.__file__).parents[1])},
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout.splitlines()


@pytest.fixture
def media(tmp_path: Path) -> Path:
    folder = tmp_path / "media"
    folder.mkdir()
    for number in range(6):
        (folder / f"{number:02d}.mp4").write_bytes(bytes([number]) * (100 + number))
    (folder / "copy.mp4").write_bytes((folder / "03.mp4").read_bytes())
    return folder


def test_killed_a_hundred_times_it_ends_as_if_undisturbed(tmp_path: Path, media: Path):
    library = tmp_path / "library"
    *lines, last = run(library, media, 70, 30)
    assert last == "last 0"
    assert set(lines) <= {"killed", "ended 0"}
    assert lines.count("killed") == 100
    undisturbed = tmp_path / "scratch"
    assert content(library) == content(undisturbed)
    assert len(content(library)[0]) == 7
