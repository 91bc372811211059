"""Hits for eyes: a page with players that start at the second, or small pictures in a terminal."""

import base64
import io
from collections.abc import Mapping
from html import escape

from PIL import Image

from vljepa.library.finding import Found, Hit

COLUMNS = 48
_HEAD = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>
<style>:root{{color-scheme:light dark}}body{{font:16px system-ui;margin:2rem}}ul{{display:flex;flex-wrap:wrap;gap:1rem;
list-style:none;padding:0}}li{{width:20rem}}video,img{{width:100%}}p{{margin:.3rem 0;overflow-wrap:anywhere}}</style>
<h1>{title}</h1><p>No match: {no_match:.0%}</p><ul>
"""


def page(title: str, found: Found, thumbnails: Mapping[int, bytes | None]) -> str:
    """One HTML file without anything beside it but the media themselves."""
    items = [_item(hit, thumbnails.get(hit.id)) for hit in found.hits]
    return (
        _HEAD.format(title=escape(_printable(title)), no_match=found.no_match) + "\n".join(items) + "\n</ul></html>\n"
    )


def _item(hit: Hit, thumbnail: bytes | None) -> str:
    name, link = escape(_printable(hit.media)), escape(hit.link)
    poster = "" if thumbnail is None else f"data:image/jpeg;base64,{base64.b64encode(thumbnail).decode()}"
    if hit.end > hit.start:
        seen = f'<video controls preload="none" poster="{poster}" src="{link}" title="{name}"></video>'
    else:
        seen = f'<img alt="{name}" src="{poster or link}">'
    caption = f"<p>{escape(hit.caption)}</p>" if hit.caption else ""
    when = f"{hit.start:.1f} - {hit.end:.1f} s, " if hit.end > hit.start else ""
    return f'<li>{seen}<p><a href="{link}">{name}</a></p><p>{when}{hit.score:.0%}</p>{caption}</li>'


def _printable(text: str) -> str:
    """Bytes of file names that are no text, written out."""
    return text.encode(errors="backslashreplace").decode()


def in_terminal(thumbnail: bytes) -> str:
    """A small picture in coloured half blocks: two pixels a character."""
    image = Image.open(io.BytesIO(thumbnail)).convert("RGB")
    image = image.resize((COLUMNS, max(2 * round(COLUMNS * image.height / image.width / 2), 2)))
    lines = []
    for row in range(0, image.height, 2):
        cells = (_cell(image.getpixel((column, row)), image.getpixel((column, row + 1))) for column in range(COLUMNS))
        lines.append("".join(cells) + "\x1b[0m")
    return "\n".join(lines)


def _cell(upper: object, lower: object) -> str:
    assert isinstance(upper, tuple) and isinstance(lower, tuple), "pixels of RGB are three numbers"
    (r, g, b), (below_r, below_g, below_b) = upper, lower
    return f"\x1b[38;2;{r};{g};{b}m\x1b[48;2;{below_r};{below_g};{below_b}m\u2580"
