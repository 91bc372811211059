"""Y-Decoder: an embedding in, text out, only when text is wanted (paper, section 2; its build is our choice, 9.1-27).

A small causal language model that reads a few prefix tokens made linearly from the unit embedding. It may say only
the tokens of `vocabulary` (those seen in training), which makes its output layer several times smaller.
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

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


class Said(NamedTuple):
    """A text as token numbers; `likelihood`: the logarithm of its probability, its end included."""

    ids: list[int]
    likelihood: float


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
        # The weights' number type, which FSDP changes while a part computes and does not change for the table.
        dtype = self.prefix_projection.weight.dtype
        words = functional.embedding(texts.ids, table)
        tokens = torch.cat([self.prefix(embedding).to(dtype), words[:, :-1].to(dtype)], dim=1)
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
    ) -> list[list[Said]]:
        """The `beams` likeliest texts of each embedding (beam search, likeliest first).

        No text says the same three tokens in a row twice. One beam is the likeliest next token again and again. A beam
        that has ended costs nothing more, and an embedding whose beams have all ended leaves the batch.
        """
        output = table[self.vocabulary]
        cache = Cache()
        going = torch.arange(len(embedding), device=embedding.device)
        hidden = self.layers(self.prefix(embedding).to(output.dtype), cache=cache)[:, -1]
        # All beams of a text begin alike: only the first may choose, or all would choose the same.
        likelihood = torch.full((len(embedding), beams), -torch.inf, device=embedding.device)
        likelihood[:, 0] = 0.0
        alive = (likelihood == 0.0).flatten()
        said = torch.empty(len(alive), 0, dtype=torch.long, device=embedding.device)
        found: list[list[Said]] = [[] for _ in embedding]
        while len(going):
            gains, words = self._options((hidden @ output.T).float(), said, alive, most=beams)
            likelihood, best = (gains + likelihood.view(-1, 1)).view(len(going), -1).topk(beams, dim=-1)
            first = torch.arange(len(going), device=best.device)[:, None] * beams
            parent = (first + best // gains.shape[1]).flatten()
            word = words[parent, (best % gains.shape[1]).flatten()]
            said = torch.cat([said[parent], word[:, None]], dim=1)
            # The cache holds beams that are alive, in their order.
            kept = (alive.cumsum(0) - 1)[parent]
            # A beam that has ended can only say the end again.
            alive = (word != self.settings.stop) & (likelihood.flatten() > -torch.inf)
            over = ~alive.view(-1, beams).any(1) | (said.shape[1] >= max_tokens)
            for item in over.nonzero().flatten().tolist():
                beam = slice(item * beams, (item + 1) * beams)
                found[int(going[item])] = self._texts(said[beam], likelihood[item])
            on = ~over
            going, likelihood, rows = going[on], likelihood[on], on.repeat_interleave(beams)
            said, alive, word, kept = said[rows], alive[rows], word[rows], kept[rows]
            cache.select(kept[alive])
            hidden = self.layers(functional.embedding(word[alive], table)[:, None], cache=cache)[:, -1]
        return found

    def _options(
        self,
        scores: Float[Tensor, "alive vocabulary"],
        said: Int64[Tensor, "beam token"],
        alive: Bool[Tensor, "beam"],
        *,
        most: int,
    ) -> tuple[Float[Tensor, "beam option"], Int64[Tensor, "beam option"]]:
        """The likeliest next tokens of each beam, and what each adds to its likelihood.

        A text that has ended goes on in one way only, at no cost.
        """
        scores = _without_repeats(scores, said[alive], self.vocabulary)
        best, place = scores.topk(min(most, len(self.vocabulary)), dim=-1)
        gains = torch.full((len(alive), best.shape[1]), -torch.inf, device=scores.device)
        gains[:, 0] = 0.0
        gains[alive] = best - scores.logsumexp(-1, keepdim=True)
        words = torch.full_like(gains, self.settings.stop, dtype=torch.long)
        words[alive] = self.vocabulary[place]
        return gains, words

    def _texts(self, said: Int64[Tensor, "beam token"], likelihood: Float[Tensor, "beam"]) -> list[Said]:
        """Beams up to their ends; a vocabulary of fewer words than beams leaves some beams without a text."""
        stop, rows = self.settings.stop, zip(said.tolist(), likelihood.tolist(), strict=True)
        return [Said(row[: row.index(stop)] if stop in row else row, value) for row, value in rows if value > -math.inf]


class NoYDecoderError(ValueError, AttributeError):
    """Something was asked of the Y-Decoder of a model that has none."""


class NoYDecoder(YDecoder):
    """Stands where a Y-Decoder would be: random weights would speak, and what they say would look like an answer."""

    def __init__(self) -> None:
        nn.Module.__init__(self)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            return super().__getattr__(name)
        raise NoYDecoderError(
            "this model has no Y-Decoder, since none was trained: it ranks texts and finds clips, and says nothing"
        )


def _without_repeats(
    scores: Float[Tensor, "beam vocabulary"], said: Int64[Tensor, "beam token"], vocabulary: Int64[Tensor, "vocabulary"]
) -> Float[Tensor, "beam vocabulary"]:
    """Forbid the token that would complete a run of three that the text already holds."""
    again = (said[:, :-2] == said[:, -2:-1]) & (said[:, 1:-1] == said[:, -1:])
    for text, place in again.nonzero().tolist():
        scores[text, vocabulary == said[text, place + 2]] = -torch.inf
    return scores
