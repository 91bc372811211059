"""The demo's page as one HTML text: no request leaves it, it reads in light and dark, aloud and without scripts."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources

from vljepa.cli.demo.story import Cost, PhotoStory, StreamStory, best_scores
from vljepa.cli.output import seconds_text
from vljepa.streaming.narrator import Description

GOLDEN_ANGLE = 137.5
COST_NAMES = {"selective": "when the meaning changes", "uniform": "at even steps, as often", "every": "every window"}


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the page says about how it was made; `unsure`: the model's line below which words are marked, if any."""

    model: str
    machine: str
    seconds_open: float
    seconds_work: float
    missing: tuple[str, ...]
    unsure: float | None


def page(streams: Sequence[StreamStory], photos: Sequence[PhotoStory], *, facts: Facts) -> str:
    """The whole document."""
    body = "".join(
        [
            _header(streams, photos, facts),
            "<main>",
            *(f'<p class="missing">{escape(sentence)}</p>' for sentence in facts.missing),
            *(_stream(stream) for stream in streams),
            _photos(photos) if photos else "",
            "</main>",
            _footer(facts),
        ]
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>vljepa: what the model saw</title><link rel="icon" href="data:,"><style>{_asset("page.css")}</style>'
        f"</head><body>{body}<script>{_asset('page.js')}</script></body></html>\n"
    )


def _asset(name: str) -> str:
    return (resources.files("vljepa.cli.demo") / name).read_text(encoding="utf-8")


def _header(streams: Sequence[StreamStory], photos: Sequence[PhotoStory], facts: Facts) -> str:
    watched = sum(stream.end - stream.start for stream in streams)
    spent = sum(stream.seconds_spent for stream in streams)
    decodes, windows = (
        sum(stream.costs[0].decodes for stream in streams),
        sum(stream.windows for stream in streams),
    )
    tiles: list[tuple[str, str]] = []
    if streams:
        tiles += [
            ("video watched", f"{watched:.0f} s"),
            ("faster than real time", f"{watched / max(spent, 1e-9):.1f} &times;"),
        ]
        tiles += [("windows put into words", f"{decodes} of {windows}")]
    if photos:
        middle = sorted(photo.milliseconds for photo in photos)[len(photos) // 2]
        tiles += [("to name a photograph", f"{middle:.0f} ms")]
    shown = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in tiles)
    return (
        '<header><p class="mark">vljepa</p><h1>It watches everything and speaks when the meaning changes.</h1>'
        '<p class="lead">One model looks at video as a path of embeddings. Words are decoded only where the path '
        "turns. The same embeddings name photographs and answer questions. Everything here was computed on this "
        f'machine in {facts.seconds_work:.0f} seconds.</p><dl class="tiles">{shown}</dl></header>'
    )


def _stream(stream: StreamStory) -> str:
    name = escape(stream.name)
    length = stream.end - stream.start
    best, every = stream.costs[0], stream.costs[-1]
    even = "As many even steps stand for the video as well."
    if stream.enough_even > best.decodes:
        even = f"Even steps need <b>{stream.enough_even}</b> to stand for the video as well."
    sentence = (
        f"<b>{best.decodes}</b> decodes tell {length:.0f} seconds; decoding every window would take "
        f"<b>{every.decodes}</b>. {even}"
    )
    strip = "".join(f'<img src="{picture}" alt="" loading="lazy">' for picture in stream.strip)
    truth = ""
    if stream.truth:
        truth = f'<p class="row">What really happens</p><div class="band thin">{_truth(stream)}</div>'
    return (
        f'<section aria-labelledby="{name}"><h2 id="{name}">{escape(stream.title)}</h2>'
        f'<p class="credit">{escape(stream.credit)}</p><p class="told">{sentence}</p><div class="panel">'
        f'<div class="strip" role="img" aria-label="Frames from beginning to end">{strip}</div>'
        f'<p class="row">How fast the meaning changes</p>{_curve(stream)}'
        f'<p class="row">What the model says</p><div class="band">{_band(stream)}</div>{truth}{_ticks(stream)}'
        f'<ol class="segments">{_segments(stream)}</ol>{_costs(stream.costs)}</div></section>'
    )


def _place(stream: StreamStory, seconds: float) -> float:
    """Where a second lies, in hundredths of the timeline."""
    return 100 * (seconds - stream.start) / max(stream.end - stream.start, 1e-9)


def _curve(stream: StreamStory) -> str:
    top = max((value for _, value in stream.curve), default=0.0) or 1.0
    points = [f"{_place(stream, seconds):.2f},{100 - 92 * value / top:.2f}" for seconds, value in stream.curve]
    cuts = [_place(stream, description.start) for description in stream.told[1:]]
    lines = "".join(f'<line class="cut" x1="{at:.2f}" x2="{at:.2f}" y1="0" y2="100"/>' for at in cuts)
    first, last = points[0].split(",")[0], points[-1].split(",")[0]
    dots = "".join(
        f'<span class="dot" style="left:{_place(stream, description.time):.2f}%"></span>' for description in stream.told
    )
    return (
        '<div class="curve"><svg viewBox="0 0 100 100" preserveAspectRatio="none" role="img" '
        f'aria-label="Change of meaning over time, with {len(cuts)} boundaries between segments">'
        f'<polygon class="area" points="{first},100 {" ".join(points)} {last},100"/>{lines}'
        f'<polyline class="edge" points="{" ".join(points)}"/></svg>{dots}</div>'
    )


def _hue(number: int) -> str:
    return f"--hue:{(175 + number * GOLDEN_ANGLE) % 360:.0f}"


