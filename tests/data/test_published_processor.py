"""Published preprocessing, pixel for pixel: golden numbers come from transformers' own Pillow processors.

They run without torchvision for CLIP and SigLIP. VJEPA2VideoProcessor does not; its definition (short side
int(crop * 256 / 224), centre crop, bilinear, ImageNet's mean and deviation) is what CLIP's Pillow processor does
when it is given those numbers, so that is its golden source. Resizing may differ by one grey level; where nothing has
to be resized, everything is equal to the last bit.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from vljepa.data.processor import Processor, ProcessorSettings
from vljepa.data.published_processor import published_processor, read_published_processor
from vljepa.types import Clip

IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
VJEPA2_JSON = {
    "video_processor_type": "VJEPA2VideoProcessor",
    "crop_size": {"height": 64, "width": 64},
    "size": {"shortest_edge": 999},
    "do_sample_frames": False,
    "resample": 2,
    **IMAGENET,
}
CLIP_JSON = {
    "image_processor_type": "CLIPImageProcessor",
    "crop_size": {"height": 56, "width": 56},
    "size": {"shortest_edge": 56},
    "do_center_crop": True,
    "do_convert_rgb": True,
    "rescale_factor": 0.00392156862745098,
    "resample": 3,
}
SIGLIP_JSON = {
    "image_processor_type": "SiglipImageProcessor",
    "size": {"height": 48, "width": 48},
    "resample": 2,
    "do_center_crop": None,
}
CASES: Mapping[str, tuple[dict[str, Any], Any]] = {
    "VJEPA2VideoProcessor": (
        VJEPA2_JSON,
        CLIPImageProcessorPil(
            size={"shortest_edge": int(64 * 256 / 224)}, crop_size={"height": 64, "width": 64}, resample=2, **IMAGENET
        ),
    ),
    "CLIPImageProcessor": (
        CLIP_JSON,
        CLIPImageProcessorPil(size={"shortest_edge": 56}, crop_size={"height": 56, "width": 56}),
    ),
    "SiglipImageProcessor": (SIGLIP_JSON, SiglipImageProcessorPil(size={"height": 48, "width": 48}, resample=2)),
}


def golden(theirs: Any, frames: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(np.stack(theirs(list(frames.numpy()), input_data_format="channels_last").pixel_values))


def ours(settings: ProcessorSettings, frames: torch.Tensor) -> torch.Tensor:
    processor = Processor(settings)
    return processor.pixels(processor.frames_from_clip(Clip(frames=frames, times=torch.arange(len(frames)).float())))


@pytest.mark.parametrize("kind", CASES)
@pytest.mark.parametrize(("height", "width"), [(97, 131), (131, 97), (40, 200), (120, 120)])
def test_pixels_are_those_of_the_published_processor(kind: str, height: int, width: int) -> None:
    values, theirs = CASES[kind]
    settings = published_processor(values, name="a file")
    frames = torch.randint(0, 256, (2, height, width, 3), dtype=torch.uint8)
    level = settings.rescale / min(settings.scale)
    torch.testing.assert_close(ours(settings, frames), golden(theirs, frames), rtol=0, atol=level * 1.01)


@pytest.mark.parametrize("kind", CASES)
def test_what_needs_no_resizing_is_equal_to_the_last_bit(kind: str) -> None:
    values, theirs = CASES[kind]
    settings = published_processor(values, name="a file")
    short = settings.short_side or settings.resolution
    frames = torch.randint(0, 256, (2, short, short + 20 * (settings.resize != "squash"), 3), dtype=torch.uint8)
    frames[0, :8, :32] = torch.arange(256, dtype=torch.uint8).view(8, 32, 1)
    assert torch.equal(ours(settings, frames), golden(theirs, frames))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("video_preprocessor_config.json", VJEPA2_JSON),
        ("preprocessor_config.json", VJEPA2_JSON | {"video_processor_type": "VJEPA2VideoProcessor"}),
        ("processor_config.json", {"processor_class": "X", "video_processor": VJEPA2_JSON}),
    ],
)
def test_all_three_files_are_read(tmp_path: Path, name: str, content: dict[str, Any]) -> None:
    (tmp_path / name).write_text(json.dumps(content))
    settings = read_published_processor(tmp_path)
    assert (settings.resolution, settings.short_side, settings.long_side) == (64, 73, "cut")
    assert settings.sampling == "linspace, rounded"


def test_the_published_defaults_of_a_silent_file() -> None:
    settings = published_processor({"video_processor_type": "VJEPA2VideoProcessor"}, name="a file")
    assert (settings.resolution, settings.short_side) == (256, 292)
    settings = published_processor({"feature_extractor_type": "CLIPFeatureExtractor", "size": 224}, name="a file")
    assert (settings.short_side, settings.interpolation) == (224, "bicubic")
    settings = published_processor({"image_processor_type": "SiglipImageProcessorFast"}, name="a file")
    assert (settings.resolution, settings.resize) == (224, "squash")


def test_published_settings_survive_our_own_file() -> None:
    settings = published_processor(VJEPA2_JSON, name="a file")
    assert Processor.from_json(Processor(settings).to_json()).settings == settings


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"image_processor_type": "DPTImageProcessor"}, "DPTImageProcessor is none of VJEPA2VideoProcessor"),
        ({"do_normalize": False}, "do_normalize is off"),
        ({"resample": 1}, "resample is 1"),
        ({"crop_size": {"height": 56, "width": 40}}, "crop_size is 56 x 40"),
        ({"size": {"shortest_edge": 40}}, "shortest_edge of at least"),
        ({"image_mean": [0.5]}, "image_mean is"),
    ],
)
def test_what_we_would_not_do_is_refused_by_name(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        published_processor(CLIP_JSON | change, name="a file")


def test_a_folder_without_preprocessing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no preprocessing file"):
        read_published_processor(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text("<html>")
    with pytest.raises(ValueError, match="is not JSON"):
        read_published_processor(tmp_path)
