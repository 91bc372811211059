"""The X-Encoder: tubelets of two frames, a picture fills its own, place and time are told, features keep to a frame."""

import pytest
import torch
from torch.nn import functional

from vljepa.models import x_encoder
from vljepa.models.efficientnet_lite import EfficientNetLite, EfficientNetLiteSettings, SameConvolution
from vljepa.models.lite_encoder import LiteEncoder, pooled_cells
from vljepa.models.sizes import small, tiny


def encoder() -> LiteEncoder:
    torch.manual_seed(0)
    return LiteEncoder(tiny().x_encoder).eval()


def test_a_picture_is_repeated_to_fill_a_tubelet() -> None:
    model, pixels = encoder(), torch.randn(1, 1, 3, 32, 32)
    torch.testing.assert_close(model(pixels), model(pixels.expand(-1, 2, -1, -1, -1)))


def test_a_tubelet_has_a_token_for_each_cell_and_one_for_its_class() -> None:
    model = encoder()
    tokens = model(torch.randn(2, 5, 3, 32, 32))
    assert tokens.shape == (2, 3 * (4 + 1), model.settings.token_width)
    features = 2 * len(model.mean)
    assert tokens[:, :5, :features].any(-1).tolist() == [[True, True, True, True, False]] * 2


def test_features_of_a_frame_do_not_depend_on_its_neighbours() -> None:
    model, pixels = encoder(), torch.randn(4, 3, 32, 32)
    torch.testing.assert_close(model.features(pixels)[2:3], model.features(pixels[2:3]), atol=1e-5, rtol=1e-5)


def test_kept_frames_give_the_tokens_of_the_whole_clip() -> None:
    model, pixels = encoder(), torch.randn(1, 4, 3, 32, 32)
    kept = torch.stack([model.features(pixels[0, t : t + 1])[0] for t in range(4)])
    torch.testing.assert_close(model.tokens(kept[None]), model(pixels), atol=1e-5, rtol=1e-5)


def test_features_are_standardised() -> None:
    model = encoder()
    kept = model.features(torch.randn(2, 3, 32, 32))[None]
    before = model.tokens(kept)
    model.mean.fill_(1.0)
    model.scale.fill_(2.0)
    width = 2 * len(model.mean)
    torch.testing.assert_close(model.tokens(kept)[:, :4, :width], (before[:, :4, :width] - 1.0) * 2.0)


def test_a_token_tells_how_its_cell_differs_from_the_rest_of_the_clip() -> None:
    """One cell of four changes in the second of two tubelets; a picture and what stands still change nowhere."""
    model = encoder()
    model.scale.fill_(2.0)
    width = len(model.mean)
    still = torch.randn(1, 1, model.settings.frame_width).expand(-1, 4, -1)
    moved = still.clone()
    moved[:, 2:, width : 2 * width] += 1.0
    changes = model.tokens(moved)[0, :, 2 * width : 3 * width].unflatten(0, (2, 5))
    expected = torch.zeros(2, 5, width)
    expected[0, 1], expected[1, 1] = -4.0, 4.0
    torch.testing.assert_close(changes, expected, atol=1e-4, rtol=0)
    for unchanged in (still, still[:, :1]):
        assert model.tokens(unchanged)[..., 2 * width : 3 * width].abs().max() < 1e-4


def test_coordinates_weigh_against_thousands_of_features() -> None:
    """Fourteen numbers of at most one beside 4,176 of deviation one would be a sixtieth of a token's length."""
    settings = small().x_encoder
    places = LiteEncoder(tiny().x_encoder).tokens(torch.zeros(1, 8, tiny().x_encoder.frame_width))[0, 0, -12:]
    assert places.norm() > 0.1 * (3 * settings.channels) ** 0.5


def test_the_posterior_sums_to_its_gain_on_every_token() -> None:
    model = encoder()
    tokens = model(torch.randn(1, 2, 3, 32, 32))
    start = 3 * len(model.mean)
    torch.testing.assert_close(tokens[0, :, start : start + 1000].sum(-1), torch.full((5,), 10.0), atol=1e-3, rtol=0)