def _span(stream: StreamStory, start: float, end: float) -> str:
    left, right = max(_place(stream, start), 0.0), min(_place(stream, end), 100.0)
    return f"left:{left:.2f}%;width:{right - left:.2f}%"


def _band(stream: StreamStory) -> str:
    parts = []
    for number, told in enumerate(stream.told):
        pair = f"{escape(stream.name)}-{number}"
        words = escape(told.caption or "no words")
        parts.append(
            f'<a href="#{pair}" data-pair="{pair}" style="{_span(stream, told.start, told.end)};{_hue(number)}" '
            f'title="{words}"><span class="hide">{_when(told)}: </span>{words}</a>'
        )
    return "".join(parts)


def _truth(stream: StreamStory) -> str:
    return "".join(
        f'<span style="{_span(stream, event.start, event.end)}" title="{escape(event.action)}">'
        f"{escape(event.action)}</span>"
        for event in stream.truth
    )


def _ticks(stream: StreamStory) -> str:
    marks = [stream.start + part * (stream.end - stream.start) / 4 for part in range(5)]
    spans = "".join(
        f'<span style="left:{_place(stream, seconds):.0f}%">{seconds_text(seconds)}</span>' for seconds in marks
    )
    return f'<div class="ticks" aria-hidden="true">{spans}</div>'


def _when(told: Description) -> str:
    return f"{seconds_text(told.start)}&ndash;{seconds_text(told.end)}"


def _segments(stream: StreamStory) -> str:
    cards = []
    for number, (told, picture) in enumerate(zip(stream.told, stream.pictures, strict=True)):
        pair = f"{escape(stream.name)}-{number}"
        fidelity = told.fidelity or 0.0
        cards.append(
            f'<li id="{pair}" data-pair="{pair}" style="{_hue(number)}"{" class=unsure" if told.unsure else ""}>'
            f'<img src="{picture}" alt="Frame at {seconds_text(told.time)}" loading="lazy">'
            f'<p class="when"><span>{_when(told)}</span>'
            f"<span>{'unsure' if told.unsure else 'fidelity'} {fidelity:.2f}</span></p>"
            f'<p class="what">{escape(told.caption or "")}</p>'
            f'<div class="meter"><i style="width:{100 * min(max(fidelity, 0.0), 1.0):.0f}%"></i></div></li>'
        )
    return "".join(cards)


def _costs(costs: Sequence[Cost]) -> str:
    most = max(cost.decodes for cost in costs)
    rows = "".join(
        f'<span class="name{" best" if cost.name == "selective" else ""}">{COST_NAMES[cost.name]}</span>'
        f'<span class="bar{"" if cost.name == "selective" else " rest"}">'
        f'<i style="width:{100 * cost.decodes / most:.1f}%"></i></span>'
        f'<span class="num">{cost.decodes} decodes, {cost.seconds:.2f} s, covers {cost.coverage:.3f}</span>'
        for cost in costs
    )
    return f'<div class="costs"><h3>What it costs to tell it</h3><div class="bars">{rows}</div></div>'


def _photos(photos: Sequence[PhotoStory]) -> str:
    right = sum(story.ranking.scores[0].label == story.photo.label for story in photos)
    return (
        '<section aria-labelledby="photos"><h2 id="photos">Photographs, named and questioned</h2>'
        f'<p class="credit">{escape(photos[0].photo.credit)}</p>'
        f'<p class="told">Named right: <b>{right} of {len(photos)}</b>, among {len(photos[0].ranking.scores)} names '
        "that were only given as text. A tick marks the true name.</p>"
        f'<div class="photos">{"".join(_photo(story) for story in photos)}</div></section>'
    )


def _photo(story: PhotoStory) -> str:
    answers = [(score.label, score.probability) for score in story.answer.scores]
    if story.answer.none_of_these is not None:
        answers.append(("none of these", story.answer.none_of_these))
    return (
        f'<article class="photo"><img src="{story.picture}" alt="Photograph: {escape(story.photo.label)}" '
        'loading="lazy">'
        f'<div class="in"><p class="say">“{escape(story.caption.caption)}” '
        f"<small>{'unsure' if story.caption.unsure else 'fidelity'} {story.caption.fidelity:.2f}</small></p>"
        f"{_bars(best_scores(story.ranking), true=story.photo.label)}"
        f'<p class="q">{escape(story.photo.question)}</p>{_bars(answers, true=None)}</div></article>'
    )


def _bars(scores: Sequence[tuple[str, float]], *, true: str | None) -> str:
    rows = []
    for number, (label, share) in enumerate(scores):
        kind = ("best" if number == 0 else "") + (" true" if label == true else "")
        words = escape(label)
        rest = " rest" if label == "none of these" else ""
        rows.append(
            f'<span class="name {kind}" title="{words}">{words}</span>'
            f'<span class="bar{rest}"><i style="width:{100 * share:.1f}%"></i></span>'
            f'<span class="num">{share:.0%}</span>'
        )
    return f'<div class="bars">{"".join(rows)}</div>'


def _footer(facts: Facts) -> str:
    marked = "" if facts.unsure is None else f"; below {facts.unsure} they are marked as unsure"
    return (
        f"<footer><p>Made by <code>python -m vljepa.cli.demo</code> with the model {escape(facts.model)} on "
        f"{escape(facts.machine)}; the model opened in {facts.seconds_open:.1f} s. Fidelity is the cosine between what "
        f"the model meant and its own words read again{marked}. Coverage is the mean "
        "cosine of every window with what was decoded for it. Both say how faithful the words are to the model, not "
        "whether the model is right.</p></footer>"
    )
