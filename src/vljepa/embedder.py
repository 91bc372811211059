"""An opened model folder with strings and clips on the outside: everything that tasks and streams ask of the model.

The network sees tensors only; here clips become visual tokens, strings become tokens, and embeddings become text again.
All embeddings that come out have length one and lie on the model's device in float32.
"""

from collections import OrderedDict, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from importlib import resources
from pathlib import Path
from threading import RLock
from typing import Any

import torch
from einops import rearrange
from jaxtyping import Float, UInt8
from torch import Tensor

from vljepa.data.media import read_clip
from vljepa.data.sampling import Sampling
from vljepa.models.x_encoder import frames_at_once
from vljepa.runtime import choose_device
from vljepa.text import Tokenizer
from vljepa.types import Clip, Tokens
from vljepa.weights.calibration import Calibration
from vljepa.weights.convert import WeightsError
from vljepa.weights.folder import PARTS, Bundle, load_folder, opening_dtype
from vljepa.weights.untrained import refuse_untrained

FRAMES_AT_ONCE = 32
CLIPS_AT_ONCE = 16
TEXTS_AT_ONCE = 128
DECODES_AT_ONCE = 32
KEPT_TEXTS = 20_000
CANDIDATES = 8
# How much cosine a text of e times the probability outweighs: best CIDEr-D on validation clips (LOG.md, 2026-12-01).
LIKELIHOOD_WEIGHT = 0.02


