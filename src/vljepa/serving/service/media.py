"""What a request calls a medium -> a clip: where it comes from, whether it is within the limits, then its frames."""

import base64
import binascii
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote_to_bytes

from vljepa.data.errors import MediaError
from vljepa.data.image import is_animation, is_image, picture_info
from vljepa.data.media import read_clip
from vljepa.data.sampling import Sampling
from vljepa.data.video import probe
from vljepa.serving.service.limits import Limits
from vljepa.serving.service.refusals import Busy, Forbidden, NotMedia, TooLarge
from vljepa.serving.service.remote import fetch
from vljepa.types import Clip

From = Literal["bytes", "base64", "url", "path", "media"]
MediaKind = Literal["image", "video"]


@dataclass(frozen=True, kw_only=True)
class Given:
    """A medium as a request names it, and the seconds of a video that are meant.

    `origin` says what `what` is: its bytes, its bytes in base64, a data: or web address, a path in a root, or the id of
    an upload or of a medium of the library.
    """

    origin: From
    what: str | bytes
    start: float | None = None
    end: float | None = None


class Media:
    """Opens what requests name. `locate` knows where paths and ids lie; `remote`: whether web addresses are fetched."""

    def __init__(self, limits: Limits, *, locate: Callable[[From, str], Path], remote: bool) -> None:
        self.locate = locate
        self._limits, self._remote = limits, remote
        # Decoding takes a core each; more of them at a time would only take more memory.
        self._decoders = threading.BoundedSemaphore(max(os.cpu_count() or 1, 2))

    def source(self, given: Given, *, deadline: float) -> Path | bytes:
        """The file or the bytes of a medium; nothing is decoded."""
        if isinstance(given.what, bytes):
            return self._of_size(given.what)
        if given.origin == "base64":
            return self._of_size(_from_base64(given.what))
        if given.origin == "url":
            return self._at_address(given.what, deadline=deadline)
        return self.locate(given.origin, given.what)

    def clip(self, given: Given, *, num_frames: int, side: int | None, sampling: Sampling, deadline: float) -> Clip:
        """The frames that the model sees. TooLarge, NotMedia, or MediaError for what cannot be used."""
        source = self.source(given, deadline=deadline)
        with self.decoding(deadline):
            self.check(source)
            left = max(deadline - time.monotonic(), 0.1)
            return read_clip(
                source,
                num_frames=num_frames,
                start=given.start,
                end=given.end,
                size=side,
                sampling=sampling,
                patience=left,
            )

    @contextmanager
    def decoding(self, deadline: float) -> Iterator[None]:
        """One of the places in which media are decoded; Busy where none is free in time."""
        if not self._decoders.acquire(timeout=max(deadline - time.monotonic(), 0.0)):
            raise Busy("too many media are being decoded: try again soon", after=2)
        try:
            yield
        finally:
            self._decoders.release()

    def check(self, source: Path | bytes) -> MediaKind:
        """What it is. TooLarge for what would take too much to decode, NotMedia for what is nothing that is read."""
        if is_image(source):
            return self._check_picture(source)
        try:
            info = probe(source)
        except MediaError as error:
            raise NotMedia(str(error)) from error
        limits = self._limits
        if info.width * info.height > limits.pixels:
            raise TooLarge(
                f"the video has {info.width} x {info.height} pixels, more than {limits.pixels}: scale it down"
            )
        if info.duration > limits.duration:
            raise TooLarge(
                f"the video lasts {info.duration:.0f} s and {limits.duration:g} s are read: cut it, or index it"
            )
        return "video"

    def _check_picture(self, source: Path | bytes) -> MediaKind:
        limits = self._limits
        info = picture_info(source, most_pixels=limits.moving_pixels)
        pixels = info.width * info.height
        if pixels > limits.pixels:
            raise TooLarge(
                f"the picture has {info.width} x {info.height} pixels, more than {limits.pixels}: scale it down"
            )
        if info.frames * pixels > limits.moving_pixels and info.frames > 1:
            raise TooLarge("the animated picture has too many frames for its size: cut it, or make a video of it")
        return "video" if is_animation(source) else "image"

    def _at_address(self, address: str, *, deadline: float) -> bytes:
        if address[:5].lower() == "data:":
            return self._of_size(_from_data_address(address))
        if not self._remote:
            raise Forbidden("web addresses are not fetched here: send the medium itself (data:...;base64,...)")
        return fetch(address, most_bytes=self._limits.body, deadline=deadline)

    def _of_size(self, content: bytes) -> bytes:
        if len(content) > self._limits.body:
            raise TooLarge(f"the medium has {len(content)} bytes, more than {self._limits.body}: send a smaller one")
        if not content:
            raise NotMedia("the medium is empty (0 bytes): send a picture or a video")
        return content


def _from_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"the medium is not valid base64 ({error}): encode its bytes again") from error


def _from_data_address(address: str) -> bytes:
    head, comma, content = address.partition(",")
    if not comma:
        raise ValueError("the data: address has no comma and so no content: write data:image/png;base64,...")
    return _from_base64(content) if head.lower().endswith(";base64") else unquote_to_bytes(content)
