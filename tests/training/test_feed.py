"""Decoded batches become the objective's: live as from the cache, and what is skipped or cut is counted."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.conftest import tiny_bundle

from vljepa.data.asking import AskSettings
from vljepa.data.collate import Example, collate
from vljepa.data.encode import encode_mp4
from vljepa.data.loader import LoaderError, LoaderSettings, Mixture, SourceSettings
from vljepa.data.media import read_clip
from vljepa.data.rows import RowType
from vljepa.data.shards import read_shard, write_listing, write_shard
from vljepa.embedder import shipped_folder
from vljepa.features import Features, FeaturesError, features_of, frame_features, write_features
from vljepa.objectives.joint_embedding import JointEmbedding, JointEmbeddingSettings
from vljepa.training.feed import Feed, rows_a_rank
from vljepa.training.record import Record, read_metrics
from vljepa.types import Sample
from vljepa.weights.folder import load_folder

CAPTION_ONLY = AskSettings(query_free=1.0)


def clip(number: int) -> bytes:
    random = np.random.default_rng(number)
    return encode_mp4(np.repeat(random.integers(0, 255, (6, 5, 6, 3), dtype=np.uint8), 8, 1).repeat(8, 2), fps=6.0)


def make_corpus(folder: Path, *, spoiled: int = 0, caption: str = "a ball") -> Path:
    samples = [
        Sample(
            key=f"clip-{number}",
            media=b"no clip" if number < spoiled else clip(number),
            extension="mp4",
            captions=(f"{caption} {number}",),
            source="made",
            licence="CC0",
            concept="x",
            split="train",
        )
        for number in range(8)
    ]
    write_listing(folder, [write_shard(folder, "made-000.tar", samples=samples) | {"source": "made"}])
    return folder


def make_feed(corpus: Path, run: Path, *, steps: int = 100, **settings: float) -> Feed:
    bundle = tiny_bundle()
    source = SourceSettings(corpus=str(corpus), frames=4)
    loader = LoaderSettings(sources={"made": source}, rows=4, asking=CAPTION_ONLY, **settings)  # type: ignore[arg-type]
    run.mkdir(exist_ok=True)
    return Feed(
        mixture=Mixture(loader, bundle.processor, steps=steps),
        model=bundle.model,
        query_tokenizer=bundle.query_tokenizer,
        target_tokenizer=bundle.target_tokenizer,
        record=Record(run / "metrics.jsonl", keep=False),
        stage="clips",
    )


def test_training_from_the_cache_gives_the_loss_of_training_live(tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path / "corpus")
    feed = make_feed(corpus, tmp_path / "run")
    decoded = feed.mixture[0]
    live = feed.batch(decoded)
    write_features(corpus, tmp_path / "features", feed.model.x_encoder, processor=feed.mixture.processor, num_frames=4)
    features = Features(tmp_path / "features")
    items = {item.key: item for item in features.items}
    rows = [
        Example(frames=features.frames(items[key]), query=asked.query, target=asked.target)
        for key, asked in zip(decoded.keys, decoded.asked, strict=True)
    ]
    cached = collate(rows, query_tokenizer=feed.query_tokenizer, target_tokenizer=feed.target_tokenizer)
    torch.testing.assert_close(cached.frames, live.frames, rtol=1e-3, atol=1e-3)
    # The cache holds float16, which a random model that standardises minute differences does feel.
    rounded = replace(live, frames=live.frames.half().float())
    objective = JointEmbedding(feed.model, JointEmbeddingSettings())
    torch.testing.assert_close(objective(rounded).total, objective(cached).total, rtol=5e-4, atol=0)
    wrong = collate(rows[::-1], query_tokenizer=feed.query_tokenizer, target_tokenizer=feed.target_tokenizer)
    assert not torch.allclose(objective.predict(wrong.frames, wrong.query), objective.predict(live.frames, live.query))


def test_every_number_type_of_the_cache_gives_the_shipped_model_its_live_loss(tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path / "corpus")
    bundle = load_folder(shipped_folder())
    encoder, processor = bundle.model.x_encoder, bundle.processor
    objective = JointEmbedding(bundle.model, JointEmbeddingSettings())
    samples = list(read_shard(corpus / "made-000.tar"))

    def loss(frames: list[torch.Tensor]) -> float:
        rows = [
            Example(frames=some, query="", target=sample.captions[0])
            for some, sample in zip(frames, samples, strict=True)
        ]
        batch = collate(rows, query_tokenizer=bundle.query_tokenizer, target_tokenizer=bundle.target_tokenizer)
        with torch.no_grad():
            return objective(batch).total.item()

    clips = [processor.frames_from_clip(read_clip(sample.media, num_frames=2)) for sample in samples]
    live = loss([frame_features(encoder, clip, processor) for clip in clips])
    folders = set()
    kinds: tuple[RowType, ...] = ("float16", "bfloat16", "int8")
    for kind in kinds:
        kept, _ = features_of(corpus, encoder, processor=processor, num_frames=2, report=print, kind=kind)
        assert loss([kept.frames(item) for item in kept.items]) == pytest.approx(live, rel=2e-3)
        folders.add(kept.fingerprint)
    assert len(folders) == 3
    with pytest.raises(FeaturesError, match="another encoder, processor, number of frames or number type"):
        into = corpus / "features" / kept.fingerprint
        write_features(corpus, into, encoder, processor=processor, num_frames=2, kind="float16")


def test_a_step_is_the_same_whichever_came_before(tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path / "corpus")
    one, other = (make_feed(corpus, tmp_path / "run") for _ in range(2))
    for step in range(4):
        (walked,) = one.draw(step)
    (jumped,) = other.draw(3)
    assert torch.equal(walked.frames, jumped.frames) and torch.equal(walked.targets.ids, jumped.targets.ids)


def test_skipped_samples_are_counted_by_reason_and_stop_the_run_above_the_budget(tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path / "corpus", spoiled=2)
    patient = make_feed(corpus, tmp_path / "run", skip_budget=0.9)
    for step in range(4):
        patient.draw(step)
    lines = read_metrics(tmp_path / "run" / "metrics.jsonl")
    assert lines[-1]["skipped_cannot_be_decoded"] == patient.skipped["cannot be decoded"] >= 4
    strict = make_feed(corpus, tmp_path / "run", skip_budget=0.01)
    with pytest.raises(LoaderError, match=r"of \d+ samples were skipped \(cannot be decoded: \d+\), more than skip_"):
        for step in range(40):
            strict.draw(step)


def test_a_caption_of_ten_thousand_words_is_cut_counted_and_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    feed = make_feed(make_corpus(tmp_path / "corpus", caption="a red ball " * 3334), tmp_path / "run")
    (batch,) = feed.draw(0)
    assert batch.targets.ids.shape[1] == feed.target_tokenizer.settings.max_tokens
    feed.draw(1)
    assert feed.cut == 8
    assert read_metrics(tmp_path / "run" / "metrics.jsonl")[0]["texts_cut"] == 4
    assert capsys.readouterr().err.count("longer than is read") == 1


def test_a_batch_is_dealt_evenly_or_not_at_all() -> None:
    assert rows_a_rank(24_576, ranks=192) == 128
    with pytest.raises(ValueError, match="100 rows cannot be dealt evenly to 3 ranks"):
        rows_a_rank(100, ranks=3)
