"""What many tests share: a minute random model folder, and pictures and clips made on the spot."""

import dataclasses
import random
import signal
from pathlib import Path

import numpy as np
import pytest
import tokenizers
import torch
from PIL import Image

from vljepa.data.encode import encode_mp4
from vljepa.data.processor import Processor, ProcessorSettings
from vljepa.embedder import Embedder
from vljepa.models.sizes import tiny
from vljepa.models.text_bodies import Gemma3Settings
from vljepa.models.vjepa2 import VJEPA2Settings
from vljepa.models.vljepa import VLJEPA
from vljepa.text import Tokenizer, TokenizerSettings
from vljepa.weights.calibration import Calibration
from vljepa.weights.folder import Bundle, load_folder, save_folder

WORDS = ("a red blue green ball cube rolls falls left", "right what colour is the cat dog opens closes door")

SEED = 20261122


def pytest_configure() -> None:
    """Tests run on one thread, since two run at a time: more threads would wait for each other in every product.

    Ctrl-C means Ctrl-C: a shell that starts tests in the background has it ignored, by them and by what they start.
    """
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def seed() -> int:
    """Every test starts from the same random state, whatever ran before it."""
    random.seed(SEED)
    np.random.seed(SEED)
    torch.manual_seed(SEED)
    return SEED


def tiny_tokenizer() -> str:
    """A tokenizer of 300 tokens at most: every byte, a few words, and four markers, as a `tokenizer.json`."""
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(unk_token=None))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel()
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<stop>", "<start>", "<end>", "<pad>"],
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([*WORDS] * 20, trainer)
    text: str = tokenizer.to_str()
    return text


def make_sensitive(model: VLJEPA) -> None:
    """Random convolutions let a picture fade away: stronger ones, and features that are standardised as in training."""
    network = model.x_encoder.network
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight, a=0.5)
    with torch.no_grad():
        maps = network.maps(torch.rand(16, 3, 1, 1) * 2 - 1 + torch.rand(16, 3, 32, 32) * 0.2)
        model.x_encoder.mean.copy_(torch.cat([some.mean((0, 2, 3)) for some in maps]))
        model.x_encoder.scale.copy_(1 / torch.cat([some.std((0, 2, 3)) for some in maps]).clamp(min=1e-4))
        torch.nn.init.normal_(model.y_decoder.prefix_projection.weight)
        torch.nn.init.normal_(model.token_table.weight)


def tiny_bundle(*, seed: int = 0) -> Bundle:
    """A random model of size `tiny` for frames of 32 pixels and clips of 4 frames."""
    torch.manual_seed(seed)
    definition = tiny_tokenizer()
    query = Tokenizer(definition, TokenizerSettings(pad=3, start=1, max_tokens=64))
    target = Tokenizer(definition, TokenizerSettings(pad=3, start=1, end=2, max_tokens=64))
    model = VLJEPA(tiny()).eval()
    make_sensitive(model)
    return Bundle(
        model=model,
        processor=Processor(ProcessorSettings(resolution=32, pictures="middle and whole")),
        query_tokenizer=query,
        target_tokenizer=target,
        decoder_tokenizer=query,
        frames=4,
        name="tiny",
        calibration=Calibration(),
        fingerprint="0" * 12,
    )


def published_bundle() -> Bundle:
    """A minute random model of the paper's kinds of parts, V-JEPA 2 and EmbeddingGemma, which has no Y-Decoder."""
    bundle, settings = tiny_bundle(), tiny()
    torch.manual_seed(1)
    vision = VJEPA2Settings(resolution=32, hidden=24, intermediate=48, layers=1, heads=2)
    text = Gemma3Settings(
        vocab=300, hidden=24, intermediate=48, layers=2, heads=2, key_value_heads=1, head_width=8, shared=16
    )
    predictor = dataclasses.replace(settings.predictor, visual_width=vision.token_width)
    settings = dataclasses.replace(settings, x_encoder=vision, predictor=predictor, y_encoder=text, y_decoder=None)
    return dataclasses.replace(bundle, model=VLJEPA(settings).eval(), name="published")


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The random tiny model, saved."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    save_folder(tiny_bundle(), folder, card="# Random, for tests\n", int8=False)
    return folder


@pytest.fixture(scope="session")
def tiny_embedder(tiny_folder: Path) -> Embedder:
    """The random tiny model, opened in float32 on the CPU."""
    return Embedder(load_folder(tiny_folder))


@pytest.fixture
def other_embedder(tiny_embedder: Embedder) -> Embedder:
    """A second one on the same weights that has not seen any text yet."""
    return Embedder(dataclasses.replace(tiny_embedder.bundle))


@pytest.fixture(scope="session")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A JPEG with red on the left and blue on the right."""
    pixels = np.zeros((48, 64, 3), np.uint8)
    pixels[:, :32, 0] = pixels[:, 32:, 2] = 220
    path = tmp_path_factory.mktemp("media") / "halves.jpg"
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture(scope="session")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MP4 of 6 seconds at 8 frames a second: red, then green, then blue, with a square that moves."""
    frames = np.zeros((48, 48, 64, 3), np.uint8)
    for number, frame in enumerate(frames):
        frame[..., number // 16] = 200
        left = number % 48
        frame[10:26, left : left + 16] = 255
    path = tmp_path_factory.mktemp("media") / "colours.mp4"
    path.write_bytes(encode_mp4(frames, fps=8.0))
    return path
