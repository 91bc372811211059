"""Examples to a batch: equal texts share a column, negatives stay behind, the faithful way keeps every row's own."""

import torch
from tests.conftest import tiny_bundle

from vljepa.data.collate import Example, collate, text_key

BUNDLE = tiny_bundle()


def example(target: str, *negatives: str, query: str = "") -> Example:
    return Example(frames=torch.zeros(1, 4), query=query, target=target, negatives=negatives)


def batch(*examples: Example, merge: bool = True):  # type: ignore[no-untyped-def]
    tokenizers = {"query_tokenizer": BUNDLE.query_tokenizer, "target_tokenizer": BUNDLE.target_tokenizer}
    return collate(list(examples), merge=merge, **tokenizers)


def test_equal_targets_share_a_column_and_no_target_is_its_own_negative() -> None:
    made = batch(example("red", "blue"), example("blue", "red", "green"), example("red"))
    assert made.labels.tolist() == [0, 1, 0]
    assert len(made.targets.ids) == 3  # red, blue, green


def test_the_faithful_way_keeps_a_column_for_every_row() -> None:
    made = batch(example("red", "blue"), example("red"), merge=False)
    assert made.labels.tolist() == [0, 1]
    assert len(made.targets.ids) == 3


def test_ranks_know_equal_texts_by_their_keys() -> None:
    here, there = batch(example("red", "blue"), example("green")), batch(example("blue"), example("red", "a ball"))
    red, green, blue = here.keys.tolist()
    assert there.keys.tolist()[:2] == [blue, red]
    assert len({red, green, blue, *there.keys.tolist()}) == 4
    assert here.to(torch.device("cpu")).keys.tolist() == [red, green, blue]
    assert batch(example("red"), merge=False).keys is None


def test_a_key_is_the_same_number_in_every_process() -> None:
    assert text_key("a red ball") == -6139722701566060474


def test_an_empty_query_is_the_start_mark_alone() -> None:
    made = batch(example("red"), example("blue", query="what colour"))
    assert made.query.mask.sum(1)[0] == 1
    assert made.query_free.tolist() == [1.0, 0.0]
    assert made.query.ids[0, 0] == BUNDLE.query_tokenizer.settings.start
