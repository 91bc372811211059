"""`vljepa embed`: vectors of pictures, videos and texts, as JSON or as a NumPy file."""

import io
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from vljepa.cli.options import add_model_options, add_range_options, open_model
from vljepa.cli.output import check_can_write, note, say, say_json, write_whole

SHOWN = 4


def add_options(parser: ArgumentParser) -> None:
    """Media, texts, and where the vectors go."""
    parser.add_argument("media", nargs="*", type=Path, metavar="MEDIA", help="pictures and videos")
    parser.add_argument("--text", nargs="+", default=[], metavar="T", help="texts to embed into the same space")
    parser.add_argument("--query", default="", help="a question: the vectors are those of its answers")
    parser.add_argument("--out", type=Path, metavar="F.npy", help="write all vectors as rows of one float32 array")
    add_range_options(parser)
    add_model_options(parser)


def run(options: Namespace) -> None:
    """Embed everything, then write."""
    if not options.media and not options.text:
        raise ValueError("there is nothing to embed: give pictures, videos, or --text")
    if options.out is not None:
        check_can_write(options.out, read=options.media)
    entries, model = _entries(options)
    vectors = [entry.pop("vector") for entry in entries]
    if options.out is not None:
        _write(options.out, vectors)
        note(f"{len(vectors)} vectors of {len(vectors[0])} numbers in {options.out}")
    if options.json:
        if options.out is None:
            entries = [entry | {"vector": vector} for entry, vector in zip(entries, vectors, strict=True)]
        say_json({"embeddings": entries, "model": model})
        return
    for entry, vector in zip(entries, vectors, strict=True):
        some = ", ".join(f"{number:+.4f}" for number in vector[:SHOWN])
        say(f"{entry['kind']}  {entry['input']}  {entry['dim']} numbers: {some} ...")


def _entries(options: Namespace) -> tuple[list[dict[str, Any]], str]:
    """What is said of each input, with its vector, and the model's name and fingerprint."""
    from vljepa.data.media import media_kind

    model = open_model(options, texts_alone=not options.media)
    entries: list[dict[str, Any]] = []
    for path in options.media:
        vector = model.embed(path, query=options.query, start=options.start, end=options.end)
        entries.append({"input": str(path), "kind": media_kind(path), "dim": len(vector), "vector": vector.tolist()})
    for text in options.text:
        vector = model.embed(text=text)
        entries.append({"input": text, "kind": "text", "dim": len(vector), "vector": vector.tolist()})
    bundle = model.embedder.bundle
    return entries, f"{bundle.name} {bundle.fingerprint}"


def _write(path: Path, vectors: list[list[float]]) -> None:
    import numpy as np

    content = io.BytesIO()
    np.save(content, np.array(vectors, dtype=np.float32))
    write_whole(path, content.getvalue())
