"""Strings to tokens and back."""

import torch
from tests.conftest import tiny_tokenizer

from vljepa.text import Tokenizer, TokenizerSettings

TOKENIZER = Tokenizer(tiny_tokenizer(), TokenizerSettings(pad=3, start=1, end=2, max_tokens=8))


def test_texts_come_back_without_marks() -> None:
    assert TOKENIZER.text(TOKENIZER.ids("a red ball")) == "a red ball"


def test_batches_are_padded_on_the_right() -> None:
    tokens = TOKENIZER(["a", "a red ball"])
    assert tokens.mask.sum(1).tolist() == [len(TOKENIZER.ids("a")), len(TOKENIZER.ids("a red ball"))]
    assert (tokens.ids[~tokens.mask] == 3).all()
    assert (tokens.mask.int().diff(dim=1) <= 0).all()


def test_long_texts_are_cut_with_their_marks_kept() -> None:
    ids = TOKENIZER.ids("ball " * 50)
    assert len(ids) == 8
    assert (ids[0], ids[-1]) == (1, 2)
    assert len(TOKENIZER.cut_at(5).ids("ball " * 50)) == 5


def test_a_rows_tokens_do_not_depend_on_its_neighbours() -> None:
    alone = TOKENIZER(["a red ball"]).ids[0]
    together = TOKENIZER(["a red ball", "what colour is the cat right"]).ids[0]
    torch.testing.assert_close(together[: len(alone)], alone)
