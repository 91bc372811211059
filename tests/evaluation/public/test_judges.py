"""Our models inside MTEB, sentence-transformers and lmms-eval, called as those programs call them."""

import dataclasses
import importlib
import tomllib
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from vljepa.embedder import Embedder
from vljepa.evaluation.judges.media import clip_from

ROOT = Path(__file__).parents[3]


def test_media_of_all_kinds_are_the_same_clip(video: Path, picture: Path) -> None:
    with Image.open(picture) as image:
        pixels = np.asarray(image)
    for medium in (
        picture,
        str(picture),
        picture.read_bytes(),
        Image.fromarray(pixels),
        pixels,
        {"bytes": picture.read_bytes()},
    ):
        assert torch.equal(clip_from(medium, num_frames=4).frames, torch.from_numpy(np.array(pixels))[None])
    frames = torch.arange(9, dtype=torch.uint8).view(9, 1, 1, 1).expand(9, 4, 5, 3)
    first = clip_from({"array": frames.permute(0, 3, 1, 2).numpy(), "video_metadata": {}}, num_frames=3).frames
    assert first[:, 0, 0, 0].tolist() == [0, 4, 8] and first.shape == (3, 4, 5, 3)
    assert clip_from({"path": str(video), "bytes": None}, num_frames=2).frames.shape[0] == 2
    with pytest.raises(ValueError, match="int is no medium"):
        clip_from(3, num_frames=2)
    with pytest.raises(ValueError, match="holds no frames"):
        clip_from(np.zeros((2, 3)), num_frames=2)


