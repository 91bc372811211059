"""The network in 8 bits gives what the same rounding gives in float64, whichever frames go together."""

import copy
import json
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.conftest import tiny_bundle
from torch import Tensor
from torch.nn import functional

from vljepa.embedder import Embedder
from vljepa.features import encoder_fingerprint
from vljepa.models.efficientnet_lite import EfficientNetLiteSettings, InvertedBottleneck, SameConvolution
from vljepa.models.eight_bit import EightBit
from vljepa.models.lite_encoder import LiteEncoder, LiteEncoderSettings, lite
from vljepa.models.sizes import small
from vljepa.runtime import has_int8_kernels
from vljepa.weights.convert import WeightsError
from vljepa.weights.folder import load_folder, save_folder

pytestmark = pytest.mark.skipif(not has_int8_kernels(), reason="a processor without kernels for 8 bits")
RANGE = 40.0


def seen(number: int = 5, side: int = 64) -> Tensor:
    drawn = torch.randint(0, 256, (number, 3, side, side), generator=torch.Generator().manual_seed(3))
    return drawn.to(torch.uint8)


def pixels(frames: Tensor) -> Tensor:
    """As the published processor makes them."""
    return (frames.float() - 127) / 128


@pytest.fixture
def encoder() -> LiteEncoder:
    """Lite0 with drawn weights, of which every ReLU6 lets something through and cuts something off."""
    torch.manual_seed(0)
    made = LiteEncoder(LiteEncoderSettings(network=EfficientNetLiteSettings(ranges=(RANGE,) * 16)))
    for module in made.network.modules():
        if isinstance(module, SameConvolution):
            wide = module.weight[0].numel()
            module.weight.normal_(std=(2.0 if module.relu6 else 1.0) / wide**0.5)
            module.bias.normal_(std=1.0)  # type: ignore[union-attr]
    return made


def rounded(layer: SameConvolution, x: Tensor) -> Tensor:
    """The layer in float64 with its weights on 255 levels."""
    exact = copy.deepcopy(layer).double()
    step = exact.weight.abs().amax((1, 2, 3), keepdim=True) / 127
    exact.weight.copy_((exact.weight / step).round() * step)
    return exact(x)


def on_levels(x: Tensor, step: float, low: int, high: int) -> Tensor:
    return (x / step).round().clamp(low, high) * step


def by_hand(encoder: LiteEncoder, x: Tensor) -> tuple[Tensor, Tensor]:
    """What `EightBit.maps` is to give."""
    network = encoder.network
    x = on_levels(rounded(network.stem, x.double()), 6 / 255, 0, 255)
    for number, block in enumerate(network.blocks, 1):
        assert isinstance(block, InvertedBottleneck)
        y = x
        for layer in (block.expand, block.depthwise):
            if isinstance(layer, SameConvolution):
                y = on_levels(rounded(layer, y), 6 / 255, 0, 255)
        y = rounded(block.project, y) + (x if block.residual else 0)
        x = on_levels(y, RANGE / 127, -128, 127)
        if number == network.middle:
            middle = x
    return on_levels(rounded(network.head, x), 6 / 255, 0, 255), middle


@pytest.mark.parametrize("side", [64, 50])
def test_it_is_the_network_with_rounded_numbers(encoder: LiteEncoder, side: int) -> None:
    x = seen(2, side)
    found = EightBit().maps(encoder.network, x)
    for ours, wanted, step in zip(found, by_hand(encoder, pixels(x)), (6 / 255, RANGE / 127), strict=True):
        # A sum that lies between two levels may fall to either side, and what follows from it too.
        off = (ours.double() - wanted).abs() / step
        assert wanted.std() > 5 * step and off.median() < 0.01
        assert (off < 0.5).double().mean() > 0.8 and off.mean() < 0.5


def test_frames_do_not_change_each_other(encoder: LiteEncoder) -> None:
    x = seen()
    together = EightBit().maps(encoder.network, x)
    eight = EightBit()
    alone = [eight.maps(encoder.network, frame[None]) for frame in x]
    for place in range(2):
        assert torch.equal(together[place], torch.cat([maps[place] for maps in alone]))


