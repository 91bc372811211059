"""Triplets of sentences, two that mean the same and one that does not: SugarCrepe++, VISLA. No picture is needed."""

from pathlib import Path

from vljepa.evaluation.sets.files import read_records, read_table
from vljepa.evaluation.sets.item import Count, Data, Item
from vljepa.evaluation.sets.protocol import TripletProtocol

SUGARCREPE_PARTS = {"replace_att": 788, "replace_obj": 1_652, "replace_rel": 1_406, "swap_att": 666, "swap_obj": 245}
VISLA_COLUMNS = {
    "generic": ("Generic_VISLA.tsv", ("caption", "second positive", "negative_caption"), 972),
    # The column that is called the best reference holds the sentence that does not fit.
    "spatial": ("Spatial_VISLA.tsv", ("sent1", "sent2", "Best reference (Semantically close)"), 651),
}


def _triplet(name: str, sentences: tuple[str, str, str], *, group: str) -> Item:
    first, second, wrong = sentences
    return Item(id=f"{group}:{name}", text=first, candidates=(second, wrong), label=second, group=group)


def read_sugarcrepe(root: Path, settings: TripletProtocol) -> Data:
    """Five lists of id, filename, caption, caption2, negative_caption."""
    items = []
    for part in SUGARCREPE_PARTS:
        for row in read_records(root / f"{part}.json"):
            first, second, wrong = (row.text(name) for name in ("caption", "caption2", "negative_caption"))
            items.append(_triplet(row.text("id"), (first, second, wrong), group=part))
    expected = {f"items of {part}": Count(number=number) for part, number in SUGARCREPE_PARTS.items()}
    return Data(items=tuple(items), expected=expected)


def read_visla(root: Path, settings: TripletProtocol) -> Data:
    """Two tab-separated files, which name their columns differently."""
    items, expected = [], {}
    for part, (file, columns, number) in VISLA_COLUMNS.items():
        for place, row in enumerate(read_table(root / file, columns=columns, tab=True)):
            first, second, wrong = (row.text(column) for column in columns)
            items.append(_triplet(str(place), (first, second, wrong), group=part))
        expected[f"items of {part}"] = Count(number=number)
    return Data(items=tuple(items), expected=expected)
