"""Y-Decoder: an embedding in, text out, only when text is wanted (paper, section 2; its build is our choice, 9.1-27).

A small causal language model that reads a few prefix tokens made linearly from the unit embedding. It may say only
the tokens of `vocabulary` (those seen in training), which makes its output layer several times smaller.
"""

import math
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
        # On a device of its own: for tensors without memory PyTorch would load a library of symbols to count.
        self.register_buffer("vocabulary", torch.arange(settings.vocabulary, device="cpu"))

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
        beams: int = 1,
    ) -> list[list[list[int]]]:
        """The `beams` likeliest texts of each embedding (beam search, likeliest first), as token numbers.

        No text says the same three tokens in a row twice. One beam is the likeliest next token again and again. An
        embedding whose beams have all ended leaves the batch, so that a long text does not make short ones cost more.
        """
        output = table[self.vocabulary]
        cache = Cache()
        going = torch.arange(len(embedding), device=embedding.device)
        hidden = self.layers(self.prefix(embedding).to(output.dtype), cache=cache)[:, -1]
        cache.select(going.repeat_interleave(beams))
        hidden = hidden.repeat_interleave(beams, 0)
        # All beams of a text begin alike: only the first may choose, or all would choose the same.
        likelihood = torch.full((len(embedding), beams), -torch.inf, device=embedding.device)
        likelihood[:, 0] = 0.0
        said = torch.empty(len(hidden), 0, dtype=torch.long, device=embedding.device)
        ended: Bool[Tensor, "beam"] = torch.zeros(len(hidden), dtype=torch.bool, device=embedding.device)
        found: list[list[list[int]]] = [[] for _ in embedding]
        while len(going):
            scores = _without_repeats((hidden @ output.T).float(), said, self.vocabulary).log_softmax(-1)
            scores = _after_end(scores, ended) + likelihood.view(-1, 1)
            likelihood, best = scores.view(len(going), -1).topk(beams, dim=-1)
            first = torch.arange(len(going), device=best.device)[:, None] * beams
            parent = (first + best // len(output)).flatten()
            word = self.vocabulary[(best % len(output)).flatten()]
            word = torch.where(ended[parent], self.settings.stop, word)
            said = torch.cat([said[parent], word[:, None]], dim=1)
            ended = ended[parent] | (word == self.settings.stop)
            over = ended.view(-1, beams).all(1) | (said.shape[1] >= max_tokens)
            for item in over.nonzero().flatten().tolist():
                beam = slice(item * beams, (item + 1) * beams)
                found[int(going[item])] = self._texts(said[beam], likelihood[item])
            on = ~over
            going, likelihood, rows = going[on], likelihood[on], on.repeat_interleave(beams)
            said, ended, word = said[rows], ended[rows], word[rows]
            cache.select(parent[rows])
            hidden = self.layers(functional.embedding(word, table)[:, None], cache=cache)[:, -1]
        return found

    def _texts(self, said: Int64[Tensor, "beam token"], likelihood: Float[Tensor, "beam"]) -> list[list[int]]:
        """Beams up to their ends; a vocabulary of fewer words than beams leaves some beams without a text."""
        rows = [row for row, value in zip(said.tolist(), likelihood.tolist(), strict=True) if value > -math.inf]
        return [row[: row.index(self.settings.stop)] if self.settings.stop in row else row for row in rows]


def _after_end(
    scores: Float[Tensor, "beam vocabulary"], ended: Bool[Tensor, "beam"]
) -> Float[Tensor, "beam vocabulary"]:
    """A text that has ended goes on in one way only, at no cost; which token stands for that does not matter."""
    nothing = torch.full_like(scores[0], -torch.inf)
    nothing[0] = 0.0
    return torch.where(ended[:, None], nothing, scores)


def _without_repeats(
    scores: Float[Tensor, "beam vocabulary"], said: Int64[Tensor, "beam token"], vocabulary: Int64[Tensor, "vocabulary"]
) -> Float[Tensor, "beam vocabulary"]:
    """Forbid the token that would complete a run of three that the text already holds."""
    for number, row in enumerate(said.tolist()):
        pair = row[-2:]
        for place in range(len(row) - 2):
            if row[place : place + 2] == pair:
                scores[number, vocabulary == row[place + 2]] = -torch.inf
    return scores
