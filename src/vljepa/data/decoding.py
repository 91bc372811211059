"""One video, opened with PyAV, as footage: times from pts, upright RGB, damaged packets skipped and counted.

Seconds count from where the container begins, as players count; a video track that sets in late keeps its delay.
"""

from collections.abc import Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import av
import numpy as np
import torch
from av.packet import Packet
from av.sidedata.sidedata import SideDataContainer
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation
from av.video.stream import VideoStream
from jaxtyping import UInt8
from torch import Tensor

from vljepa.data.container import FRONT_INDEX, is_camera, open_container, video_stream
from vljepa.data.errors import STANDARD_INPUT, MediaError, name_of
from vljepa.data.image import MAX_PIXELS, over_white, resize_short_side
from vljepa.data.shots import TOLERANCE, Footage, Shot

if TYPE_CHECKING:
    VideoPacket = Packet[VideoStream]  # generic for the type checker only
else:
    VideoPacket = Packet

_SPARSE_SECONDS = 5.0
RAW_RATE = 25.0
_BITS = 8
# Beyond it FFmpeg cannot count.
_LATEST = 2**62


class Decoder(Footage):
    """An open video; use as footage, and close it. `live` is what is no file: an address, a camera, standard input."""

    def __init__(self, source: Path | bytes | str, *, size: int | None = None) -> None:
        self.name = name_of(source)
        self.live = isinstance(source, str)
        if source == STANDARD_INPUT:
            self.remedy = FRONT_INDEX
        self.skipped = 0
        self._source, self._size = source, size
        self.rotation = 0
        self._damaged_until = float("-inf")
        self._open()

    def _open(self) -> None:
        self._container = open_container(self._source)
        try:
            self._stream = video_stream(self._container, name=self.name)
        except MediaError:
            self._container.close()
            raise
        self._stream.thread_type = "AUTO"
        self._untouched = True
        self._tick = float(self._stream.time_base or 0)
        # AVI has no presentation times, only the order of decoding: what is shown lags by the depth of reordering.
        self._by_order = self._container.format.name == "avi"
        self._lag = self._stream.codec_context.reorder_depth if self._by_order else 0
        self._origin = self._first_stamp()

    def _first_stamp(self) -> float | None:
        """Where second 0 lies, in ticks. Sound may start before 0 (priming); players do not count that."""
        begin = self._container.start_time
        first = self._stream.start_time
        if begin is None or first is None:
            return first
        return min(max(begin / av.time_base / self._tick, 0.0), first)

    @property
    def rate(self) -> float:
        """Frames a second that the header claims, 0 if it claims none."""
        return float(self._stream.average_rate or self._stream.guessed_rate or 0)

    @property
    def duration(self) -> float | None:
        """Seconds that the header claims."""
        if self._stream.duration:
            return float(self._stream.duration * self._tick)
        return None if self._container.duration is None else self._container.duration / av.time_base

    @property
    def num_frames(self) -> int | None:
        """Frames that the header claims."""
        return self._stream.frames or None

    @property
    def playlist(self) -> bool:
        """Whether it is HLS, which says itself when it is over."""
        return self._container.format.name == "hls"

    @property
    def real_time(self) -> bool:
        """Cameras, and addresses that say neither how many seconds nor how many bytes will come."""
        if not isinstance(self._source, str) or self._source == STANDARD_INPUT:
            return False
        has_size = not self.playlist and self._container.size > 0
        return is_camera(self._source) or (self.duration is None and not has_size)

    @property
    def _seekable(self) -> bool:
        return not self.live and self._origin is not None

    def _seconds(self, item: VideoPacket | VideoFrame) -> float | None:
        stamp = item.dts if self._by_order or item.pts is None else item.pts
        if stamp is None:
            return None
        if self._origin is None:
            if not self.live:
                return None
            self._origin = float(stamp)
        return (stamp - self._lag - self._origin) * self._tick

    def shots_from(self, seconds: float | None) -> Iterator[Shot]:
        """Shots in order; the first is at or before `seconds` where the file has such a one."""
        back = 0.0
        while seconds is not None and self._seekable and seconds - back > 1 / max(self.rate, 1):
            if self._seek(seconds - back):
                shots = self._decoded(after_seek=True)
                first = next(shots, None)
                if first is not None and first.seconds <= seconds + TOLERANCE:
                    return chain([first], shots)
            back = max(2 * back, 1.0)
        self._rewind()
        return self._decoded(after_seek=False)

    def _seek(self, seconds: float) -> bool:
        self._untouched = False
        assert self._origin is not None, "only footage with time stamps is sought"
        try:
            self._container.seek(int(min(seconds / self._tick + self._origin, _LATEST)), stream=self._stream)
        except av.FFmpegError:
            return False
        return True

    def _rewind(self) -> None:
        if not self._untouched:
            if self.live:
                raise MediaError(f"{self.name} is a stream and can be read once only: open it again")
            self.close()
            self._open()

    def _decoded(self, *, after_seek: bool) -> Iterator[Shot]:
        """Decode on. After a seek, frames before the key frame are dropped: what they refer to was not decoded."""
        self._untouched = False
        floor: float | None = None
        last: float | None = None
        for frame in self._frames():
            seconds = self._seconds(frame)
            if seconds is None:  # raw streams have no times, AVI has none for its last frames
                seconds = 0.0 if last is None else last + 1 / (self.rate or RAW_RATE)
            last = seconds
            self.rotation = frame.rotation
            if after_seek and floor is None:
                floor = self._key_seconds
            if floor is None or seconds >= floor - TOLERANCE:
                yield Shot(seconds=seconds, pixels=partial(_rgb_from_frame, frame, self._size, self.name))

    def _frames(self) -> Iterator[VideoFrame]:
        self._key_seconds: float | None = None
        for packet in self._packets():
            if self._key_seconds is None and packet.is_keyframe:
                self._key_seconds = self._seconds(packet)
            try:
                frames = packet.decode()
            except av.FFmpegError:
                self._count_damage(packet)
                continue
            yield from frames

    def _packets(self) -> Iterator[VideoPacket]:
        """Packets of the track, to where the file ends or can no longer be read."""
        packets = self._container.demux(self._stream)
        latest: int | None = None
        while True:
            try:
                packet = next(packets, None)
            except av.InvalidDataError:
                self.skipped += 1
                return
            except av.FFmpegError as error:
                raise MediaError(f"{self.name}: reading broke off ({error.strerror}): open it again") from error
            if packet is None:
                self._count_missing(latest)
                return
            latest = packet.dts if packet.dts is not None else latest
            yield packet

    def _count_missing(self, latest: int | None) -> None:
        """Of a file that was cut short: the packets that its index names and that do not come."""
        if latest is None or self.live:
            return
        reached = max(latest, self._damaged_until)
        index = self._stream.index_entries
        for number in range(len(index) - 1, -1, -1):
            if index[number].timestamp <= reached:
                break
            self.skipped += 1
            self._damaged_until = max(self._damaged_until, index[number].timestamp)

    def _count_damage(self, packet: VideoPacket) -> None:
        """Count each damaged packet once, although seeking back may decode it again."""
        stamp = packet.dts if packet.dts is not None else packet.pts
        if stamp is None or stamp > self._damaged_until:
            self.skipped += 1
            self._damaged_until = self._damaged_until if stamp is None else stamp

    def seek_pays(self, position: float, seconds: float) -> bool:
        """By the file's index of key frames where it has one, else by the distance."""
        if not self._seekable or self._origin is None:
            return False
        index = self._stream.index_entries
        if len(index) < 2:
            return seconds - position > _SPARSE_SECONDS
        entry = index.search_timestamp(int(seconds / self._tick + self._origin))
        return entry >= 0 and (index[entry].timestamp - self._origin) * self._tick > position

    def times(self, start: float | None, end: float | None) -> list[float]:
        """Seconds of the frames from start to end, read from the packets; nothing is decoded."""
        low = float("-inf") if start is None else start - TOLERANCE
        high = float("inf") if end is None else end + TOLERANCE
        # One second earlier, since a key frame may be shown later than frames that follow it in the file.
        if start is None or start <= 1 or not self._seekable or not self._seek(start - 1):
            self._rewind()
        self._untouched = False
        found, count = [], 0
        for packet in self._packets():
            if packet.size == 0 or packet.is_discard:
                continue
            seconds = self._seconds(packet)
            shown = count / (self.rate or RAW_RATE) if seconds is None else seconds
            count += 1
            if low <= shown <= high:
                found.append(shown)
            # Packets come in the order of decoding, which runs ahead of what is shown by less than a second or so.
            if shown > high + 2:
                break
        return sorted(found)

    def close(self) -> None:
        """Free file and decoder."""
        self._container.close()


