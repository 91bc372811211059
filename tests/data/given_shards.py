"""Shards with the fields of the photo and clip folders that users give, for tests of what reads them."""

import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vljepa.data.packages import sha256_of

OPENSTAX = {
    "captions": ["A photo of a dog on a beach. The dog is brown."],
    "context": "Dogs like beaches. They also like parks.",
    "credit": "(credit: someone)",
    "several_panels": False,
    "core": True,
    "book": "college-physics-bundle",
    "section": "Dogs",
    "source": "openstax/books@1",
    "licence": "CC BY 4.0",
}
GROCERY = {"captions": ["Conference"], "label": "Conference", "coarse": "Pear", "source": "shop", "licence": "MIT"}


def write_given(folder: Path, shards: Mapping[str, Sequence[Mapping[str, Any]]]) -> Path:
    """`shards`: name such as openstax-000.tar -> records; the medium of each is its own number."""
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for name, records in shards.items():
        with tarfile.open(folder / name, "w") as archive:
            for number, record in enumerate(records):
                key = f"{name.removesuffix('.tar')}-{number}"
                extension = record.get("extension", "jpg")
                for file, content in (
                    (f"{key}.{extension}", key.encode()),
                    (f"{key}.json", json.dumps(record).encode()),
                ):
                    entry = tarfile.TarInfo(file)
                    entry.size = len(content)
                    archive.addfile(entry, io.BytesIO(content))
        path = folder / name
        entries.append({"name": name, "count": len(records), "bytes": path.stat().st_size, "sha256": sha256_of(path)})
    (folder / "shards.json").write_text(json.dumps({"shards": entries}))
    return folder
