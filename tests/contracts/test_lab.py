"""The laboratory of seed 0: the words and splits of its first scenes never change unnoticed."""

from collections.abc import Iterator

import pytest

pytest.importorskip("mujoco")
pytest.importorskip("metaworld")
pytest.importorskip("pybullet_data")

from vljepa.data.corpora.lab import SCALES, contents_hash, lab_sources
from vljepa.data.corpora.metaworld import MetaWorld
from vljepa.data.corpora.metaworld_stage import Workbench
from vljepa.data.corpora.metaworld_tasks import TASKS
from vljepa.data.corpora.people import People
from vljepa.data.corpora.physics import Physics
from vljepa.data.corpora.sequences import Sequences
from vljepa.types import Sample

FROZEN = "3c687112616b99887cfb5fe795a5fba18d847cfe66db82b8e64702d504780598"


def first_samples() -> Iterator[Sample]:
    """Fourteen physics scenes, ten sequences, twelve of people, an attempt at each of six tasks; none is rendered."""
    physics, people, arm, sequences = Physics(total=14), People(total=12), MetaWorld(per_task=1), Sequences(total=10)
    yield from (physics.described(number, physics.scene(number), media=b"") for number in range(14))
    yield from (people.described(number, people.scene(number), media=b"") for number in range(12))
    for number, task in enumerate(list(TASKS.values())[:48:8]):
        scene = arm.scene(8 * number, Workbench(task))
        assert scene is not None
        yield arm.described(8 * number, scene, media=b"")
    yield from (sequences.described(number, sequences.scene(number)[0], media=b"") for number in range(10))


def test_the_contents_of_seed_0_are_those_of_before() -> None:
    assert contents_hash(first_samples()) == FROZEN


def test_a_scale_changes_how_much_there_is_and_not_what() -> None:
    small, large = (lab_sources(SCALES[scale], seed=0) for scale in ("small", "large"))
    assert {name: source.parts() for name, source in small.items()} == {
        "metaworld": 12,
        "people": 2,
        "physics": 1,
        "sequences": 1,
    }
    for name in ("people", "physics", "sequences"):
        assert small[name].split(7) == large[name].split(7)  # type: ignore[attr-defined]
