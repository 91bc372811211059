"""Other people's models: tiny random ones, saved as theirs are published, measured on the same items."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.conftest import tiny_tokenizer
from tests.evaluation.public import miniatures

from vljepa.cli.main import main
from vljepa.data.encode import encode_mp4
from vljepa.data.media import read_clip
from vljepa.evaluation.backends.opened import open_backend
from vljepa.evaluation.backends.published import BackendError, TwoTowers


def fast_tokenizer(folder: Path) -> None:
    import tokenizers
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=tokenizers.Tokenizer.from_str(tiny_tokenizer()),
        pad_token="<pad>",
        bos_token="<start>",
        eos_token="<end>",
        unk_token="<stop>",
        model_max_length=32,
    )
    tokenizer.save_pretrained(folder)


SIZES = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2}


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CLIP's layout: short side, centre crop, bicubic, OpenAI's colours."""
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel

    folder = tmp_path_factory.mktemp("published") / "clip"
    torch.manual_seed(1)
    text = {**SIZES, "vocab_size": 300, "max_position_embeddings": 32, "eos_token_id": 2, "bos_token_id": 1}
    vision = {**SIZES, "image_size": 32, "patch_size": 8}
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=12))
    model.save_pretrained(folder)
    size = {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}
    CLIPImageProcessorPil(**size).save_pretrained(folder)
    fast_tokenizer(folder)
    return folder


@pytest.fixture(scope="module")
def siglip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SigLIP 2's layout of fixed size: squashed, mean and deviation a half."""
    from transformers import SiglipConfig, SiglipImageProcessorPil, SiglipModel

    folder = tmp_path_factory.mktemp("published") / "siglip2"
    torch.manual_seed(2)
    text = {**SIZES, "vocab_size": 300, "max_position_embeddings": 32, "projection_size": 16}
    vision = {**SIZES, "image_size": 32, "patch_size": 8}
    model = SiglipModel(SiglipConfig(text_config=text, vision_config=vision))
    model.save_pretrained(folder)
    SiglipImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    fast_tokenizer(folder)
    return folder


@pytest.fixture(scope="module")
def sentence_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Transformer, mean over tokens, a dense layer, normalisation: the modules of EmbeddingGemma and its kind."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer import modules as models
    from transformers import BertConfig, BertModel

    root = tmp_path_factory.mktemp("published")
    torch.manual_seed(3)
    BertModel(BertConfig(vocab_size=300, max_position_embeddings=40, **SIZES)).save_pretrained(root / "bert")
    fast_tokenizer(root / "bert")
    transformer = models.Transformer(str(root / "bert"), max_seq_length=16)
    modules = [transformer, models.Pooling(16), models.Dense(16, 8, bias=False), models.Normalize()]
    SentenceTransformer(modules=modules, device="cpu").save(str(root / "sentences"))
    return root / "sentences"


@pytest.fixture
def folders(clip_folder: Path, siglip_folder: Path, tiny_folder: Path) -> dict[str, Path]:
    return {"clip": clip_folder, "siglip2": siglip_folder, "vljepa": tiny_folder}


@pytest.mark.parametrize("kind", ["clip", "siglip2"])
def test_two_towers_equal_the_librarys_own_path(kind: str, folders: dict[str, Path], picture: Path) -> None:
    from transformers import AutoModel, AutoTokenizer, CLIPImageProcessorPil, SiglipImageProcessorPil

    folder = folders[kind]
    backend = open_backend(f"{kind}:{folder}", device="cpu")
    model = AutoModel.from_pretrained(folder).eval()
    processor = {"clip": CLIPImageProcessorPil, "siglip2": SiglipImageProcessorPil}[kind].from_pretrained(folder)
    pixels = processor(images=Image.open(picture).convert("RGB"), return_tensors="pt")
    tokens = AutoTokenizer.from_pretrained(folder)(
        ["a red ball", "cat"], padding="max_length", max_length=32, truncation=True, return_tensors="pt"
    )
    tokens.pop("token_type_ids", None)
    with torch.inference_mode():
        seen = model.get_image_features(**pixels).pooler_output
        said = model.get_text_features(**tokens).pooler_output
    predicted = backend.predict(backend.see([backend.clip(picture)]), ["ignored"])
    assert torch.allclose(predicted, torch.nn.functional.normalize(seen, dim=-1), atol=1e-5)
    assert torch.allclose(backend.texts(["a red ball", "cat"]), torch.nn.functional.normalize(said, dim=-1), atol=1e-5)
    assert backend.dim == predicted.shape[1] and backend.cuts(["a " * 60, "cat"]) == 1


