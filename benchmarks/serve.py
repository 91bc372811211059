"""Many clients with mixed requests for some minutes, against the same service that handles one request at a time.

`python benchmarks/serve.py` starts each of the two in a process of its own, with the shipped model and a library of its
stream, and prints for each requests a second, p50 and p99 by kind of request, and failures; then their ratio. The
alternative is the plain one: the same HTTP and the same tasks, behind one lock and without batches.
"""

import argparse
import base64
import io
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from vljepa.data.encode import encode_mp4
from vljepa.data.video import iterate
from vljepa.embedder import Embedder
from vljepa.library import Library
from vljepa.serving.app.build import create_app
from vljepa.serving.app.guard import Access
from vljepa.serving.app.metrics import Metrics
from vljepa.serving.app.server import Server, listen
from vljepa.serving.service.limits import Limits
from vljepa.serving.service.service import Service

STREAM = Path(str(resources.files("vljepa"))) / "shipped" / "stream.mp4"
WORDS = (
    "red", "green", "blue", "large", "small", "ball", "cube", "dog", "cat", "door", "street", "person", "hand", "cup",
    "table", "tree", "car", "boat", "bird", "book",
)  # fmt: skip
# Kinds of requests and how often each is sent.
MIX = {"embed text": 6, "search": 3, "embed picture": 3, "classify picture": 3, "answer video": 2, "caption picture": 3}
LIMITS = Limits(seconds=120, receive=120)


class OneAtATime(Service):
    """The same service with a lock around each request, and nothing to share a batch with."""

    def __init__(self, embedder: Embedder, **settings: Any) -> None:
        super().__init__(embedder, **settings)
        lock = threading.Lock()
        for name in ("embed", "classify", "answer", "caption", "search"):
            setattr(self, name, alone(getattr(self, name), lock))


def alone(method: Callable[..., Any], lock: threading.Lock) -> Callable[..., Any]:
    def locked(*given: Any, **named: Any) -> Any:
        with lock:
            return method(*given, **named)

    return locked


def serve(way: str, library: Path) -> None:
    metrics = Metrics()
    kind = Service if way == "batched" else OneAtATime
    service = kind(Embedder.from_folder(device="cpu"), library=library, limits=LIMITS, observe=metrics.batch)
    listening = listen("127.0.0.1", 0)
    print(listening.getsockname()[1], flush=True)
    Server(create_app(service, access=Access(), metrics=metrics), service).serve_on(listening)


