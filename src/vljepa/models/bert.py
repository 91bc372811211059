"""A BERT-type text encoder: token numbers in, token states out (Devlin et al. 2019).

Two of its fifty options are used and a model library takes seconds to import, so it is written out. Tests hold it
against transformers' own; the published names of its weights are in `weights.convert`.
"""

from dataclasses import dataclass

from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True, kw_only=True)
class BertSettings:
    """Shape of the encoder."""

    vocab: int
    hidden: int
    intermediate: int
    layers: int
    heads: int
    max_positions: int = 512
    types: int = 2
    norm_epsilon: float = 1e-12


class Embeddings(nn.Module):
    """Word, place and kind of sentence, added and normalised; a text is one sentence, of kind 0."""

    def __init__(self, settings: BertSettings) -> None:
        super().__init__()
        self.words = nn.Embedding(settings.vocab, settings.hidden)
        self.places = nn.Embedding(settings.max_positions, settings.hidden)
        self.kinds = nn.Embedding(settings.types, settings.hidden)
        self.norm = nn.LayerNorm(settings.hidden, eps=settings.norm_epsilon)

    def forward(self, ids: Int64[Tensor, "batch token"]) -> Float[Tensor, "batch token hidden"]:
        """Where the layers begin."""
        places = self.places.weight[: ids.shape[1]]
        return self.norm(self.words(ids) + self.kinds.weight[0] + places)


class Layer(nn.Module):
    """Attention, then feed-forward, each added to its input and normalised afterwards."""

    def __init__(self, settings: BertSettings) -> None:
        super().__init__()
        self.heads = settings.heads
        self.query = nn.Linear(settings.hidden, settings.hidden)
        self.key = nn.Linear(settings.hidden, settings.hidden)
        self.value = nn.Linear(settings.hidden, settings.hidden)
        self.joined = nn.Linear(settings.hidden, settings.hidden)
        self.attention_norm = nn.LayerNorm(settings.hidden, eps=settings.norm_epsilon)
        self.widened = nn.Linear(settings.hidden, settings.intermediate)
        self.narrowed = nn.Linear(settings.intermediate, settings.hidden)
        self.norm = nn.LayerNorm(settings.hidden, eps=settings.norm_epsilon)

    def forward(
        self, x: Float[Tensor, "batch token hidden"], mask: Bool[Tensor, "batch 1 1 token"] | None
    ) -> Float[Tensor, "batch token hidden"]:
        """The states after this layer."""
        query, key, value = (
            part(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (self.query, self.key, self.value)
        )
        seen = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        x = self.attention_norm(x + self.joined(seen.transpose(1, 2).flatten(2)))
        return self.norm(x + self.narrowed(functional.gelu(self.widened(x))))


class Bert(nn.Module):
    """Embeddings and layers, without the pooler."""

    def __init__(self, settings: BertSettings) -> None:
        super().__init__()
        self.embeddings = Embeddings(settings)
        self.layers = nn.ModuleList(Layer(settings) for _ in range(settings.layers))
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=0.02)

    def forward(
        self, ids: Int64[Tensor, "batch token"], real: Bool[Tensor, "batch token"]
    ) -> Float[Tensor, "batch token hidden"]:
        """States of all tokens; those that are not `real` are seen by none."""
        # Without a mask the fastest attention kernel may be chosen.
        mask = None if bool(real.all()) else real[:, None, None, :]
        x = self.embeddings(ids)
        for layer in self.layers:
            x = layer(x, mask)
        return x

    def through(
        self, layer: nn.Module, states: Float[Tensor, "batch token hidden"]
    ) -> Float[Tensor, "batch token hidden"]:
        """One layer, without padding."""
        return layer(states, None)
