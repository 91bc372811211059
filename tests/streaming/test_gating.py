"""The gate asks again where what is seen has moved, after a while, or after a failure, and nowhere else."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import vljepa.streaming
from vljepa.data.errors import MediaError
from vljepa.embedder import Embedder
from vljepa.streaming.gating import Gate, GateSettings, embedding_of, gate
from vljepa.types import Clip


@pytest.fixture
def pictures(tmp_path: Path) -> tuple[Path, Path]:
    """Two pictures that have little in common."""
    paths = tmp_path / "noise.png", tmp_path / "blue.png"
    noise = torch.randint(0, 255, (40, 40, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    Image.fromarray(noise.numpy()).save(paths[0])
    Image.new("RGB", (40, 40), (0, 0, 200)).save(paths[1])
    return paths


@pytest.fixture
def apart(tiny_embedder: Embedder, pictures: tuple[Path, Path]) -> float:
    """A threshold that the two pictures exceed."""
    one, other = (embedding_of([picture], tiny_embedder, query="") for picture in pictures)
    distance = float(1 - one @ other)
    assert distance > 1e-4
    return distance / 2


def test_the_model_is_asked_only_about_what_is_new(
    tiny_embedder: Embedder, pictures: tuple[Path, Path], apart: float
) -> None:
    asked: list[object] = []
    gated = gate(lambda seen: asked.append(seen) or len(asked), embedder=tiny_embedder, threshold=apart)
    noise, blue = pictures
    answers = [gated(seen) for seen in (noise, noise, str(noise), blue, blue.read_bytes(), noise)]
    assert answers == [1, 1, 1, 2, 2, 3]
    assert asked == [noise, blue, noise]
    assert (gated.calls, gated.saved) == (6, 3)


def test_frames_and_clips_go_in_as_they_are(tiny_embedder: Embedder, apart: float) -> None:
    frame = torch.zeros(32, 32, 3, dtype=torch.uint8)
    asked: list[object] = []
    gated = gate(asked.append, embedder=tiny_embedder, threshold=apart)
    gated(frame)
    gated(Clip(frames=frame.expand(9, 32, 32, 3), times=torch.arange(9.0)))
    assert asked[0] is frame
    assert gated.calls == 2


def test_several_frames_are_one_clip_and_a_single_one_is_a_picture(tiny_embedder: Embedder) -> None:
    frames = torch.randint(0, 256, (2, 40, 64, 3), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    clip = Clip(frames=frames, times=torch.arange(2.0))
    picture = Clip(frames=frames[:1], times=torch.zeros(1))
    for seen, same in ((list(frames), clip), ([frames[0]], picture)):
        found = embedding_of(seen, tiny_embedder, query="")
        torch.testing.assert_close(found, tiny_embedder.predict_clips([same])[0], atol=1e-5, rtol=0)


def test_slow_change_adds_up_since_the_last_question(tiny_embedder: Embedder, pictures: tuple[Path, Path]) -> None:
    """Each step is below the threshold; what counts is the distance to what was asked about."""
    one, other = (torch.from_numpy(np.array(Image.open(path).convert("RGB"))) for path in pictures)
    steps = [((1 - share) * one.float() + share * other.float()).to(torch.uint8) for share in torch.linspace(0, 1, 12)]
    rows = [embedding_of([frame], tiny_embedder, query="") for frame in steps]
    largest = max(float(1 - before @ after) for before, after in pairwise(rows))
    whole = max(float(1 - rows[0] @ row) for row in rows)
    assert largest < whole
    asked: list[object] = []
    gated = gate(asked.append, embedder=tiny_embedder, threshold=(largest + whole) / 2)
    for frame in steps:
        gated(frame)
    assert len(asked) >= 2


def test_it_is_asked_again_after_a_while(tiny_embedder: Embedder, pictures: tuple[Path, Path]) -> None:
    now = [0.0]
    asked: list[object] = []
    settings = GateSettings(threshold=2.0, at_least_every=60.0)
    gated = Gate(asked.append, embedder=tiny_embedder, settings=settings, clock=lambda: now[0])
    for second in (0.0, 59.0, 60.0, 119.0, 121.0):
        now[0] = second
        gated(pictures[0])
    assert len(asked) == 3


def test_a_call_that_fails_is_made_again(tiny_embedder: Embedder, pictures: tuple[Path, Path]) -> None:
    answers = iter([RuntimeError("no connection"), "a wall"])

    def ask(seen: object) -> str:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    gated = gate(ask, embedder=tiny_embedder)
    with pytest.raises(RuntimeError, match="no connection"):
        gated(pictures[0])
    assert gated(pictures[0]) == "a wall"
    assert gated.saved == 0


def test_what_cannot_be_looked_at_is_not_asked_about(tiny_embedder: Embedder, tmp_path: Path) -> None:
    gated = gate(lambda seen: pytest.fail("asked"), embedder=tiny_embedder)
    with pytest.raises(MediaError, match="no such file"):
        gated(tmp_path / "nowhere.jpg")


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [({"threshold": 2.5}, "the threshold is 2.5"), ({"at_least_every": 0.0}, "at_least_every is 0 s")],
)
def test_settings_that_cannot_be(settings: dict[str, float], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        GateSettings(**settings)  # type: ignore[arg-type]


def test_the_package_offers_the_gate() -> None:
    assert vljepa.streaming.gate is gate
    with pytest.raises(AttributeError, match="there are Gate, gate"):
        vljepa.streaming.nothing  # noqa: B018