def test_a_clip_is_the_mean_of_its_frames_and_grey_is_what_the_blind_see(clip_folder: Path, video: Path) -> None:
    backend = open_backend(f"clip:{clip_folder}", device="cpu")
    clip = backend.clip(video)
    assert clip.frames.shape == read_clip(video, num_frames=8).frames.shape
    (frames,) = backend.see([clip])
    assert frames.shape == (8, 12)
    assert torch.allclose(backend.predict([frames], [""])[0], torch.nn.functional.normalize(frames.mean(0), dim=0))
    grey = torch.full((1, 40, 40, 3), 127, dtype=torch.uint8)
    (seen,) = backend.see([type(clip)(frames=grey, times=torch.zeros(1))])
    assert torch.allclose(backend.blank(3), seen.expand(3, -1), atol=1e-5)


def test_sentences_equal_their_library_and_see_nothing(
    sentence_folder: Path, picture: Path, tmp_path: Path, video: Path
) -> None:
    from sentence_transformers import SentenceTransformer

    backend = open_backend(f"sentence-transformers:{sentence_folder}", device="cpu")
    texts = ["a red ball", "the cat opens the door"]
    theirs = SentenceTransformer(str(sentence_folder), device="cpu").encode(texts)
    assert np.allclose(backend.texts(texts).numpy(), theirs, atol=1e-6)
    assert backend.dim == 8 and backend.cuts(["a " * 40, "cat"]) == 1
    with pytest.raises(BackendError, match="sees nothing"):
        backend.clip(picture)
    root = miniatures.miniature("clevr", tmp_path, video=video, picture=picture)
    assert (
        main(["evaluate", "clevr", "--root", str(root), "--embedder", f"sentence-transformers:{sentence_folder}"]) == 2
    )


def test_all_models_are_measured_on_the_same_items(
    folders: dict[str, Path], tmp_path: Path, video: Path, picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = miniatures.miniature("msrvtt", tmp_path / "root", video=video, picture=picture)
    noise = torch.randint(0, 255, (8, 48, 64, 3), dtype=torch.uint8)
    (root / "videos" / "video9771.mp4").write_bytes(encode_mp4(noise, fps=4.0))
    reports = []
    for kind, folder in folders.items():
        arguments = ["evaluate", "msrvtt", "--root", str(root), "--cache", str(tmp_path / "cache"), "--device", "cpu"]
        assert main([*arguments, "--embedder", f"{kind}:{folder}", "--json"]) == 0
        reports.append(json.loads(capsys.readouterr().out))
    rows = [[(row["name"], row["num_items"], set(row["baselines"])) for row in report["rows"]] for report in reports]
    assert rows[0] == rows[1] == rows[2]
    assert len({report["receipt"]["model"] for report in reports}) == 3
    assert len({report["receipt"]["data"] for report in reports}) == 1
    first = next(row for row in reports[0]["rows"] if row["name"] == "text to video, R@1")
    # The mean of frames knows no order, so shuffling cannot change what CLIP says.
    assert first["baselines"]["shuffled"] == first["score"]
    assert "transformers" in reports[0]["receipt"]["versions"]


def test_another_kind_of_model_is_refused(siglip_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="holds a model of type 'siglip', expected 'clip'"):
        TwoTowers(siglip_folder, kinds=("clip",), device=torch.device("cpu"))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "clip"}))
    with pytest.raises(BackendError, match="cannot be opened as clip"):
        open_backend(f"clip:{tmp_path}", device="cpu")
