"""Many threads ask one model: each gets what it would get alone, and they are computed together."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch

from vljepa.embedder import Embedder
from vljepa.serving.service.shared import SharedEmbedder, in_background
from vljepa.serving.service.worker import Worker
from vljepa.streaming.watch import WatchSettings, watch
from vljepa.tasks.answer import answer
from vljepa.tasks.caption import caption
from vljepa.tasks.classify import classify


def test_answers_are_those_of_the_embedder_itself_and_batches_grow(
    tiny_embedder: Embedder, other_embedder: Embedder, picture: Path, video: Path
) -> None:
    sizes: dict[str, list[int]] = {}
    worker = Worker(most_waiting=100, observe=lambda kind, size, seconds: sizes.setdefault(kind, []).append(size))
    shared = SharedEmbedder(other_embedder, worker)
    clips = [tiny_embedder.clip(picture), tiny_embedder.clip(video)]
    start = threading.Barrier(17)

    def ask(place: int, embedder: Embedder) -> Any:
        clip, query = clips[place % 2], ("", "what is it?")[place // 2 % 2]
        if place == 16:
            return caption(embedder, [clip])[0].caption
        if place % 3:
            return classify(embedder, [clip], labels=["red", "green", f"blue {place}"], query=query)[0].scores
        return answer(embedder, [clip], question="what colour?", candidates=["red", f"cat {place}"])[0].scores

    def ask_at_once(place: int) -> Any:
        start.wait(10)
        return ask(place, shared)

    with ThreadPoolExecutor(17) as pool:
        found = list(pool.map(ask_at_once, range(17)))
        alone = pool.submit(lambda: [ask(place, tiny_embedder) for place in range(17)]).result(60)
    worker.close()
    assert found[-1] == alone[-1]
    for got, expected in zip(found[:-1], alone[:-1], strict=True):
        assert [score.label for score in got] == [score.label for score in expected]
        assert [score.cosine for score in got] == pytest.approx([score.cosine for score in expected], abs=1e-4)
    assert sum(sizes["clips"]) == 17
    assert max(sizes["clips"]) > 1


def test_a_stream_beside_requests_tells_the_same_as_alone(
    tiny_embedder: Embedder, other_embedder: Embedder, video: Path
) -> None:
    worker = Worker(most_waiting=100)
    shared = SharedEmbedder(other_embedder, worker)
    settings = WatchSettings(online="cluster", decode="never", rate=1.0, trace=True)
    over = threading.Event()

    def keep_asking() -> None:
        while not over.is_set():
            shared.texts(["a red ball"])

    thread = threading.Thread(target=keep_asking)
    thread.start()
    with in_background():
        told = list(watch(video, shared, settings=settings))
    over.set()
    thread.join()
    worker.close()
    alone = list(watch(video, tiny_embedder, settings=settings))
    kept = ("event", "start", "end", "windows")
    assert [[event.get(name) for name in kept] for event in told] == [[e.get(name) for name in kept] for e in alone]


def test_a_wrong_text_is_told_to_the_one_who_sent_it(other_embedder: Embedder) -> None:
    worker = Worker(most_waiting=100)
    shared = SharedEmbedder(other_embedder, worker)
    with pytest.raises(ValueError, match="longer than"):
        shared.texts(["word " * 500])
    assert torch.allclose(shared.texts(["cat"]), other_embedder.texts(["cat"]))
    worker.close()