def test_places_and_times_differ_between_tokens() -> None:
    model = encoder()
    coordinates = model.tokens(torch.zeros(1, 8, model.settings.frame_width))[0, :, -12:]
    assert len(coordinates.unique(dim=0)) == 4 * (4 + 1)


def test_nothing_of_the_x_encoder_is_trained() -> None:
    assert not any(parameter.requires_grad for parameter in encoder().parameters())


def test_same_padding_puts_the_extra_row_at_the_end() -> None:
    convolution = SameConvolution(1, 1, kernel=3, stride=2)
    torch.nn.init.ones_(convolution.weight)
    torch.nn.init.zeros_(convolution.bias)
    picture = torch.zeros(1, 1, 4, 4)
    picture[..., 0, 0] = 1.0
    out = convolution(picture)
    assert out.shape == (1, 1, 2, 2)
    assert out[0, 0, 0, 0] == 1.0
    picture = torch.zeros(1, 1, 4, 4)
    picture[..., 3, 3] = 1.0
    assert convolution(picture)[0, 0].tolist() == [[0.0, 0.0], [0.0, 1.0]]


def test_lite0_has_the_published_number_of_weights() -> None:
    network = EfficientNetLite(EfficientNetLiteSettings())
    # The publication counts a gain for each of 21,008 normalised channels; folding leaves their biases alone.
    assert sum(parameter.numel() for parameter in network.parameters()) == 4_652_008 - 21_008
    last, middle = network.maps(torch.zeros(1, 3, 224, 224))
    assert last.shape == (1, 1280, 7, 7) and middle.shape == (1, 112, 14, 14)


def test_seven_cells_become_three_windows_of_three() -> None:
    row = torch.arange(7.0)
    pooled = pooled_cells(row.expand(1, 1, 7, 7), 3)
    assert pooled[0, 0, 0].tolist() == [1.0, 3.0, 5.0]


def test_small_tells_its_sizes() -> None:
    settings = small().x_encoder
    assert settings.token_width == 3 * (1280 + 112) + 1000 + 6 + 8


@pytest.mark.parametrize("groups", [1, 4])
@pytest.mark.parametrize(
    ("kernel", "stride", "size", "padding"),
    [
        (1, 1, 14, (0, 0)),
        (3, 1, 14, (1, 1)),
        (5, 1, 15, (2, 2)),
        (3, 2, 14, (0, 1)),
        (3, 2, 15, (1, 1)),
        (5, 2, 14, (1, 2)),
        (5, 2, 15, (2, 2)),
    ],
)
def test_a_convolution_pads_as_tensorflow_does(
    kernel: int, stride: int, size: int, padding: tuple[int, int], groups: int
) -> None:
    """Whatever it is made of, it gives what padding outside of a plain convolution gives."""
    torch.manual_seed(0)
    convolution = SameConvolution(4, 8, kernel=kernel, stride=stride, groups=groups)
    maps = torch.randn(2, 4, size, size)
    padded = functional.pad(maps, (*padding, *padding))
    wanted = functional.conv2d(padded, convolution.weight, convolution.bias, stride, groups=groups)
    torch.testing.assert_close(convolution(maps), wanted)
    torch.testing.assert_close(convolution.requires_grad_(False)(maps), wanted.detach())


def test_frames_may_go_through_it_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    model, pixels = encoder(), torch.randn(5, 3, 32, 32)
    whole = model.features(pixels)
    monkeypatch.setattr(x_encoder, "CPU_FRAMES", 2)
    torch.testing.assert_close(model.features(pixels), whole, atol=1e-5, rtol=1e-5)
    assert x_encoder.frames_at_once(torch.device("cpu"), 32) == 2
    assert x_encoder.frames_at_once(torch.device("cuda"), 32) == 32
    assert model.features(pixels[:0]).shape == (0, model.settings.frame_width)
