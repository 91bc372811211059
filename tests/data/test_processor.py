"""What the X-Encoder gets: the right crop, the right numbers, and settings that survive a file."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import interpolate

from vljepa.data.processor import Processor, ProcessorSettings
from vljepa.types import Clip


def noise_clip(height: int, width: int, time: int = 2) -> Clip:
    frames = np.random.default_rng(3).integers(0, 256, (time, height, width, 3), dtype=np.uint8)
    return Clip(frames=torch.from_numpy(frames), times=torch.arange(time, dtype=torch.float32))


@pytest.mark.parametrize(("height", "width"), [(60, 101), (101, 60), (20, 31), (48, 48)])
def test_short_side_and_centre_crop_as_pillow_does_it(height: int, width: int) -> None:
    clip = noise_clip(height, width)
    ours = Processor(ProcessorSettings(resolution=48)).frames_from_clip(clip)
    assert ours.shape == (2, 3, 48, 48) and ours.dtype == torch.uint8
    short = min(height, width)
    image = Image.fromarray(clip.frames[1].numpy())
    image = image.resize((round(width * 48 / short), round(height * 48 / short)), Image.Resampling.BILINEAR)
    left, top = (image.width - 48) // 2, (image.height - 48) // 2
    theirs = np.asarray(image.crop((left, top, left + 48, top + 48))).transpose(2, 0, 1).astype(np.int32)
    assert (ours[1].int() - torch.from_numpy(theirs)).abs().max() <= 1


def test_squash_keeps_the_whole_frame() -> None:
    frames = torch.zeros(1, 40, 80, 3, dtype=torch.uint8)
    frames[:, :, :10] = 255
    clip = Clip(frames=frames, times=torch.zeros(1))
    squashed = Processor(ProcessorSettings(resolution=16, resize="squash")).frames_from_clip(clip)
    assert squashed[0, 0, 8, 0] == 255
    assert Processor(ProcessorSettings(resolution=16)).frames_from_clip(clip).max() == 0


@pytest.mark.parametrize(("height", "width"), [(40, 80), (80, 40), (40, 40)])
def test_a_picture_is_seen_in_its_middle_and_whole(height: int, width: int) -> None:
    frames = torch.zeros(1, height, width, 3, dtype=torch.uint8)
    frames[:, :10, :10] = 255
    picture = Clip(frames=frames, times=torch.zeros(1))
    twice = Processor(ProcessorSettings(resolution=16, pictures="middle and whole"))
    middle, whole = twice.frames_from_clip(picture)
    assert torch.equal(middle[None], Processor(ProcessorSettings(resolution=16)).frames_from_clip(picture))
    assert whole[:, 0, 0].min() == 255 and whole[:, -1, -1].max() == 0
    assert torch.equal(middle, whole) == (height == width)
    # Read in the size that `reading_size` asks for, it is the same picture: caches hold what live callers see.
    smaller = interpolate(frames.permute(0, 3, 1, 2), scale_factor=16 / 40, mode="bilinear", antialias=True)
    read_small = Clip(frames=smaller.permute(0, 2, 3, 1), times=torch.zeros(1))
    assert torch.equal(twice.frames_from_clip(read_small), torch.stack([middle, whole]))


def test_frames_of_a_video_are_seen_once_each() -> None:
    twice = Processor(ProcessorSettings(resolution=16, pictures="middle and whole"))
    clip = noise_clip(40, 80)
    assert torch.equal(twice.frames_from_clip(clip), twice.squares(clip.frames))
    assert len(twice.frames_from_clip(clip)) == len(twice.squares(clip.frames[:1])) + 1 == 2


def test_what_is_squashed_has_no_second_look() -> None:
    with pytest.raises(ValueError, match='set pictures "once"'):
        ProcessorSettings(resize="squash", pictures="middle and whole")


def test_pixels_are_normalised_per_colour() -> None:
    processor = Processor(ProcessorSettings(resolution=2, mean=(127.0, 0.0, 10.0), scale=(128.0, 1.0, 2.0)))
    frames = torch.full((1, 3, 2, 2), 255, dtype=torch.uint8)
    assert processor.pixels(frames)[0, :, 0, 0].tolist() == [1.0, 255.0, 122.5]
    assert processor.pixels(frames).dtype == torch.float32


def test_the_default_is_efficientnet_lite() -> None:
    settings = ProcessorSettings()
    assert (settings.resolution, settings.mean[0], settings.scale[2]) == (224, 127.0, 128.0)


def test_json_round_trip() -> None:
    settings = ProcessorSettings(resolution=256, mean=(1.5, 2.0, 3.0), resize="squash")
    assert Processor.from_json(Processor(settings).to_json()).settings == settings


def test_json_is_strict() -> None:
    values = json.loads(Processor(ProcessorSettings()).to_json())
    with pytest.raises(ValueError, match=r"unknown 'crop'.*the keys are interpolation, .* short_side"):
        Processor.from_json(json.dumps({**values, "crop": 1}))
    with pytest.raises(ValueError, match="missing 'mean'"):
        Processor.from_json(json.dumps({key: value for key, value in values.items() if key != "mean"}))
    with pytest.raises(ValueError, match="not JSON"):
        Processor.from_json("{")
    with pytest.raises(ValueError, match="no JSON object"):
        Processor.from_json("[]")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"resolution": 0}, "resolution is 0"),
        ({"resolution": "224"}, "resolution is '224'"),
        ({"mean": [1, 2]}, "mean is"),
        ({"scale": [1, 0, 1]}, "scale is .* above 0"),
        ({"scale": "abc"}, "three numbers"),
        ({"resize": "stretch"}, "choose one of 'short side, centre crop', 'squash'"),
    ],
)
def test_wrong_values_are_named(change: dict[str, object], sentence: str) -> None:
    values = json.loads(Processor(ProcessorSettings()).to_json())
    with pytest.raises(ValueError, match=sentence):
        Processor.from_json(json.dumps({**values, **change}))
