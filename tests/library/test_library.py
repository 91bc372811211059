"""A library over a folder: what is kept, what a second run does, and what is found."""

import dataclasses
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.library.conftest import SETTINGS, fill, write_picture, write_video

from vljepa.embedder import Embedder
from vljepa.index.engines.flat import Flat
from vljepa.library import IndexFolderError, IndexSettings, Library
from vljepa.streaming.selective import decode_points
from vljepa.streaming.stream import embedded_stream


@pytest.fixture
def calls(tiny_embedder: Embedder, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """How many frames each call of the X-Encoder saw."""
    seen: list[int] = []
    features = tiny_embedder.frame_features
    monkeypatch.setattr(tiny_embedder, "frame_features", lambda frames: seen.append(len(frames)) or features(frames))
    return seen


def paths(library: Library) -> list[str]:
    return [Path(medium.path).name for medium in library.media()]


def counts(indexed: Any, *names: str) -> dict[str, int]:
    """The counts that are not zero, without those that every run has."""
    found = vars(indexed.counts)
    return {name: found[name] for name in found if found[name] and name not in ("files", "segments", "seconds")}


def test_everything_of_a_folder_is_kept(library: Library, media: Path, tiny_embedder: Embedder):
    indexed = library.add([media], settings=SETTINGS)
    assert counts(indexed) == {"added": 4, "others": 1}
    assert indexed.failures == indexed.unreadable == ()
    assert paths(library) == ["colours.mp4", "blue.jpg", "red.png", "white.mp4"]
    film, picture = library.media()[0], library.media()[1]
    assert (film.kind, picture.kind, picture.seconds) == ("video", "image", 0.0)
    assert film.seconds == pytest.approx(6, abs=0.3)
    stream = embedded_stream(film.path, tiny_embedder, settings=SETTINGS.windows)
    points = decode_points("ward", stream.embeddings, times=stream.times, decodes_per_second=SETTINGS.rate)
    rows = library.segments(film.id)
    assert [(row.start, row.end) for row in rows] == [(point.segment.start, point.segment.end) for point in points]
    for row, point in zip(rows, points, strict=True):
        kept = library._engine.get(library._store.vectors(row.id))
        np.testing.assert_allclose(kept, point.embedding[None].numpy(), atol=1e-3)
        thumbnail = library.thumbnail(row.id)
        assert thumbnail is not None and thumbnail[:2] == b"\xff\xd8"
    (row,) = library.segments(picture.id)
    alone = tiny_embedder.predict_clips([tiny_embedder.clip(Path(picture.path))])
    np.testing.assert_allclose(library._engine.get(library._store.vectors(row.id)), alone.numpy(), atol=2e-3)


def test_a_second_run_calls_no_model(library: Library, media: Path, calls: list[int]):
    library.add([media], settings=SETTINGS)
    calls.clear()
    again = library.add([media])
    assert counts(again) == {"unchanged": 4, "others": 1}
    assert library.settings == SETTINGS
    assert calls == []


def test_renamed_touched_and_copied_files_call_no_model(library: Library, media: Path, calls: list[int]):
    library.add([media], settings=SETTINGS)
    before = {row.id for medium in library.media() for row in library.segments(medium.id)}
    calls.clear()
    (media / "white.mp4").rename(media / "photos" / "renamed.mp4")
    os.utime(media / "colours.mp4", ns=(1, 1))
    (media / "copy.mp4").write_bytes((media / "colours.mp4").read_bytes())
    assert counts(library.add([media])) == {"renamed": 1, "copied": 1, "unchanged": 3, "others": 1}
    assert calls == []
    assert paths(library) == ["colours.mp4", "copy.mp4", "blue.jpg", "red.png", "renamed.mp4"]
    assert before < {row.id for medium in library.media() for row in library.segments(medium.id)}
    one, copy = library.media()[:2]
    assert [(row.start, row.end) for row in library.segments(copy.id)] == [
        (row.start, row.end) for row in library.segments(one.id)
    ]


def test_copies_that_come_together_are_seen_once(library: Library, media: Path, calls: list[int]):
    for name in ("a", "b", "c"):
        (media / f"{name}.mp4").write_bytes((media / "white.mp4").read_bytes())
    assert counts(library.add([media], settings=SETTINGS)) == {"added": 4, "copied": 3, "others": 1}
    assert len(library.media()) == 7


def test_deleted_files_are_dropped_and_changed_ones_made_anew(library: Library, media: Path):
    library.add([media], settings=SETTINGS)
    (media / "colours.mp4").unlink()
    write_picture(media / "photos" / "red.png", (0, 200, 0))
    before = library._engine.stats().count
    assert counts(library.add([media])) == {"dropped": 1, "changed": 1, "unchanged": 2, "others": 1}
    assert paths(library) == ["blue.jpg", "red.png", "white.mp4"]
    assert library._engine.stats().count == sum(medium.num_segments for medium in library.media()) < before


def test_what_lies_elsewhere_is_left_alone(library: Library, media: Path):
    library.add([media], settings=SETTINGS)
    assert counts(library.add([media / "photos"])) == {"unchanged": 2}
    assert len(library.media()) == 4
    with pytest.raises(ValueError, match="no such file or folder"):
        library.add([media / "gone"])
    assert len(library.media()) == 4


def test_other_settings_make_media_anew(library: Library, media: Path):
    library.add([media / "colours.mp4"], settings=SETTINGS)
    finer = dataclasses.replace(SETTINGS, rate=1.0, vectors=2, captions=True, keep_windows=True, thumbnails=0)
    assert counts(library.add([media / "colours.mp4"], settings=finer)) == {"changed": 1}
    (medium,) = library.media()
    rows = library.segments(medium.id)
    assert len(rows) == 6
    assert all(row.caption is not None and row.fidelity is not None and not row.has_thumbnail for row in rows)
    assert max(len(library._store.vectors(row.id)) for row in rows) == 2
    timeline = library.merge_tree(medium.id)
    assert timeline is not None and timeline.embeddings is not None
    assert timeline.embeddings.shape == (len(timeline.times), library.embedder.dim)  # type: ignore[union-attr]


def test_the_tree_cuts_a_video_at_any_rate(library: Library, media: Path, tiny_embedder: Embedder):
    library.add([media], settings=SETTINGS)
    film, picture = library.media()[:2]
    timeline = library.merge_tree(film.id)
    assert timeline is not None and timeline.embeddings is None
    assert library.merge_tree(picture.id) is None
    stream = embedded_stream(film.path, tiny_embedder, settings=SETTINGS.windows)
    for rate in (0.2, 0.5, 2.0):
        points = decode_points("ward", stream.embeddings, times=stream.times, decodes_per_second=rate)
        assert timeline.cut(rate) == [point.segment for point in points]
    assert len(timeline.change) == len(stream.times)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, video: Path) -> Path:
    """A folder that no test changes."""
    return fill(tmp_path_factory.mktemp("shared") / "media", video)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, shared: Path, tiny_embedder: Embedder) -> Iterator[Library]:
    """A library that no test changes."""
    with Library.open(tmp_path_factory.mktemp("filled"), tiny_embedder, create=True) as opened:
        opened.add([shared], settings=SETTINGS)
        yield opened


