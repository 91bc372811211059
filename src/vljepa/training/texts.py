"""Texts for the Y-Decoder: what can be said of the training corpus, plain sentences, and what the Predictor says."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from vljepa.data.collate import Example
from vljepa.features import Item
from vljepa.models.vljepa import VLJEPA
from vljepa.text import Tokenizer
from vljepa.training.examples import Examples
from vljepa.training.record import Record
from vljepa.types import Tokens


def tell_cut_texts(record: Record, texts: Collection[str], tokenizer: Tokenizer) -> None:
    """Texts that will be cut are counted and told, never cut in silence."""
    cut = sum(tokenizer.cuts(text) for text in texts)
    record.write("texts", 0, texts=len(texts), texts_cut=cut)
    if cut:
        most = tokenizer.settings.max_tokens
        record.say(f"warning: {cut} of {len(texts)} texts are longer than {most} tokens and are cut there")


@dataclass(frozen=True, kw_only=True)
class TextPool:
    """Captions of training items by corpus, sentences without pictures, and the texts of classes."""

    by_corpus: dict[str, list[str]]
    sentences: list[str]

    @classmethod
    def of(cls, items: Sequence[Item], sentences: Sequence[str]) -> "TextPool":
        """Captions, labels and answers of the training split."""
        found: dict[str, dict[str, None]] = {}
        for item in items:
            if item.split == "train":
                texts = found.setdefault(item.corpus, {})
                for text in (*item.captions, item.label, *(question.answer for question in item.questions)):
                    if text:
                        texts[text] = None
        return cls(by_corpus={name: list(texts) for name, texts in found.items()}, sentences=list(sentences))

    def all(self) -> list[str]:
        """Every text once, in a fixed order."""
        return [text for texts in self.by_corpus.values() for text in texts] + self.sentences

    def draw(self, random: np.random.Generator, count: int, *, sentences: float) -> list[str]:
        """`sentences` of `count` texts are plain sentences, the rest spread evenly over the corpora."""
        names = sorted(self.by_corpus)
        out = []
        for _ in range(count):
            if self.sentences and random.random() < sentences:
                texts = self.sentences
            else:
                texts = self.by_corpus[names[int(random.integers(len(names)))]]
            out.append(texts[int(random.integers(len(texts)))])
        return out


def set_vocabulary(model: VLJEPA, tokens: Int64[Tensor, "token"], *, keep: bool) -> None:
    """Let the Y-Decoder say these tokens and no others; `keep`: beside those that it has learned to say."""
    decoder = model.y_decoder
    tokens = tokens.to(decoder.vocabulary.device)
    decoder.vocabulary = torch.cat([decoder.vocabulary, tokens]).unique() if keep else tokens
    decoder.settings = replace(decoder.settings, vocabulary=len(decoder.vocabulary))
    model.settings = replace(model.settings, y_decoder=decoder.settings)


def sayable(pool: TextPool, tokenizer: Tokenizer) -> Int64[Tensor, "token"]:
    """The numbers of all tokens that occur in the texts, with the stop mark and every single byte, in rising order."""
    seen = {tokenizer.settings.end}
    for text in pool.all():
        seen.update(tokenizer.ids(text))
    seen.update(number for letter in map(chr, range(32, 127)) for number in tokenizer.ids(letter))
    return torch.tensor(sorted(seen))


@torch.no_grad()
def text_batch(
    model: VLJEPA, texts: Sequence[str], target_tokenizer: Tokenizer, decoder_tokenizer: Tokenizer, dtype: torch.dtype
) -> tuple[Float[Tensor, "batch dim"], Tokens]:
    """Embeddings that the Y-Encoder gives the texts, and the texts' tokens."""
    device = model.token_table.weight.device
    with torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32):
        embeddings = model.encode_text(target_tokenizer(texts).to(device))
    return embeddings, decoder_tokenizer(texts)


@torch.no_grad()
def predicted_batch(
    model: VLJEPA, rows: Sequence[Example], query_tokenizer: Tokenizer, decoder_tokenizer: Tokenizer, dtype: torch.dtype
) -> tuple[Float[Tensor, "batch dim"], Tokens]:
    """Embeddings that the Predictor gives the rows, and the tokens of what should have been said."""
    device = model.token_table.weight.device
    frames = torch.stack([row.frames for row in rows]).to(device)
    query = query_tokenizer([row.query for row in rows]).to(device)
    with torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32):
        predicted = model.predict(model.x_encoder.tokens(frames), query)
    return predicted, decoder_tokenizer([row.target for row in rows])


def draw_rows(examples: Examples, *, count: int, seed: int, step: int) -> list[Example]:
    """Rows of one shape: pictures and clips in turn, with and without a query; captions are to be said plainly."""
    group = ("pictures", "clips", "picture-questions", "clip-questions")[step % 4]
    return examples.rows(group, count=count, seed=seed, step=step, plainest=True)
