"""VL-JEPA: the four parts together (paper, section 2). Tensors in, tensors out; strings live outside."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from vljepa.models.lite_encoder import LiteEncoderSettings
from vljepa.models.predictor import Predictor, PredictorSettings
from vljepa.models.x_encoders import XEncoderSettings, x_encoder
from vljepa.models.y_decoder import NoYDecoder, YDecoder, YDecoderSettings
from vljepa.models.y_encoder import YEncoder, YEncoderSettings
from vljepa.types import Tokens


@dataclass(frozen=True, kw_only=True)
class VLJEPASettings:
    """Settings of the four parts; `vocab` is the size of the query side's token table, which the Y-Decoder shares.

    Without a `y_decoder` the model was never taught to speak, and says so when it is asked to.
    """

    x_encoder: XEncoderSettings
    predictor: PredictorSettings
    y_encoder: YEncoderSettings
    y_decoder: YDecoderSettings | None = None
    vocab: int

    def __post_init__(self) -> None:
        told, wanted = self.x_encoder.token_width, self.predictor.visual_width
        if told != wanted:
            raise ValueError(f"the X-Encoder's tokens have {told} numbers, and predictor.visual_width is {wanted}")
        if self.predictor.shared != self.y_encoder.shared:
            raise ValueError("predictor.shared and y_encoder.shared differ: both sides meet in one space")


def without_ranges(settings: VLJEPASettings) -> VLJEPASettings:
    """The same model with an X-Encoder that is computed in the format of its weights everywhere."""
    if not isinstance(settings.x_encoder, LiteEncoderSettings):
        return settings
    return replace(settings, x_encoder=settings.x_encoder.without_ranges())


class VLJEPA(nn.Module):
    """X-Encoder, Predictor, Y-Encoder, Y-Decoder, and the frozen token table of the language model they start from."""

    def __init__(self, settings: VLJEPASettings) -> None:
        super().__init__()
        self.settings = settings
        self.x_encoder = x_encoder(settings.x_encoder)
        self.predictor = Predictor(settings.predictor)
        self.y_encoder = YEncoder(settings.y_encoder)
        self.y_decoder = NoYDecoder() if settings.y_decoder is None else YDecoder(settings.y_decoder)
        self.token_table = nn.Embedding(settings.vocab, settings.predictor.llama.hidden)
        self.token_table.requires_grad_(False)

    def predict(self, visual: Float[Tensor, "batch token width"], query: Tokens) -> Float[Tensor, "batch shared"]:
        """Unit embeddings S^_Y of the answers to queries about visual tokens S_V.

        Where nothing is asked, which is a query of its opening mark alone, with what a picture classifier believes.
        """
        answer = functional.normalize(self.predict_raw(visual, query), dim=-1)
        if not self.settings.predictor.classes:
            return answer
        nothing_asked = (query.mask.sum(1, keepdim=True) <= 1).float()
        believed = self.predictor.conse(self.x_encoder.posterior(visual))
        return functional.normalize(answer + nothing_asked * believed, dim=-1)

    def predict_raw(self, visual: Float[Tensor, "batch token width"], query: Tokens) -> Float[Tensor, "batch shared"]:
        """The same as the Predictor's head gives them, for losses that look at lengths too."""
        return self.predictor(visual, self.token_table(query.ids), query.mask).float()

    def encode_text(self, texts: Tokens) -> Float[Tensor, "batch shared"]:
        """Unit embeddings S_Y of target texts."""
        return functional.normalize(self.encode_text_raw(texts), dim=-1)

    def encode_text_raw(self, texts: Tokens) -> Float[Tensor, "batch shared"]:
        """The same as the Y-Encoder's head gives them."""
        return self.y_encoder(texts).float()

    @torch.no_grad()
    def decode(
        self, embedding: Float[Tensor, "batch shared"], *, max_tokens: int = 40, beams: int = 1
    ) -> list[list[list[int]]]:
        """Token numbers of the likeliest texts that each embedding stands for."""
        found = self.y_decoder.generate(embedding, self.token_table.weight, max_tokens=max_tokens, beams=beams)
        return [[said.ids for said in texts] for texts in found]
