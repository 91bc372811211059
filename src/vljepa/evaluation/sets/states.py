"""What happened between two states: a documented JSONL of ours, in the form of the paper's world-modelling test.

A line holds `id`, `initial` and `final` (pictures),
`candidates` (four clips, of other recordings) and `answer` (the place of the right one, from 0). WorldPrediction itself
has no public annotation file, so no score of this reader is WorldPrediction's.
"""

from pathlib import Path

from vljepa.evaluation.sets.files import read_records
from vljepa.evaluation.sets.item import Data, Item, SetError
from vljepa.evaluation.sets.protocol import WorldProtocol

STATES = "state_pairs.jsonl"


def read_states(root: Path, settings: WorldProtocol) -> Data:
    """Items whose media are the two states, and whose candidates are clips."""
    items = []
    for row in read_records(root / STATES):
        clips, answer = tuple(row.texts("candidates")), row.whole("answer")
        if len(clips) < 2 or len(set(clips)) != len(clips) or not answer < len(clips):
            raise SetError(
                f"{row.where}: {len(clips)} candidates and the answer {answer}: give two or more different clips and "
                "the place of the right one, from 0"
            )
        items.append(
            Item(
                id=row.text("id"),
                media=(row.text("initial"), row.text("final")),
                candidates=clips,
                label=clips[answer],
            )
        )
    return Data(items=tuple(items))