def test_an_example_finds_itself_first(filled: Library, shared: Path):
    found = filled.search(like=shared / "photos" / "red.png", top=3)
    assert Path(found.hits[0].media).name == "red.png"
    assert found.hits[0].cosine == pytest.approx(1, abs=1e-2)
    assert [hit.score for hit in found.hits] == sorted((hit.score for hit in found.hits), reverse=True)
    assert found.no_match == pytest.approx(1 - found.hits[0].score)
    assert found.hits[0].link == (shared / "photos" / "red.png").as_uri()
    moment = dataclasses.replace(found.hits[0], start=1 / 3e6, end=12345.678)
    assert moment.link.endswith("red.png#t=0,12345.678")


def test_a_picture_is_indexed_as_it_is_asked_about(library: Library, picture: Path, tiny_embedder: Embedder):
    """In both of its looks: by its middle alone it would be another."""
    library.add([picture], settings=SETTINGS)
    middle = tiny_embedder.bundle.processor.squares(tiny_embedder.clip(picture).frames)
    alone = tiny_embedder.predict(tiny_embedder.tokens_from_features(tiny_embedder.frame_features(middle)[None]))
    both = tiny_embedder.predict_clips([tiny_embedder.clip(picture)])
    cosine = library.search(like=picture, top=1).hits[0].cosine
    assert cosine == pytest.approx(1, abs=5e-4) and float((both * alone).sum()) < 1 - 3e-3


