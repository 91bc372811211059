"""`vljepa watch`: follow a video source and speak when its meaning changes."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vljepa.cli.options import add_model_options, add_range_options, open_model
from vljepa.cli.output import check_can_write, fidelity_text, note, say, say_json, seconds_text
from vljepa.data.errors import name_of

if TYPE_CHECKING:
    from vljepa.streaming.sinks import Sink
    from vljepa.streaming.stream import Progress


def add_options(parser: ArgumentParser) -> None:
    """Source, windows, and when to decode; the defaults are those of WatchSettings."""
    parser.add_argument(
        "source",
        metavar="SOURCE",
        help="a video file, a folder of frames, an address (http, rtsp ...), camera:0, or - for standard input",
    )
    parser.add_argument(
        "--decode",
        default="selective",
        choices=("selective", "ward", "uniform", "every", "never"),
        help="once for each stretch of one meaning (default; ward: as in the paper), at even steps, for every window, "
        "or not at all",
    )
    parser.add_argument(
        "--rate", type=float, default=0.2, metavar="HZ", help="decodes a second to spend (default: 0.2)"
    )
    parser.add_argument(
        "--online",
        nargs="?",
        const="clear",
        choices=("clear", "cluster", "change", "variance"),
        metavar="METHOD",
        help="tell segments while the video runs, not after it: by clear (default), cluster, change or variance",
    )
    parser.add_argument("--window", type=float, default=2.0, metavar="S", help="seconds in one embedding (default: 2)")
    parser.add_argument("--hop", type=float, default=0.5, metavar="S", help="seconds between embeddings (default: 0.5)")
    parser.add_argument("--query", default="", help="what is asked of every window, instead of a caption")
    parser.add_argument(
        "--trigger",
        action="append",
        default=[],
        metavar="TEXT",
        help="say when this is seen; may be given several times",
    )
    parser.add_argument(
        "--threshold",
        type=float,
        default=3.0,
        metavar="SD",
        help="standard deviations by which a trigger stands out among everyday captions (default: 3)",
    )
    parser.add_argument(
        "--cooldown",
        type=float,
        default=10.0,
        metavar="S",
        help="seconds before the same trigger may be told again (default: 10)",
    )
    _add_clips(parser)
    parser.add_argument("--fps", type=float, metavar="N", help="frames a second of a folder of frames")
    parser.add_argument(
        "--when-slow",
        choices=("drop", "wait"),
        help="when frames come faster than the model: drop the oldest (default in real time) or wait (all else)",
    )
    _add_sinks(parser)
    add_range_options(parser)
    add_model_options(parser)


def _add_clips(parser: ArgumentParser) -> None:
    """What is saved around triggers."""
    parser.add_argument(
        "--save-clips", type=Path, metavar="DIR", help="save what is seen around each trigger there, as MP4"
    )
    for side in ("before", "after"):
        parser.add_argument(
            f"--{side}",
            type=float,
            default=5.0,
            metavar="S",
            help=f"seconds of a saved clip {side} the trigger's window (default: 5)",
        )


def _add_sinks(parser: ArgumentParser) -> None:
    """Where events go besides standard output."""
    parser.add_argument("--srt", type=Path, metavar="F", help="write the captions as subtitles, too")
    parser.add_argument("--vtt", type=Path, metavar="F", help="the same as WebVTT, for web players")
    parser.add_argument("--jsonl", type=Path, metavar="F", help="write every event as a line of JSON, too")
    parser.add_argument("--webhook", metavar="URL", help="post every event there as JSON, too")
    parser.add_argument("--mqtt", metavar="URL", help="publish every event under mqtt://host/topic, too")
    parser.add_argument(
        "--serve-events", metavar="[HOST:]PORT", help="send every event to browsers at http://HOST:PORT/events, too"
    )


def run(options: Namespace) -> int:
    """Tell the events as they come, here and to the sinks; status 2 where one of those could not keep them all."""
    from vljepa.streaming.event_clips import ClipSettings
    from vljepa.streaming.triggers import TriggerSettings
    from vljepa.streaming.watch import WatchSettings

    settings = WatchSettings(
        decode=options.decode,
        rate=options.rate,
        online=options.online,
        triggers=TriggerSettings(texts=tuple(options.trigger), threshold=options.threshold, cooldown=options.cooldown),
        clips=options.save_clips
        and ClipSettings(folder=options.save_clips, before=options.before, after=options.after),
        window=options.window,
        hop=options.hop,
        query=options.query.strip(),
        start=options.start,
        end=options.end,
        fps=options.fps,
        when_slow=options.when_slow,
    )
    failed = False
    with _sinks(options) as sinks:
        model = open_model(options)
        with _progress(name_of(options.source)) as progress:
            found = model.watch(options.source, settings=settings, progress=progress)
            first = next(found)
        for event in chain([first], found):
            say_json(event) if options.json else _say_event(event)
            failed |= _put(event, sinks)
    return 2 if failed else 0


def _put(event: dict[str, Any], sinks: list["Sink"]) -> bool:
    """Hand the event to each sink; whether one failed, which is told and left out from then on: the others go on."""
    failed = False
    for sink in sinks.copy():
        try:
            sink.put(event)
        except ValueError as error:
            note(f"vljepa: {error}")
            sinks.remove(sink)
            sink.close()
            failed = True
    return failed


@contextmanager
def _sinks(options: Namespace) -> Iterator[list["Sink"]]:
    """The sinks that were asked for: checked before the long work, closed after it."""
    from vljepa.streaming.sinks import JsonLines, SubRip, WebVtt

    kinds = ((SubRip, options.srt), (WebVtt, options.vtt), (JsonLines, options.jsonl))
    paths = [path for _, path in kinds if path is not None]
    for path in paths:
        check_can_write(path, read=[options.source])
    if len({path.resolve() for path in paths}) < len(paths):
        raise ValueError(f"{paths[-1]} was named for two kinds of output: give each a file of its own")
    files = [kind(path) for kind, path in kinds if path is not None]
    sinks: list[Sink] = [*files]
    try:
        _open_network(options, sinks)
        yield sinks
    finally:
        for sink in sinks:
            sink.close()
    if written := [str(path) for file, path in zip(files, paths, strict=True) if file in sinks]:
        note(f"written: {', '.join(written)}")


def _open_network(options: Namespace, sinks: list["Sink"]) -> None:
    """Add the sinks that listen or connect; those that are open already are closed by the caller where one fails."""
    if options.webhook is not None:
        from vljepa.streaming.webhook import Webhook

        sinks.append(Webhook(options.webhook))
    if options.mqtt is not None:
        from vljepa.streaming.mqtt import Mqtt

        sinks.append(Mqtt(options.mqtt))
    if options.serve_events is not None:
        from vljepa.streaming.event_server import EventServer

        server = EventServer(options.serve_events)
        sinks.append(server)
        note(f"events are at {server.address}/events")


def _say_event(event: dict[str, Any]) -> None:
    if event["event"] == "summary":
        _say_summary(event)
        return
    if event["event"] == "trigger":
        text = f"! {event['text']}   (score {event['score']:.1f})"
    elif event["event"] == "clip":
        text = f"saved {event['path']}"
    elif event["caption"] is None:
        text = "(not decoded)"
    else:
        text = f"{event['caption']}   ({fidelity_text(event['fidelity'], unsure=event['unsure'])})"
    say(f"{seconds_text(event['start'])} - {seconds_text(event['end'])}  {text}")


def _say_summary(event: dict[str, Any]) -> None:
    spent = event["seconds_read"] + event["seconds_embed"] + event["seconds_decode"]
    say(
        f"{event['decodes']} decodes for {event['windows']} windows; "
        f"{event['seconds_media']:.0f} s of video watched in {spent:.1f} s"
    )
    if event["skipped_packets"]:
        note(f"{event['skipped_packets']} damaged or missing packets or frames were passed over")
    if event["dropped_frames"]:
        note(f"{event['dropped_frames']} frames were dropped: the model is slower than the stream, try a longer --hop")
    if event["interrupted"]:
        note("stopped before the end: this is what was seen until then")


@contextmanager
def _progress(source: str) -> Iterator["Progress"]:
    """A line on the terminal with the second that was reached; silent where standard error is a file or a pipe."""
    if not sys.stderr.isatty():
        yield lambda seconds: None
        return
    from rich.console import Console

    with Console(stderr=True).status(f"watching {source}") as status:
        yield lambda seconds: status.update(f"watching {source}: {seconds_text(seconds)}")
