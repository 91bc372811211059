"""Y-Decoder: an embedding in, text out, only when text is wanted (paper, section 2; its build is our choice, 9.1-27).

A small causal language model that reads a few prefix tokens made linearly from the unit embedding. It may say only
the tokens of `vocabulary` (those seen in training), which makes its output layer several times smaller.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from vljepa.models.llama import Cache, Llama, LlamaSettings
from vljepa.types import Tokens


@dataclass(frozen=True, kw_only=True)
class YDecoderSettings:
    """`prefix`: how many tokens the embedding becomes; `vocabulary`: how many can be said; `stop` ends a text."""

    llama: LlamaSettings
    shared: int
    prefix: int
    vocabulary: int
    stop: int


class YDecoder(nn.Module):
    """Prefix projection, causal layers, output over the tokens that training has seen.

    `vocabulary` holds those tokens' numbers in the token table, which belongs to the whole model and is passed in.
    """

    vocabulary: Tensor

    def __init__(self, settings: YDecoderSettings) -> None:
        super().__init__()
        self.settings = settings
        self.prefix_projection = nn.Linear(settings.shared, settings.prefix * settings.llama.hidden)
        self.layers = Llama(settings.llama, causal=True)
        self.register_buffer("vocabulary", torch.arange(settings.vocabulary))

    def prefix(self, embedding: Float[Tensor, "batch shared"]) -> Float[Tensor, "batch prefix hidden"]:
        """The tokens that stand for the embedding, which is brought to unit length first."""
        unit = functional.normalize(embedding.float(), dim=-1).to(self.prefix_projection.weight.dtype)
        return self.prefix_projection(unit).unflatten(-1, (self.settings.prefix, self.settings.llama.hidden))

    def forward(
        self, embedding: Float[Tensor, "batch shared"], texts: Tokens, table: Float[Tensor, "vocab hidden"]
    ) -> Float[Tensor, "real vocabulary"]:
        """Scores of each text's real tokens, text after text: each has seen the embedding and the tokens before it.

        Padding is left out before the output layer, which costs more than all other layers together.
        """
        words = functional.embedding(texts.ids, table)
        tokens = torch.cat([self.prefix(embedding).to(words.dtype), words[:, :-1]], dim=1)
        hidden = self.layers(tokens)
        return hidden[:, self.settings.prefix - 1 :][texts.mask] @ table[self.vocabulary].T

    @torch.no_grad()
    def generate(
        self,
        embedding: Float[Tensor, "batch shared"],
        table: Float[Tensor, "vocab hidden"],
        *,
        max_tokens: int = 40,
    ) -> list[list[int]]:
        """The likeliest next token again and again, never the same three in a row twice; token numbers of each text.

        A text that has ended leaves the batch, so that a long one does not make the short ones cost as much as itself.
        """
        output = table[self.vocabulary]
        cache = Cache()
        step = self.prefix(embedding).to(output.dtype)
        said = torch.empty(len(embedding), 0, dtype=torch.long, device=embedding.device)
        going = list(range(len(embedding)))
        texts: list[list[int]] = [[] for _ in going]
        while going and said.shape[1] < max_tokens:
            hidden = self.layers(step, cache=cache)
            scores = (hidden[:, -1] @ output.T).float()
            chosen = self.vocabulary[_without_repeats(scores, said, self.vocabulary).argmax(-1)]
            goes_on = chosen != self.settings.stop
            said = torch.cat([said, chosen[:, None]], dim=1)[goes_on]
            if not bool(goes_on.all()):
                cache.keep(goes_on)
                going = [row for row, still in zip(going, goes_on.tolist(), strict=True) if still]
            for row, tokens in zip(going, said.tolist(), strict=True):
                texts[row] = tokens
            step = functional.embedding(said[:, -1:], table)
        return texts


def _without_repeats(
    scores: Float[Tensor, "batch vocabulary"],
    said: Int64[Tensor, "batch token"],
    vocabulary: Int64[Tensor, "vocabulary"],
) -> Float[Tensor, "batch vocabulary"]:
    """Forbid the token that would complete a run of three that the text already holds."""
    for number, row in enumerate(said.tolist()):
        pair = tuple(row[-2:])
        for place in range(len(row) - 2):
            if tuple(row[place : place + 2]) == pair:
                scores[number, vocabulary == row[place + 2]] = -torch.inf
    return scores