def test_text_and_example_together_need_both(filled: Library, shared: Path):
    like = shared / "photos" / "blue.jpg"
    both = {hit.id: hit.score for hit in filled.search("a cat", like=like, top=20).hits}
    text = {hit.id: hit.score for hit in filled.search("a cat", top=20).hits}
    alike = {hit.id: hit.score for hit in filled.search(like=like, top=20).hits}
    assert both
    for number in both.keys() & text.keys() & alike.keys():
        assert both[number] == pytest.approx(min(text[number], alike[number]), abs=1e-6)


def test_filters(filled: Library):
    def names(**filters: Any) -> set[str]:
        return {Path(hit.media).name for hit in filled.search("cat", top=50, **filters).hits}

    assert names(path="photos") <= {"red.png", "blue.jpg"}
    assert names(path="photos")
    assert names(path="*/white.*") == {"white.mp4"}
    assert names(path="nowhere") == set()
    assert names(min_seconds=5.0) == {"colours.mp4"}
    assert names(max_seconds=0.0) <= {"red.png", "blue.jpg"}
    late = filled.search("cat", top=50, start=4.6, path="colours").hits
    assert late and all(hit.end >= 4.6 for hit in late)
    early = filled.search("cat", top=50, end=1.0, path="colours").hits
    assert early and all(hit.start <= 1.0 for hit in early)


def test_nothing_that_may_be_found_is_no_match(filled: Library):
    found = filled.search("cat", path="nowhere")
    assert (found.hits, found.no_match) == ((), 1.0)


def test_near_duplicates_are_one_hit(library: Library, media: Path):
    (media / "twin.png").write_bytes((media / "photos" / "red.png").read_bytes())
    library.add([media], settings=SETTINGS)
    hits = library.search(like=media / "twin.png", top=50).hits
    assert len([hit for hit in hits if hit.media.endswith(("red.png", "twin.png"))]) == 1
    assert hits[0].same >= 1


def test_a_question_ranks_by_the_answers(filled: Library, tiny_embedder: Embedder):
    question = "what colour is the ball"
    found = filled.search("blue", question=question, top=3)
    target = tiny_embedder.texts(["blue"])[0]
    for hit in found.hits:
        cut = {} if hit.end == hit.start else {"start": hit.start, "end": hit.end}
        answer = tiny_embedder.predict_clips([tiny_embedder.clip(Path(hit.media), **cut)], question)[0]
        assert hit.cosine == pytest.approx(float(answer @ target), abs=1e-3)
    assert [hit.cosine for hit in found.hits] == sorted((hit.cosine for hit in found.hits), reverse=True)
    by_example = filled.search(like=Path(found.hits[0].media), question=question, top=1)
    assert len(by_example.hits) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"text": " "},
        {"text": "a", "top": 0},
        {"text": "a", "question": ""},
        {"text": "a", "start": 2.0, "end": 1.0},
    ],
)
def test_searches_that_make_no_sense_are_refused(filled: Library, wrong: dict[str, Any]):
    with pytest.raises(ValueError, match=r"give|write|ask|swap"):
        filled.search(**wrong)


@pytest.mark.parametrize("wrong", [{"rate": 0.0}, {"vectors": 0}, {"thumbnails": -1}, {"window": 0.0}])
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, Any]):
    with pytest.raises(ValueError, match="give"):
        IndexSettings(**wrong)


def test_a_library_without_a_model_shows_and_does_not_search(filled: Library):
    with Library.open(filled.folder) as opened:
        assert len(opened.media()) == 4
        with pytest.raises(ValueError, match="without a model"):
            opened.search("cat")


def test_another_engine_gives_the_same_hits(filled: Library, shared: Path, tmp_path: Path, tiny_embedder: Embedder):
    name = f"qdrant:{tmp_path / 'qdrant'}"
    with Library.open(tmp_path / "other", tiny_embedder, create=True, engine=name) as other:
        other.add([shared], settings=SETTINGS)
        expected = [(hit.media, hit.start) for hit in filled.search("a red ball").hits]
        assert [(hit.media, hit.start) for hit in other.search("a red ball").hits] == expected
    with pytest.raises(IndexFolderError, match="leave --engine out"):
        Library.open(tmp_path / "other", tiny_embedder, engine="flat")
    assert not (tmp_path / "other" / "vectors.sqlite").exists()


