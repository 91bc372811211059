"""EgoExo4D's atomic action descriptions as items, so that a copy can be checked; `evaluate selective` scores them."""

from pathlib import Path

from vljepa.evaluation.sets.ego_exo import read_takes
from vljepa.evaluation.sets.item import Count, Data, Item
from vljepa.evaluation.sets.protocol import Protocol


def read_atomic(root: Path, settings: Protocol) -> Data:
    """A description an item, at its second of the take's video; takes without video are left out and counted."""
    takes, missing = read_takes(root)
    items = [
        Item(
            id=f"{take.name}:{number}",
            media=(take.video.relative_to(root).as_posix(),),
            start=description.time,
            text=description.text,
        )
        for take in takes
        for number, description in enumerate(take.descriptions)
    ]
    return Data(
        items=tuple(items),
        expected={"media": Count(number=218, sure=False)},
        left_out={"takes without video": missing} if missing else {},
    )