def _rgb_from_frame(frame: VideoFrame, size: int | None, name: str) -> UInt8[Tensor, "height width 3"]:
    """Upright 8-bit RGB of a decoded frame of any pixel format; what is transparent shows white."""
    if frame.width * frame.height > MAX_PIXELS:
        raise MediaError(f"{name} has frames of {frame.width} x {frame.height}: make it smaller than 100 megapixels")
    components = frame.format.components
    layout = "rgba" if any(component.is_alpha for component in components) else "rgb24"
    # Above 8 bit the quick conversion makes white 253.
    deep = any(component.bits > _BITS for component in components)
    interpolation = Interpolation.BILINEAR | Interpolation.FULL_CHR_H_INT if deep else Interpolation.BILINEAR
    pixels = np.asarray(frame.to_ndarray(format=layout, interpolation=int(interpolation)))
    rgb = over_white(pixels) if layout == "rgba" else torch.from_numpy(pixels)
    return resize_short_side(_turned(rgb, frame), size)


def _turned(rgb: UInt8[Tensor, "height width 3"], frame: VideoFrame) -> UInt8[Tensor, "tall wide 3"]:
    """Mirror and turn by quarters as the display matrix says (its angle is counter-clockwise)."""
    # Not `frame.side_data`: the frame keeps that, and it the frame, so that the picture would stay in memory until
    # Python happens to look for such circles, in a stream after thousands of frames.
    side_data = cast(Any, SideDataContainer)(frame)
    if "DISPLAYMATRIX" not in [entry.type.name for entry in side_data]:
        return rgb
    matrix = np.frombuffer(bytes(side_data["DISPLAYMATRIX"]), dtype=np.int32)[:5].astype(np.float64)
    if matrix[0] * matrix[4] - matrix[1] * matrix[3] < 0:
        rgb = rgb.flip(0)
    return torch.rot90(rgb, round(frame.rotation / 90) % 4).contiguous()
