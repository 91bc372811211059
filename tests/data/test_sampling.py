"""The field's rules for choosing frames, each against its own one-line definition, and on a real file."""

from pathlib import Path

import numpy as np
import pytest

from vljepa.data.media import read_clip
from vljepa.data.sampling import SAMPLINGS, Sampling, frame_numbers
from vljepa.data.video import Video

DEFINITIONS = {
    "linspace, rounded": lambda n, t: np.linspace(0, t - 1, n).round().astype(int).tolist(),
    "linspace, floor": lambda n, t: np.linspace(0, t - 1, n).astype(int).tolist(),
    "perception encoder": lambda n, t: [int(i * (t - 1) / (n - 1)) for i in range(n)],
    "hugging face": lambda n, t: (np.arange(n) * t // n).tolist(),
    "segment centres": lambda n, t: [int((i + 0.5) * t / n) for i in range(n)],
}


@pytest.mark.parametrize("rule", DEFINITIONS)
@pytest.mark.parametrize(("wanted", "total"), [(8, 300), (8, 8), (8, 3), (64, 1000), (2, 2), (16, 17), (5, 1)])
def test_every_rule_is_its_definition(rule: Sampling, wanted: int, total: int) -> None:
    assert frame_numbers(rule, wanted=wanted, total=total) == DEFINITIONS[rule](wanted, total)


def test_the_rules_differ() -> None:
    assert len({tuple(frame_numbers(rule, wanted=8, total=30)) for rule in DEFINITIONS}) == 4
    # The two that round down differ where floating point falls just short of a whole number.
    both = [[frame_numbers(rule, wanted=n, total=t) for rule in ("linspace, floor", "perception encoder")]
            for n in range(2, 40) for t in range(2, 80)]  # fmt: skip
    assert any(floor != encoder for floor, encoder in both)


@pytest.mark.parametrize("rule", ["linspace, rounded", "linspace, floor", "perception encoder", "segment centres"])
def test_one_frame_is_the_middle_one(rule: Sampling) -> None:
    assert frame_numbers(rule, wanted=1, total=9) == [4]


def test_what_cannot_be_chosen_is_said() -> None:
    with pytest.raises(ValueError, match="counts no frames"):
        frame_numbers("seconds", wanted=2, total=4)
    with pytest.raises(ValueError, match="at least 1"):
        frame_numbers("hugging face", wanted=0, total=4)


@pytest.mark.parametrize("rule", [rule for rule in SAMPLINGS if rule != "seconds"])
def test_a_file_gives_those_frames(video: Path, rule: Sampling) -> None:
    with Video(video) as opened:
        times = opened.sample_times(10_000)[:48]
    chosen = read_clip(video, num_frames=7, sampling=rule).times.tolist()
    assert chosen == pytest.approx([times[number] for number in frame_numbers(rule, wanted=7, total=48)])
    half = read_clip(video, num_frames=3, start=3.0, sampling=rule).times.tolist()
    assert half == pytest.approx([times[24 + number] for number in frame_numbers(rule, wanted=3, total=24)])
