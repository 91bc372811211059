"""The token VLM, which VL-JEPA is compared with (paper, section 4.5): it says the answer word by word.

Visual tokens of the same frozen X-Encoder, then the query, then the answer, through a causal language model with its
published token table, frozen as VL-JEPA's is. There is no shared space: a label is as good as its perplexity is low.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from vljepa.models.llama import Cache, Llama, LlamaSettings
from vljepa.models.x_encoders import XEncoderSettings, x_encoder
from vljepa.types import Tokens

TEXTS_AT_ONCE = 64


@dataclass(frozen=True, kw_only=True)
class TokenVLMSettings:
    """`llama`: the language model; `vocab`: size of its token table; `stop`: the token that ends a text."""

    x_encoder: XEncoderSettings
    llama: LlamaSettings
    vocab: int
    stop: int


class Generator(nn.Module):
    """What learns: a linear projection of visual tokens, as the Predictor has, and causal layers."""

    def __init__(self, settings: TokenVLMSettings) -> None:
        super().__init__()
        self.visual_projection = nn.Linear(settings.x_encoder.token_width, settings.llama.hidden)
        self.layers = Llama(settings.llama, causal=True)

    def forward(
        self,
        visual: Float[Tensor, "batch token width"] | None,
        words: Float[Tensor, "batch word hidden"],
        *,
        cache: Cache | None = None,
    ) -> Float[Tensor, "batch state hidden"]:
        """States of visual tokens and words; `visual` is None where the cache holds it."""
        if visual is not None:
            dtype = self.visual_projection.weight.dtype
            words = torch.cat([self.visual_projection(visual.to(dtype)), words.to(dtype)], dim=1)
        return self.layers(words, cache=cache)


class TokenVLM(nn.Module):
    """X-Encoder, generator, and the token table, which serves for reading and for saying."""

    def __init__(self, settings: TokenVLMSettings) -> None:
        super().__init__()
        self.settings = settings
        self.x_encoder = x_encoder(settings.x_encoder)
        self.generator = Generator(settings)
        self.token_table = nn.Embedding(settings.vocab, settings.llama.hidden)
        self.token_table.requires_grad_(False)

    def forward(
        self, visual: Float[Tensor, "batch token width"], query: Tokens, texts: Tokens
    ) -> Float[Tensor, "real vocab"]:
        """Scores of each text's real tokens, text after text: each has seen the clip, the query, the tokens before."""
        ids, said = followed(query, texts)
        states = self.generator(visual, self.token_table(ids))
        said_after = states[:, visual.shape[1] - 1 : -1][said]
        return said_after @ self._words(said_after)

    @torch.no_grad()
    def perplexities(
        self, visual: Float[Tensor, "batch token width"], query: Tokens, candidates: Tokens
    ) -> Float[Tensor, "batch candidate"]:
        """Perplexity of each candidate as each clip's answer, its end included: the lowest is what the model chooses.

        A clip and its query are read once for all candidates.
        """
        out = torch.empty(len(visual), len(candidates.ids), device=visual.device)
        for rows, ids in _of_one_length(query):
            cache, last = self._read(visual[rows], ids)
            words = self._words(last)
            for place, row in enumerate(rows.tolist()):
                for some in torch.arange(len(candidates.ids), device=rows.device).split(TEXTS_AT_ONCE):
                    own = Cache(kept=dict(cache.kept))
                    own.select(torch.full_like(some, place))
                    texts = Tokens(ids=candidates.ids[some], mask=candidates.mask[some])
                    out[row, some] = self._perplexities(own, last[place], texts, words)
        return out

    @torch.no_grad()
    def generate(
        self, visual: Float[Tensor, "batch token width"], query: Tokens, *, max_tokens: int = 40
    ) -> list[list[int]]:
        """Token numbers of each answer, the likeliest next token again and again, without the one that ends it."""
        out: list[list[int]] = [[] for _ in visual]
        for rows, ids in _of_one_length(query):
            for row, text in zip(rows.tolist(), self._said(visual[rows], ids, max_tokens), strict=True):
                out[row] = text
        return out

    def _read(
        self, visual: Float[Tensor, "batch token width"], ids: Int64[Tensor, "batch word"]
    ) -> tuple[Cache, Float[Tensor, "batch hidden"]]:
        """What is kept of clips and queries, and the state behind the last word."""
        cache = Cache()
        return cache, self.generator(visual, self.token_table(ids), cache=cache)[:, -1]

    def _words(self, states: Float[Tensor, "*row hidden"]) -> Float[Tensor, "hidden vocab"]:
        """What states are multiplied with to score every next token; taken once where many are scored, since another
        number type is another copy of the whole table."""
        return self.token_table.weight.to(states.dtype).T

    def _perplexities(
        self, cache: Cache, last: Float[Tensor, "hidden"], texts: Tokens, words: Float[Tensor, "hidden vocab"]
    ) -> Float[Tensor, "candidate"]:
        """Of texts behind what the cache has read as often; padding is behind each text, where no token sees it.

        The first token of all is scored once, and padding not at all: scores cost more than the layers do.
        """
        likelihood = torch.zeros(texts.ids.shape, device=texts.ids.device)
        likelihood[:, 0] = (last @ words).float().log_softmax(-1)[texts.ids[:, 0]]
        if texts.ids.shape[1] > 1:
            further = self.generator(None, self.token_table(texts.ids[:, :-1]), cache=cache)
            said = texts.mask[:, 1:]
            scores = (further[said] @ words).float().log_softmax(-1)
            likelihood[:, 1:][said] = scores.gather(-1, texts.ids[:, 1:][said][:, None])[:, 0]
        return (-likelihood.sum(1) / texts.mask.sum(1)).exp()

    def _said(
        self, visual: Float[Tensor, "batch token width"], ids: Int64[Tensor, "batch word"], max_tokens: int
    ) -> list[list[int]]:
        cache, state = self._read(visual, ids)
        words = self._words(state)
        said: Int64[Tensor, "batch said"] = ids[:, :0]
        while said.shape[1] < max_tokens and not bool((said == self.settings.stop).any(1).all()):
            word = (state @ words).argmax(-1, keepdim=True)
            said = torch.cat([said, word], dim=1)
            state = self.generator(None, self.token_table(word), cache=cache)[:, -1]
        rows = [[*row, self.settings.stop] for row in said.tolist()]
        return [row[: row.index(self.settings.stop)] for row in rows]


def followed(query: Tokens, texts: Tokens) -> tuple[Int64[Tensor, "batch both"], Bool[Tensor, "batch both"]]:
    """Each query with its text right behind it, padding behind both, and which of the tokens are the text's."""
    ids = torch.cat([query.ids, texts.ids], dim=1)
    real = torch.cat([query.mask, texts.mask], dim=1)
    said = torch.cat([torch.zeros_like(query.mask), texts.mask], dim=1)
    order = real.int().argsort(dim=1, descending=True, stable=True)[:, : int(real.sum(1).max())]
    return ids.gather(1, order), said.gather(1, order)


def _of_one_length(query: Tokens) -> Iterator[tuple[Int64[Tensor, "row"], Int64[Tensor, "row word"]]]:
    """Rows whose queries have equally many tokens, with those: what is said next has to stand right behind them."""
    lengths = query.mask.sum(1)
    for length in lengths.unique().tolist():
        rows = (lengths == length).nonzero().flatten()
        yield rows, query.ids[rows, :length]
