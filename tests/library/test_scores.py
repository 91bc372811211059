"""What the scores of hits are: probabilities, of pictures by the pair of pictures and of videos by that of clips."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.library.conftest import SETTINGS, fill

from vljepa.embedder import Embedder
from vljepa.library import Library
from vljepa.library.finding import Asked, Hit, find
from vljepa.streaming.triggers import background
from vljepa.weights.calibration import Calibration, Pair

ABOVE = Pair(background=9.0)  # than every cosine: it is none of these


@pytest.fixture(scope="module", name="filled")
def filled_library(tmp_path_factory: pytest.TempPathFactory, video: Path, tiny_embedder: Embedder) -> Iterator[Library]:
    media = fill(tmp_path_factory.mktemp("scored") / "media", video)
    with Library.open(tmp_path_factory.mktemp("scores"), tiny_embedder, create=True) as opened:
        opened.add([media], settings=SETTINGS)
        yield opened


def found(library: Library, embedder: Embedder, calibration: Calibration, question: str | None = None) -> list[Hit]:
    """All hits, whatever they score."""
    calibrated = Embedder(replace(embedder.bundle, calibration=calibration))
    asked = Asked(text="a red ball", question=question, top=20)
    return list(find(asked, library._store, library._engine, calibrated).hits)


def test_scores_are_probabilities_among_the_everyday_captions(filled: Library, tiny_embedder: Embedder) -> None:
    hits = filled.search("a red ball", top=20).hits
    bank = tiny_embedder.texts(background())
    wanted, pair = tiny_embedder.texts(["a red ball"])[0], tiny_embedder.calibration.picture
    for hit in hits:
        vector = torch.from_numpy(filled._engine.get(filled._store.vectors(hit.id))[0])
        cosines = torch.cat([(vector @ wanted)[None], bank @ vector, torch.tensor([pair.background])])
        expected = (pair.scale * cosines.double()).softmax(0)[0]
        assert hit.score == pytest.approx(float(expected), abs=1e-4)
        assert hit.cosine == pytest.approx(float(vector @ wanted), abs=1e-3)


@pytest.mark.parametrize(
    ("question", "pictures", "videos"),
    [
        (None, Calibration(picture=ABOVE), Calibration(clip=ABOVE)),
        ("what is it", Calibration(picture_asked=ABOVE), Calibration(clip_asked=ABOVE)),
    ],
)
def test_pictures_and_videos_have_a_pair_each(
    filled: Library, tiny_embedder: Embedder, question: str | None, pictures: Calibration, videos: Calibration
) -> None:
    for calibration, is_video in ((pictures, False), (videos, True)):
        hits = found(filled, tiny_embedder, calibration, question)
        kinds = [hit.end > hit.start for hit in hits]
        assert set(kinds) == {False, True}
        assert [hit.score < 1e-9 for hit in hits] == [kind == is_video for kind in kinds]
