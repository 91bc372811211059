"""The kinds of sources that `vljepa prepare KIND SOURCE` knows, each with its reader; opened only when asked for.

`folder`: media with a CSV or JSONL. `webdataset`: image-text shards (key.jpg, key.txt, key.json), as DataComp
and CC are fetched. `plm`: conversations, one JSON object a line, as PerceptionLM trains on. `action100m`: its parquet
files, with the videos in --media.
"""

from pathlib import Path

from vljepa.data.readers.row import Source


def open_source(kind: str, source: str, *, table: Path | None = None, media: Path | None = None) -> Source:
    """The opened source. Raises ReaderError."""
    if kind == "folder":
        from vljepa.data.readers.table import open_table

        return open_table(Path(source), table=table)
    if kind == "webdataset":
        from vljepa.data.readers.image_text import open_image_text

        return open_image_text(source)
    if kind == "plm":
        from vljepa.data.readers.plm import open_plm

        return open_plm(Path(source), media=media)
    from vljepa.data.readers.action100m import open_action100m

    return open_action100m(Path(source), media=media)