@contextmanager
def served(way: str, library: Path) -> Iterator[tuple[int, int]]:
    """Port and process id of a service in a process of its own, which ends as Ctrl-C ends it."""
    process = subprocess.Popen(
        [sys.executable, __file__, "--serve", way, str(library)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline()), process.pid
    finally:
        process.send_signal(signal.SIGINT)
        if process.wait(120):
            sys.exit(f"the service ended with status {process.returncode}")


def bodies(seed: int) -> dict[str, list[bytes]]:
    """Requests of each kind, all of them different."""
    random_ = random.Random(seed)
    noise = np.random.default_rng(seed)

    def words(number: int) -> str:
        return " ".join(random_.sample(WORDS, number))

    def picture() -> str:
        coarse = Image.fromarray(noise.integers(0, 255, (12, 16, 3), np.uint8)).resize((640, 480))
        content = io.BytesIO()
        coarse.save(content, "JPEG", quality=85)
        return f"data:image/jpeg;base64,{base64.b64encode(content.getvalue()).decode()}"

    frames = [frame.numpy() for _, frame in iterate(STREAM, rate=8.0)]
    starts = random_.sample(range(len(frames) - 16), 60)
    clips = [base64.b64encode(encode_mp4(np.stack(frames[at : at + 16]), fps=8.0)).decode() for at in starts]
    pictures = [picture() for _ in range(200)]
    labels = [f"a {word}" for word in WORDS]
    made: dict[str, list[dict[str, Any]]] = {
        "embed text": [{"input": [words(4) for _ in range(4)]} for _ in range(2000)],
        "search": [{"text": words(4), "top": 5} for _ in range(2000)],
        "embed picture": [{"input": [{"type": "image_url", "image_url": {"url": one}}]} for one in pictures],
        "classify picture": [{"medium": one, "labels": labels} for one in pictures],
        "answer video": [
            {"medium": {"type": "video_base64", "video_base64": one}, "question": question, "candidates": WORDS[:5]}
            for one in clips
            for question in ("what colour is the ball?", "what is in the video?")
        ],
        "caption picture": [{"medium": one} for one in pictures],
    }
    return {kind: [json.dumps(content).encode() for content in contents] for kind, contents in made.items()}


def drive(port: int, requests: dict[str, list[bytes]], *, clients: int, seconds: float) -> dict[str, list[float]]:
    """Seconds that each answered request took, by kind; those that failed under "failed"."""
    told: dict[str, list[float]] = defaultdict(list)
    lock = threading.Lock()
    until = time.monotonic() + seconds

    def client(number: int) -> None:
        choose = random.Random(number)
        connection = HTTPConnection("127.0.0.1", port, timeout=120)
        while time.monotonic() < until:
            kind = choose.choices(list(MIX), list(MIX.values()))[0]
            begin = time.perf_counter()
            status = ask(connection, kind, choose.choice(requests[kind]))
            with lock:
                told[kind if status == 200 else f"failed: {kind} {status}"].append(time.perf_counter() - begin)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return told


def ask(connection: HTTPConnection, kind: str, body: bytes) -> int | str:
    path = {"embed": "embeddings", "search": "search", "classify": "classify", "answer": "answer", "caption": "caption"}
    try:
        connection.request("POST", f"/v1/{path[kind.split(maxsplit=1)[0]]}", body, {"Content-Type": "application/json"})
        reply = connection.getresponse()
        reply.read()
        return reply.status
    except (OSError, HTTPException) as error:
        connection.close()
        return type(error).__name__


def processor_seconds(process: int) -> float:
    """What a process has used of the processor; Linux alone tells it so."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def report(way: str, told: dict[str, list[float]], wall: float, processor: float) -> tuple[float, float]:
    """Print what was seen; the answers for each second of both clocks."""
    failed = Counter({kind: len(some) for kind, some in told.items() if kind.startswith("failed")})
    every = [second for kind in MIX for second in told[kind]]
    rates = len(every) / wall, len(every) / processor
    print(f"\n{way}: {len(every)} answers, {failed.total()} failed {dict(failed) or ''}")
    print(f"  {rates[0]:.1f} a second, {rates[1]:.1f} a second of the processor")
    for kind in (*MIX, "all"):
        some: Sequence[float] = every if kind == "all" else told[kind]
        if some:
            p50, p99 = np.quantile(some, [0.5, 0.99])
            print(f"  {kind:18} {len(some):6}   p50 {p50:6.2f} s   p99 {p99:6.2f} s")
    return rates


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=180.0)
    parser.add_argument("--alone-seconds", type=float, default=60.0, help="of the alternative, whose rate is steady")
    parser.add_argument("--serve", nargs=2, metavar=("WAY", "LIBRARY"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve[0], Path(options.serve[1]))
        return
    requests = bodies(seed=0)
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "library"
        with Library.open(library, Embedder.from_folder(device="cpu"), create=True) as made:
            made.add([STREAM])
        rates = {}
        for way, seconds in (("one at a time", options.alone_seconds), ("batched", options.seconds)):
            with served(way, library) as (port, process):
                drive(port, requests, clients=4, seconds=5)  # warms up
                before = processor_seconds(process)
                begin = time.monotonic()
                told = drive(port, requests, clients=options.clients, seconds=seconds)
                clocks = (time.monotonic() - begin, processor_seconds(process) - before)
                rates[way] = report(way, told, *clocks)
    wall, processor = (rates["batched"][clock] / rates["one at a time"][clock] for clock in (0, 1))
    print(f"\n{options.clients} clients, batched to one at a time: {wall:.2f} by the clock on the wall, ", end="")
    print(f"{processor:.2f} by the processor's, which other work on the machine touches less")


if __name__ == "__main__":
    main()
