"""EPIC-KITCHENS-100 anticipation: what will be done, from what is seen before it."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from vljepa.evaluation.sets.actions import Epic, action_of, epic_data, epic_video, read_epic_rows
from vljepa.evaluation.sets.item import Data, Item


@dataclass(frozen=True, kw_only=True)
class EpicAnticipation(Epic):
    """`gap`: seconds between what is seen and the action; `seen`: seconds that are seen.

    `window`: "before start" ends the context `gap` seconds before the action's start (EPIC's own rule). "before end"
    ends it so long before the action's end, as V-JEPA 2's public code does; most actions are then partly visible.
    """

    query: str = "What will the person do next?"
    gap: float = 1.0
    seen: float = 4.0
    window: Literal["before start", "before end"] = "before start"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.gap < 0 or not self.seen > 0:
            raise ValueError(
                f"gap {self.gap} s, seen {self.seen} s: give a gap of 0 or more and see more than 0 seconds"
            )


def read_epic_anticipation(root: Path, settings: EpicAnticipation) -> Data:
    """The validation actions; left out are those before which nothing could be seen."""
    items, rows, too_early = [], [], 0
    for row in read_epic_rows(root / "EPIC_100_validation.csv"):
        mark = "start_timestamp" if settings.window == "before start" else "stop_timestamp"
        end = row.seconds(mark) - settings.gap
        if end <= 0:
            too_early += 1
            continue
        items.append(
            Item(
                id=row.text("narration_id"),
                media=(epic_video(row),),
                start=max(0.0, end - settings.seen),
                end=end,
                label=action_of(row),
            )
        )
        rows.append(row)
    data = epic_data(root, settings, items=items, rows=rows)
    return replace(data, left_out={"begins too early to see anything before it": too_early} if too_early else {})
