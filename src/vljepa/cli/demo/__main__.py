"""The demo from beginning to end: media, model, page; prints where to open it."""

import platform
import sys
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path

from vljepa.cli.output import note, say, write_whole


def main(argv: list[str] | None = None) -> int:
    """Make the demo; status 2 with one sentence where something that was given is wrong."""
    parser = ArgumentParser(prog="python -m vljepa.cli.demo", description="Watch, classify and ask, as one page.")
    parser.add_argument("--into", type=Path, default=Path("demo"), metavar="FOLDER", help="where the page goes")
    parser.add_argument("--cache", type=Path, metavar="FOLDER", help="downloaded packages (default: INTO/packages)")
    parser.add_argument("--model", type=Path, metavar="FOLDER", help="a model folder; without it the shipped one")
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda ...")
    parser.add_argument("--rate", type=float, default=0.2, metavar="HZ", help="decodes a second (default: 0.2)")
    options = parser.parse_args(argv)
    try:
        page = make_demo(options)
    except ValueError as error:
        note(f"demo: {error}")
        return 2
    say(f"Open {page.resolve().as_uri()}")
    return 0


def make_demo(options: Namespace) -> Path:
    """Gather, watch, name, ask, write `index.html`; the page needs no network and no other file."""
    import torch

    from vljepa.cli.demo.media import gather_media
    from vljepa.cli.demo.page import Facts, page
    from vljepa.cli.demo.story import photo_stories, stream_story
    from vljepa.embedder import Embedder
    from vljepa.runtime import num_cores
    from vljepa.streaming.watch import WatchSettings

    settings = WatchSettings(rate=options.rate)
    begin = time.perf_counter()
    note("opening the model ...")
    embedder = Embedder.from_folder(options.model, device=options.device)
    opened = time.perf_counter() - begin
    cache = options.cache or options.into / "packages"
    media = gather_media(options.into / "media", cache=cache, tell=note)
    working = time.perf_counter()
    streams = []
    for footage in media.footage:
        note(f"watching {footage.path.name} ...")
        streams.append(stream_story(footage, embedder, settings=settings))
    note(f"naming and asking about {len(media.photos)} photographs ...")
    photos = photo_stories(media.photos, embedder)
    facts = Facts(
        model=f"{embedder.name} {embedder.bundle.fingerprint}",
        machine=f"{platform.machine()}, {num_cores()} cores, {embedder.device.type}, torch {torch.__version__}",
        seconds_open=opened,
        seconds_work=time.perf_counter() - working,
        missing=media.missing,
        unsure=embedder.calibration.unsure,
    )
    target = options.into / "index.html"
    write_whole(target, page(streams, photos, facts=facts).encode())
    return target


if __name__ == "__main__":
    sys.exit(main())