def test_frames_of_another_size_get_the_padding_that_they_need(encoder: LiteEncoder) -> None:
    eight = EightBit()
    for side in (64, 50, 64):
        x = seen(2, side)
        assert torch.equal(eight.maps(encoder.network, x)[1], EightBit().maps(encoder.network, x)[1])


def test_a_weight_that_changes_is_taken_anew(encoder: LiteEncoder) -> None:
    eight, x = EightBit(), seen(2)
    before = eight.maps(encoder.network, x)[0]
    assert eight._kept is not None and torch.equal(eight.maps(encoder.network, x)[0], before)
    kept = eight._kept
    encoder.network.head.weight.mul_(-1)
    assert not torch.equal(eight.maps(encoder.network, x)[0], before) and eight._kept is not kept
    assert torch.equal(eight.maps(encoder.network, x)[0], EightBit().maps(encoder.network, x)[0])
    other = {name: value + 3 for name, value in encoder.network.head.state_dict().items() if name == "bias"}
    encoder.network.head.load_state_dict(other, strict=False, assign=True)
    assert torch.equal(eight.maps(encoder.network, x)[0], EightBit().maps(encoder.network, x)[0])


def test_who_computes_in_eight_bits(encoder: LiteEncoder) -> None:
    x = seen(2)
    exact = encoder.features(pixels(x))
    assert encoder.in_eight_bits and not torch.equal(encoder.quick_features(x, pixels), exact)
    copied = pickle.loads(pickle.dumps(copy.deepcopy(encoder)))
    assert torch.equal(copied.quick_features(x, pixels), encoder.quick_features(x, pixels))
    copied.network.settings = replace(copied.network.settings, ranges=())
    assert not copied.in_eight_bits and torch.equal(copied.quick_features(x, pixels), exact)
    encoder.network.requires_grad_(True)
    assert encoder.quick_features(x, pixels).requires_grad


def test_features_of_both_kinds_are_not_mixed(encoder: LiteEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    processor = tiny_bundle().processor
    mark = encoder_fingerprint(encoder, processor, 8)
    monkeypatch.setattr("vljepa.models.eight_bit.has_int8_kernels", lambda: False)
    assert mark != encoder_fingerprint(encoder, processor, 8)


def test_the_shipped_model_sees_nearly_the_same(tmp_path: Path) -> None:
    """A named number type is taken as it is; without one the X-Encoder may compute in 8 bits."""
    quick, exact = Embedder.from_folder(), Embedder.from_folder(dtype=torch.float32)
    assert quick.bundle.model.settings.x_encoder == small().x_encoder
    coarse = torch.randint(0, 256, (32, 3, 8, 8), generator=torch.Generator().manual_seed(1)).float()
    frames = functional.interpolate(coarse, size=(224, 224), mode="bicubic").clamp(0, 255).to(torch.uint8)
    quickly, known = quick.frame_features(frames), exact.frame_features(frames)
    assert torch.equal(known, exact.bundle.model.x_encoder.features(pixels(frames))) and not torch.equal(quickly, known)
    tokens = [one.tokens_from_features(kept[:, None]) for one, kept in ((quick, quickly), (exact, known))]
    end = quick.bundle.model.settings.predictor.visual_width - 1000 - 14
    alike = functional.cosine_similarity(tokens[0][..., :end].flatten(1), tokens[1][..., :end].flatten(1))
    assert alike.mean() > 0.97
    said, known = quick.predict(tokens[0]), exact.predict(tokens[1])
    assert functional.cosine_similarity(said, known).mean() > 0.95


def test_a_processor_that_makes_other_numbers_is_refused(tmp_path: Path) -> None:
    bundle = tiny_bundle()
    settings = bundle.model.settings
    assert isinstance(settings.x_encoder, LiteEncoderSettings)
    network = replace(
        settings.x_encoder.network, ranges=(1.0,) * len(lite(bundle.model.x_encoder, what="").network.blocks)
    )
    bundle.model.settings = replace(settings, x_encoder=replace(settings.x_encoder, network=network))
    save_folder(bundle, tmp_path / "model", card="")
    assert load_folder(tmp_path / "model").model.x_encoder.in_eight_bits
    path = tmp_path / "model" / "processor_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"mean": [123.0, 117.0, 104.0]}))
    with pytest.raises(WeightsError, match=r"x_encoder\.network\.ranges"):
        load_folder(tmp_path / "model")
