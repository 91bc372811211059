"""The table of sources: name -> what builds it. A new source is a new file and a line here."""

from vljepa.data.corpora.camera import Camera
from vljepa.data.corpora.corpus import Corpus
from vljepa.data.corpora.fluent_clips import FluentClips
from vljepa.data.corpora.fluent_pictures import FluentPictures
from vljepa.data.corpora.gcompris import Gcompris
from vljepa.data.corpora.grocery import Grocery
from vljepa.data.corpora.openclipart import Openclipart
from vljepa.data.corpora.openstax import Openstax
from vljepa.data.corpora.scenes import Scenes
from vljepa.data.corpora.shapes import Shapes

_LIGHT = (Openstax, Grocery, Openclipart, FluentPictures, Gcompris, Shapes, Scenes, FluentClips, Camera)
# Known without building them: they need the extra `corpus`, which only those who build them must have.
SIMULATED = ("physics", "sequences", "metaworld", "people")
NAMES = (*(source.name for source in _LIGHT), *SIMULATED)


def corpora(names: tuple[str, ...] = NAMES) -> dict[str, Corpus]:
    """The named sources in the table's order. Raises ValueError for a name that is not in it."""
    for name in names:
        if name not in NAMES:
            raise ValueError(f"there is no source {name!r}; choose among {', '.join(NAMES)}")
    found: dict[str, Corpus] = {source.name: source() for source in _LIGHT if source.name in names}
    if set(names).intersection(SIMULATED):
        found |= {name: source for name, source in _simulated().items() if name in names}
    return found


def _simulated() -> dict[str, Corpus]:
    """More of the arm and of people than the laboratory has by default: a model is to know them from any side."""
    from vljepa.data.corpora.metaworld import MetaWorld
    from vljepa.data.corpora.people import People
    from vljepa.data.corpora.physics import Physics
    from vljepa.data.corpora.sequences import Sequences

    return {
        "physics": Physics(),
        "sequences": Sequences(),
        "metaworld": MetaWorld(per_task=80, sides=3),
        "people": People(total=7500),
    }
