"""Y-Decoder: an embedding in, text out, only when text is wanted (paper, section 2; its build is our choice, 9.1-27).

A small causal language model that reads a few prefix tokens made linearly from the unit embedding. It may say only
the tokens of `vocabulary` (those seen in training), which makes its output layer several times smaller.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
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
        """The likeliest next token again and again, never the same three in a row twice; token numbers of each text."""
        output = table[self.vocabulary]
        cache = Cache()
        step = self.prefix(embedding).to(output.dtype)
        said: list[Int64[Tensor, "batch"]] = []
        ended: Bool[Tensor, "batch"] = torch.zeros(len(embedding), dtype=torch.bool, device=embedding.device)
        while len(said) < max_tokens and not bool(ended.all()):
            hidden = self.layers(step, cache=cache)
            scores = (hidden[:, -1] @ output.T).float()
            chosen = self.vocabulary[_without_repeats(scores, said, self.vocabulary).argmax(-1)]
            chosen = torch.where(ended, self.settings.stop, chosen)
            ended = ended | (chosen == self.settings.stop)
            said.append(chosen)
            step = functional.embedding(chosen, table)[:, None]
        rows = torch.stack(said, dim=1).tolist() if said else [[] for _ in embedding]
        return [row[: row.index(self.settings.stop)] if self.settings.stop in row else row for row in rows]


def _without_repeats(
    scores: Float[Tensor, "batch vocabulary"], said: list[Tensor], vocabulary: Int64[Tensor, "vocabulary"]
) -> Float[Tensor, "batch vocabulary"]:
    """Forbid the token that would complete a run of three that the text already holds."""
    if len(said) < 3:
        return scores
    rows = torch.stack(said, dim=1)
    for number, row in enumerate(rows.tolist()):
        pair = tuple(row[-2:])
        for place in range(len(row) - 2):
            if tuple(row[place : place + 2]) == pair:
                scores[number, vocabulary == row[place + 2]] = -torch.inf
    return scores