class Embedder:
    """The four parts of one model folder, ready to use; not for several threads at once, unless they hold `lock`."""

    def __init__(self, bundle: Bundle, *, device: torch.device | None = None, exact: bool = False) -> None:
        self.bundle, self.exact = bundle, exact
        self.lock: AbstractContextManager[Any] = RLock()
        self.device = device or torch.device("cpu")
        self._model = bundle.model.to(self.device).eval().requires_grad_(False)
        if "x_encoder" in bundle.parts:
            # Convolutions are about twice as fast so on CPUs; torch's own types do not know the argument.
            self._model.x_encoder.channels_last()
        self._kept: OrderedDict[str, Float[Tensor, "dim"]] = OrderedDict()

    @classmethod
    def from_folder(
        cls,
        folder: Path | None = None,
        *,
        device: str = "auto",
        dtype: torch.dtype | None = None,
        parts: Sequence[str] = PARTS,
    ) -> "Embedder":
        """Open a model folder, or the shipped model for None, or only those of its parts that are needed.

        Without a `dtype` a big model takes bfloat16, others the number format that the device is fast in, which may be
        8 bits for the X-Encoder (`exact` is for those who make an Embedder themselves and want it in the weights' own).
        WeightsError for a folder that is missing or incomplete; ValueError for a device that is not here.
        """
        chosen = choose_device(device)
        opened = shipped_folder() if folder is None else folder
        bundle = load_folder(opened, dtype=dtype or opening_dtype(opened, chosen), device=chosen, parts=parts)
        return cls(bundle, device=chosen, exact=dtype is not None)

    @property
    def name(self) -> str:
        """The model's name, as in its folder."""
        return self.bundle.name

    @property
    def calibration(self) -> Calibration:
        """How this model's cosines become probabilities."""
        return self.bundle.calibration

    @property
    def num_frames(self) -> int:
        """Frames of a clip that the model was trained with."""
        return self.bundle.frames

    @property
    def side(self) -> int | None:
        """Short side that frames may be scaled to while they are decoded; None: the processor wants them whole."""
        return self.bundle.processor.settings.reading_size

    @property
    def sampling(self) -> Sampling:
        """Which frames of a video a clip is made of."""
        return self.bundle.processor.settings.sampling

    @property
    def dim(self) -> int:
        """Numbers in an embedding."""
        return self._model.settings.predictor.shared

    def clip(self, source: Path | bytes, *, start: float | None = None, end: float | None = None) -> Clip:
        """A picture, or as many frames of a video as the model was trained with; MediaError where it cannot be read."""
        frames, side = self.num_frames, self.side
        return read_clip(source, num_frames=frames, start=start, end=end, size=side, sampling=self.sampling)

    def squares(self, clip: Clip) -> UInt8[Tensor, "time 3 height width"]:
        """The clip's frames as the squares that `frame_features` takes: small enough to wait in memory."""
        return self.bundle.processor.frames_from_clip(clip)

    @torch.inference_mode()
    def frame_features(self, frames: UInt8[Tensor, "frame 3 height width"]) -> Float[Tensor, "frame kept"]:
        """What the X-Encoder keeps of each frame by itself; streams compute it once for all windows of a frame."""
        encoder, pixels = self._model.x_encoder, self.bundle.processor.pixels
        some_at_once = [some.to(self.device) for some in frames.split(frames_at_once(self.device, FRAMES_AT_ONCE))]
        if self.exact:
            return torch.cat([encoder.features(pixels(some)) for some in some_at_once])
        return torch.cat([encoder.quick_features(some, pixels) for some in some_at_once])

    @torch.inference_mode()
    def tokens_from_features(self, features: Float[Tensor, "batch time kept"]) -> Float[Tensor, "batch token width"]:
        """Visual tokens S_V of clips whose frames' features are known."""
        return self._model.x_encoder.tokens(features)

    def visual(self, clips: Sequence[Clip]) -> Float[Tensor, "batch token width"]:
        """Visual tokens S_V of clips that all have the same number of frames; ValueError where they differ."""
        counts = {len(clip.frames) for clip in clips}
        if len(counts) != 1:
            raise ValueError(f"clips of {sorted(counts)} frames have no tokens of one shape: give clips of one length")
        features = self.frame_features(torch.cat([self.squares(clip) for clip in clips]))
        by_clip = rearrange(features, "(batch time) width -> batch time width", batch=len(clips))
        return self.tokens_from_features(by_clip)

    @torch.inference_mode()
    def predict(self, visual: Float[Tensor, "batch token width"], query: str = "") -> Float[Tensor, "batch dim"]:
        """Predicted embeddings S^_Y of the answers to one query; the empty query is the captioning of pretraining.

        ValueError where the query is longer than the model reads, or the Predictor has learned nothing yet.
        """
        return self.predict_each(visual, [query] * len(visual))

    @torch.inference_mode()
    def predict_each(
        self, visual: Float[Tensor, "batch token width"], queries: Sequence[str]
    ) -> Float[Tensor, "batch dim"]:
        """`predict` where each clip is asked something else."""
        refuse_untrained(self.bundle.untrained, "predictor")
        for query in set(queries):
            _check_length(query, self.bundle.query_tokenizer, what="the question")
        return self._model.predict(visual, self._tokens(self.bundle.query_tokenizer, queries))

    def predict_clips(self, clips: Sequence[Clip], query: str = "") -> Float[Tensor, "batch dim"]:
        """`predict` of clips of any numbers of frames, those of one number together, in the order given."""
        groups: dict[int, list[int]] = defaultdict(list)
        for position, clip in enumerate(clips):
            groups[len(clip.frames)].append(position)
        predicted = torch.empty(len(clips), self.dim, device=self.device)
        for positions in groups.values():
            for some in _portions(positions, CLIPS_AT_ONCE):
                predicted[some] = self.predict(self.visual([clips[position] for position in some]), query)
        return predicted

    def texts(self, texts: Sequence[str], *, cut: bool = False) -> Float[Tensor, "batch dim"]:
        """Embeddings S_Y of texts; the latest KEPT_TEXTS are remembered.

        ValueError where one is longer than is read, unless it may be `cut`.
        """
        for text in texts:
            if text not in self._kept and not cut:
                _check_length(text, self.bundle.target_tokenizer, what="a text")
        return self._remembered(texts)

    def _remembered(self, texts: Sequence[str]) -> Float[Tensor, "batch dim"]:
        refuse_untrained(self.bundle.untrained, "y_encoder")
        missing = [text for text in dict.fromkeys(texts) if text not in self._kept]
        self._kept.update(zip(missing, self._encoded(missing), strict=True))
        rows = []
        for text in texts:
            self._kept.move_to_end(text)
            rows.append(self._kept[text])
        while len(self._kept) > KEPT_TEXTS:
            self._kept.popitem(last=False)
        return torch.stack(rows) if rows else torch.empty(0, self.dim, device=self.device)

    @torch.inference_mode()
    def _encoded(self, texts: Sequence[str]) -> Float[Tensor, "batch dim"]:
        """Texts of like length together, so that little padding is computed."""
        tokenizer = self.bundle.target_tokenizer
        order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
        encoded = torch.empty(len(texts), self.dim, device=self.device)
        for some in _portions(order, TEXTS_AT_ONCE):
            tokens = self._tokens(tokenizer, [texts[place] for place in some])
            # Where no marker stands around a text the empty one has no token: cosine 0 with everything, not NaN.
            encoded[some] = self._model.encode_text(tokens).where(tokens.mask.any(1, keepdim=True), 0.0)
        return encoded

    def _tokens(self, tokenizer: Tokenizer, texts: Sequence[str]) -> Tokens:
        return tokenizer(texts).to(self.device)

    def decode(self, embeddings: Float[Tensor, "batch dim"], *, candidates: int = CANDIDATES) -> list[str]:
        """The texts that embeddings stand for: of what the Y-Decoder finds likeliest, a likely one that keeps much.

        Beams of one text often differ in the word that matters (a colour, a side), which the Y-Encoder can tell; but
        what keeps most may be said in words that nobody would use. One candidate is the likeliest alone, and ten times
        as fast. ValueError where the Y-Decoder has learned nothing yet.
        """
        refuse_untrained(self.bundle.untrained, "y_decoder")
        decoder, table = self._model.y_decoder, self._model.token_table.weight
        said: list[str] = []
        for some in torch.split(embeddings.to(self.device), DECODES_AT_ONCE):
            found = decoder.generate(some, table, beams=candidates)
            texts = [[self.bundle.decoder_tokenizer.text(one.ids) for one in beams] for beams in found]
            likelihoods = [[one.likelihood for one in beams] for beams in found]
            said += [beams[0] for beams in texts] if candidates == 1 else self._best(some, texts, likelihoods)
        return said

    def _best(
        self, embeddings: Float[Tensor, "batch dim"], texts: list[list[str]], likelihoods: list[list[float]]
    ) -> list[str]:
        again = self._remembered([text for beams in texts for text in beams]).split([len(beams) for beams in texts])
        best = []
        for row, beams, own, likelihood in zip(embeddings, texts, again, likelihoods, strict=True):
            worth = own @ row + LIKELIHOOD_WEIGHT * own.new_tensor(likelihood)
            # Nothing is the shortest text, so a likely one, and describes nothing.
            worth[[place for place, text in enumerate(beams) if not text.strip()]] = -torch.inf
            best.append(beams[int(worth.argmax())])
        return best

    def fidelity(self, embeddings: Float[Tensor, "batch dim"], texts: Sequence[str]) -> list[float]:
        """How well decoded texts keep their embeddings: cosine of each with the text encoded again."""
        # Not `texts`: words that nobody would write can take more tokens than are read, and that is poor, not wrong.
        cosines = (embeddings.to(self.device) * self._remembered(texts)).sum(-1)
        return [float(cosine) for cosine in cosines]


def shipped_folder() -> Path:
    """The folder of the model that comes with the package; WeightsError where this copy has none."""
    folder = Path(str(resources.files("vljepa"))) / "shipped" / "small"
    if not (folder / "config.json").is_file():
        raise WeightsError("this copy of vljepa holds no trained model: train one, then give its folder with --model")
    return folder


def _check_length(text: str, tokenizer: Tokenizer, *, what: str) -> None:
    limit = tokenizer.settings.max_tokens
    if (
        len((tokenizer.settings.prompt + text).encode()) + 2 < limit
    ):  # no token is shorter than a byte: nothing to count
        return
    if len(tokenizer.ids(text)) >= limit:
        begin = text[:30].strip()
        raise ValueError(f"{what} ({begin!r} ...) is longer than {limit - 1} tokens, the most that is read: shorten it")


def _portions(items: list[int], size: int) -> Iterator[list[int]]:
    return (items[first : first + size] for first in range(0, len(items), size))