@pytest.fixture(scope="module")
def mteb() -> Iterator[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield importlib.import_module("vljepa.evaluation.judges.for_mteb")


def test_mteb_gets_texts_pictures_videos_and_questions(
    mteb: Any, tiny_folder: Path, video: Path, picture: Path
) -> None:
    from datasets import Dataset, Features, Value, Video
    from torch.utils.data import DataLoader

    encoder = mteb.Encoder(str(tiny_folder), None, device="cpu", query="what")
    model = Embedder.from_folder(tiny_folder, device="cpu")
    asked: dict[str, Any] = {"task_metadata": None, "hf_split": "test", "hf_subset": "default", "prompt_type": None}
    texts = encoder.encode(DataLoader(Dataset.from_dict({"text": ["a red ball", "the cat"]}), batch_size=2), **asked)
    assert np.allclose(texts, model.texts(["a red ball", "the cat"]).numpy(), atol=1e-6)
    clip = model.clip(video)
    rows = {"video": [{"bytes": video.read_bytes(), "path": None}] * 2, "text": ["what colour is the ball", "a"]}
    features = Features({"video": Video(decode=False), "text": Value("string")})
    both = Dataset.from_dict(rows, features=features).cast_column("video", Video())
    found = encoder.encode(DataLoader(both, batch_size=1), **asked)
    for row, query in zip(found, rows["text"], strict=True):
        assert np.allclose(row, model.predict_clips([clip], query)[0].numpy(), atol=1e-5)
    alone = encoder.encode(DataLoader(both.remove_columns("text"), batch_size=2), **asked)
    assert np.allclose(alone[0], model.predict_clips([clip], "what")[0].numpy(), atol=1e-5)
    with Image.open(picture) as image:
        seen = encoder.encode(DataLoader([{"image": image}], batch_size=1), **asked)
    assert np.allclose(seen[0], model.predict_clips([model.clip(picture)], "what")[0].numpy(), atol=1e-5)


def test_mteb_knows_what_the_model_is(mteb: Any, tiny_embedder: Embedder) -> None:
    meta = mteb.metadata(tiny_embedder)
    assert meta.name == "vljepa/tiny" and meta.revision == tiny_embedder.bundle.fingerprint
    assert set(meta.modalities) == {"text", "image", "video"} and meta.training_datasets == set()
    similarity = mteb.Encoder.similarity
    encoder = mteb.Encoder.__new__(mteb.Encoder)
    encoder.mteb_model_meta = meta
    assert similarity(encoder, torch.eye(2), torch.eye(2)).tolist() == [[1, 0], [0, 1]]


def test_mteb_measures_a_task_from_end_to_end(mteb: Any) -> None:
    from mteb import TaskMetadata, evaluate
    from mteb.abstasks.sts import AbsTaskSTS

    pairs = [
        ("a man plays a guitar", "a man is playing the guitar", 5.0),
        ("a dog runs on grass", "a dog is running across the grass", 4.8),
        ("a red ball rolls left", "a ball moves", 3.0),
        ("a woman cuts onions", "somebody cooks", 2.5),
        ("a train enters a station", "a child eats an apple", 0.2),
        ("two cats sleep", "stock prices fell on Monday", 0.0),
    ]

    class Pairs(AbsTaskSTS):  # type: ignore[misc]
        metadata = TaskMetadata(
            name="Pairs",
            dataset={"path": "none", "revision": "1"},
            description="six pairs of sentences",
            type="STS",
            category="t2t",
            eval_langs=["eng-Latn"],
            main_score="cosine_spearman",
        )

        def load_data(self, **_: Any) -> None:
            from datasets import Dataset, DatasetDict

            columns = dict(zip(("sentence1", "sentence2", "score"), zip(*pairs, strict=True), strict=True))
            self.dataset = DatasetDict(test=Dataset.from_dict(columns))
            self.data_loaded = True

    encoder = mteb.Encoder(device="cpu")
    told = evaluate(encoder, Pairs(), cache=None, co2_tracker=False, show_progress_bar=False)
    assert (told.model_name, told.model_revision) == ("vljepa/small", encoder.model.bundle.fingerprint)
    score = told.task_results[0].get_score()
    first, second, truth = zip(*pairs, strict=True)
    ours = (encoder.model.texts(list(first)) * encoder.model.texts(list(second))).sum(1)
    ranks = [torch.tensor(values).argsort().argsort().double() for values in (ours.tolist(), truth)]
    assert score == pytest.approx(float(torch.corrcoef(torch.stack(ranks))[0, 1]), abs=1e-6) and score > 0.7


def test_sentence_transformers_encodes_saves_and_loads(
    tiny_folder: Path, tiny_embedder: Embedder, video: Path, picture: Path, tmp_path: Path
) -> None:
    from sentence_transformers import SentenceTransformer

    from vljepa.evaluation.judges.for_sentence_transformers import VLJEPAModule

    model = SentenceTransformer(modules=[VLJEPAModule.from_folder(tiny_folder, query="what")], device="cpu")
    model.save(str(tmp_path / "saved"))
    again = SentenceTransformer(str(tmp_path / "saved"), device="cpu", trust_remote_code=True)
    clip = tiny_embedder.clip(video)
    square = tiny_embedder.clip(picture)
    for one in (model, again):
        assert np.allclose(one.encode(["a red ball", "the"]), tiny_embedder.texts(["a red ball", "the"]), atol=1e-5)
        assert np.allclose(one.encode(str(video)), tiny_embedder.predict_clips([clip], "what")[0], atol=1e-5)
        asked = [{"video": str(video), "text": "what colour is the ball"}, {"video": clip.frames.numpy(), "text": "a"}]
        for row, query in zip(one.encode(asked), ("what colour is the ball", "a"), strict=True):
            assert np.allclose(row, tiny_embedder.predict_clips([clip], query)[0], atol=2e-2)
        assert np.allclose(one.encode(str(picture)), tiny_embedder.predict_clips([square], "what")[0], atol=1e-5)
    assert again.get_embedding_dimension() == tiny_embedder.dim


@pytest.fixture
def lmms(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """lmms-eval's own interface and registry; its other dependencies are not needed for them."""
    pytest.importorskip("lmms_eval")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield importlib.import_module("vljepa.evaluation.judges.for_lmms_eval")


def test_lmms_eval_finds_the_model_by_the_entry_point(lmms: ModuleType) -> None:
    from lmms_eval.models.registry_v2 import ModelRegistryV2

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    module, _, name = project["entry-points"]["lmms_eval.models"]["vljepa"].partition(":")
    registry = ModelRegistryV2()
    registry.register_manifest(getattr(importlib.import_module(module), name)())
    assert registry.get_model_class("vljepa") is lmms.VLJEPA


def test_lmms_eval_gets_ranked_or_decoded_answers_and_is_told_which(
    lmms: ModuleType, tiny_folder: Path, picture: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from lmms_eval.api.instance import Instance

    model = lmms.VLJEPA.create_from_arg_string(f"folder={tiny_folder},device=cpu")
    asked = {
        "pope": "Is there a ball?\nAnswer the question using a single word or phrase.",
        "mmbench": "What colour is the ball?\nA. red\nB. blue\nAnswer with the option's letter directly.",
        "flickr": "what is the cat",
    }
    model.task_dict = {task: {"test": [{"image": str(picture)}]} for task in asked}
    requests = [
        Instance(
            request_type="generate_until",
            arguments=(context, {"until": ["\n"]}, lambda document: [document["image"]], 0, task, "test"),
            idx=0,
            metadata={"task": task, "doc_id": 0, "repeats": 1},
        )
        for task, context in asked.items()
    ]
    answers, ask = [], model._model.ask
    model._model.ask = lambda *given, **named: answers.append(ask(*given, **named)) or answers[-1]
    yes, letter, said = model.generate_until(requests)
    assert yes in ("yes", "no") and letter in ("A", "B")
    assert answers[-1].answer == said and not answers[-1].ranked and answers[0].ranked
    assert (model.ranked, model.decoded) == (2, 1) and "2 answers were ranked" in caplog.text
    assert lmms.question_of(asked["mmbench"]) == "What colour is the ball?"
    assert lmms.choices_of("How many cats?", task="tallyqa_test") == {str(n): str(n) for n in range(16)}
    with pytest.raises(NotImplementedError, match="not tokens"):
        model.loglikelihood([])
    two = dataclasses.replace(
        requests[0], arguments=(*requests[0].args[:2], lambda _: [picture, picture], 0, "pope", "test")
    )
    with pytest.raises(ValueError, match="shows 2 media"):
        model.generate_until([two])