def test_the_graph_finds_what_exact_search_finds(tmp_path: Path):
    """Above a size a graph answers, with rows that came after it searched exactly, and removed ones left out."""
    from vljepa.index.engines.protocol import Payload, Where

    rows = np.random.default_rng(0).standard_normal((600, 16)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    exact, graph = Flat(tmp_path, dim=16), Flat(tmp_path, dim=16, approximate_from=100)
    payloads = [Payload(place // 100, 0.0, 1.0) for place in range(600)]
    exact.add(np.arange(500), rows[:500], payloads[:500])
    assert not exact.build_graph()
    assert graph.build_graph()
    graph.add(np.arange(500, 600), rows[500:], payloads[500:])
    graph.remove(np.arange(0, 600, 7))
    asked = np.ascontiguousarray(rows[::20])
    for where in (Where(), Where(media=frozenset({0, 2, 5}))):
        assert graph._by_graph(asked[0], 5, np.arange(1, 600)) is not None
        found, truth = graph.search(asked, 5, where), exact.search(asked, 5, where)
        same = [len({one.id for one in a} & {one.id for one in b}) for a, b in zip(found, truth, strict=True)]
        assert sum(same) / (5 * len(asked)) >= 0.99
    exact.close()
    graph.close()


def test_a_graph_that_was_interrupted_keeps_what_it_has_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from usearch.index import Index

    from vljepa.index.engines.protocol import Payload

    monkeypatch.setattr("vljepa.index.engines.graph._AT_ONCE", 100)
    rows = np.random.default_rng(0).standard_normal((600, 16)).astype(np.float32)
    engine = Flat(tmp_path, dim=16, approximate_from=100)
    engine.add(np.arange(600), rows, [Payload(1, 0.0, 1.0)] * 600)
    add, seen = Index.add, []

    def interrupted(self: Index, keys: np.ndarray, *arguments: object, **named: object) -> object:
        seen.append(len(keys))
        if len(seen) == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return add(self, keys, *arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(Index, "add", interrupted)
        with pytest.raises(KeyboardInterrupt):
            engine.build_graph()
    assert engine.search(rows[550:551], 1)[0][0].id == 550, "rows behind the graph are searched exactly"
    assert engine._graph.rows == 300
    engine.build_graph()
    assert engine.search(rows[550:551], 1)[0][0].id == 550
    assert engine._graph.rows == 600
    engine.close()


def test_holes_are_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from vljepa.index.engines.protocol import Payload

    monkeypatch.setattr("vljepa.index.engines.flat._MOST_HOLES", 10)
    rows = np.eye(16, dtype=np.float32).repeat(4, axis=0)
    engine, reader = Flat(tmp_path, dim=16), Flat(tmp_path, dim=16)
    engine.add(np.arange(64), rows, [Payload(1, 0.0, 1.0)] * 64)
    assert len(reader.search(rows[:1], 64)[0]) == 64
    engine.remove(np.arange(0, 48))
    assert [path.name for path in tmp_path.glob("*.f16")] == ["vectors-1.f16"]
    assert (tmp_path / "vectors-1.f16").stat().st_size == 16 * 16 * 2
    np.testing.assert_array_equal(engine.get(np.arange(48, 64)), rows[48:])
    assert {one.id for one in reader.search(rows[50:51], 4)[0]} == {48, 49, 50, 51}
    engine.add(np.array([99]), rows[:1], [Payload(2, 0.0, 1.0)])
    assert reader.search(rows[:1], 1)[0][0].id == 99
    engine.close()
    reader.close()


def test_several_videos_and_many_pictures_at_once(library: Library, tmp_path: Path):
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(20):
        write_picture(folder / f"{number}.png", (number * 12, 100, 50))
    for number in range(5):
        write_video(folder / f"{number}.mp4", (number * 50, 0, 0), (0, number * 50, 0))
    indexed = library.add([folder], settings=SETTINGS)
    assert counts(indexed) == {"added": 25}
    assert indexed.state.hours == pytest.approx(sum(medium.seconds for medium in library.media()) / 3600, rel=0.01)
    line = indexed.state.line()
    assert "25 files" in line and "times real time" in line and "is the bottleneck" in line
