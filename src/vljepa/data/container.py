"""Opening what FFmpeg reads (files, bytes, standard input, cameras, addresses), with a sentence for what fails."""

import io
import re
import sys
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from vljepa.data.errors import STANDARD_INPUT, MediaError, check_file, name_of
from vljepa.data.image import MAX_PIXELS

# What a file may be. Playlists, image sequences and text that FFmpeg would also "play" can name other files of the
# machine, so they are only open to addresses that the user typed. The second line is here to say "only sound".
_DEMUXERS = (
    "mov,matroska,webm,avi,mpegts,mpeg,mpegvideo,m4v,h264,hevc,av1,obu,ivf,vvc,flv,asf,ogg,mxf,mjpeg,nut,dv,rm,wtv,"
    "yuv4mpegpipe,gxf,h263,vc1,nsv,swf,gif,apng,flic,jpegxl_anim,"
    "mp3,wav,flac,aac,aiff,amr,ac3,eac3,caf,w64,ape,wv,tta,au"
)
FRONT_INDEX = "send MPEG-TS, Matroska, or an MP4 whose index comes first (ffmpeg -movflags faststart)"
_CAMERA = re.compile(r"camera:(.*)|/dev/video(\d+)")
_DEVICES = Path("/dev")
# Who named a file so meant a picture, whatever it holds.
_PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
_TIMEOUT_SECONDS = 20.0


def is_camera(source: str) -> bool:
    """Whether it names a camera: `camera:0` or `/dev/video0`."""
    return _CAMERA.fullmatch(source) is not None


def is_address(source: str) -> bool:
    """Whether it is an address: http://, https://, rtsp:// and the like."""
    return "://" in source


def open_container(source: Path | bytes | str) -> InputContainer:
    """What FFmpeg makes of a source; a string is `-` for standard input, a camera, or an address.

    An address that does not answer for 20 seconds, now or while it is read, is an error. MediaError, with what to do.
    """
    if not isinstance(source, str):
        return _open_file(source)
    if source == STANDARD_INPUT:
        return _open_standard_input()
    return _open_camera(source) if is_camera(source) else _open_address(source)


def _open_file(source: Path | bytes) -> InputContainer:
    check_file(source)
    # `file:` keeps names such as "concat:a|b" from being understood as protocols.
    file = io.BytesIO(source) if isinstance(source, bytes) else f"file:{source.absolute()}"
    try:
        return _opened(file, options={"format_whitelist": _DEMUXERS})
    except (av.InvalidDataError, av.ArgumentError, av.error.EOFError) as error:
        raise MediaError(f"{name_of(source)} {_why_unreadable(source)}") from error
    except av.FFmpegError as error:
        raise MediaError(f"{name_of(source)} cannot be opened ({error.strerror}): check its rights") from error


def _open_standard_input() -> InputContainer:
    if sys.stdin is not None and sys.stdin.isatty():
        raise MediaError("standard input is a terminal: send a video into it (cat clip.mp4 | vljepa watch -)")
    try:
        # FFmpeg reads the descriptor itself: a thread that waits on a Python file holds its lock when the program ends.
        return _opened("pipe:0", options={"format_whitelist": _DEMUXERS})
    except av.FFmpegError as error:
        raise MediaError(f"standard input holds no video that can be read: {FRONT_INDEX}") from error


def _open_camera(source: str) -> InputContainer:
    device = _DEVICES / f"video{_camera_number(source)}"
    if not device.exists():
        there = ", ".join(sorted(str(path) for path in _DEVICES.glob("video[0-9]*"))) or "none"
        raise MediaError(f"there is no camera {device} (here: {there}): plug it in, or give a file or an address")
    try:
        return _opened(str(device), format="v4l2", timeout=_TIMEOUT_SECONDS)
    except av.FFmpegError as error:
        raise MediaError(
            f"the camera {device} cannot be used ({error.strerror}): close the program that holds it, or name another"
        ) from error


def _camera_number(source: str) -> str:
    found = _CAMERA.fullmatch(source)
    assert found is not None, "only cameras are asked for their number"
    number = found[1] if found[2] is None else found[2]
    if not number.isdecimal():
        raise MediaError(f"{source} names no camera: write camera:0 for the first one")
    return str(int(number))


def _open_address(address: str) -> InputContainer:
    name = name_of(address)
    # Over TCP no packet is lost on the way; cameras that only know UDP are asked for that next.
    options = {"rtsp_flags": "prefer_tcp"} if address.startswith("rtsp") else {}
    try:
        container = _opened(address, options=options, timeout=_TIMEOUT_SECONDS)
    except av.error.ExitError as error:
        raise MediaError(f"{name} did not answer for {_TIMEOUT_SECONDS:g} s: check that the camera is on") from error
    except (av.InvalidDataError, av.ArgumentError, av.error.EOFError) as error:
        raise MediaError(f"{name} does not send a video that can be read: check the address in a player") from error
    except av.FFmpegError as error:
        raise MediaError(f"{name} cannot be opened ({error.strerror}): check the address and the rights") from error
    if container.format.name == "image2" or container.format.name.endswith("_pipe"):
        container.close()
        raise MediaError(f"{name} is a still picture, not a video: give the address of a video")
    return container


def _opened(file: Any, **settings: Any) -> InputContainer:
    container: InputContainer = av.open(file, "r", metadata_errors="replace", **settings)
    return container


def _why_unreadable(source: Path | bytes) -> str:
    head = source[:12] if isinstance(source, bytes) else _head(source)
    if head[4:8] in (b"ftyp", b"moov", b"mdat"):
        return "is an MP4 whose index is missing, so it was cut short: copy, download or record it again"
    if isinstance(source, Path) and source.suffix.lower() in _PICTURES:
        return "is not a picture that can be read (damaged, cut short, or another kind of file): convert it to PNG"
    return "is not a video that can be read (damaged, cut short, or another kind of file): convert it to MP4"


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(12)


def video_stream(container: InputContainer, *, name: str) -> VideoStream:
    """The track to watch; cover pictures of music are none. MediaError where there is none, or an enormous one."""
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        holds = "only sound" if container.streams.audio else "no pictures"
        raise MediaError(f"{name} has no video track ({holds}): give a file with a video in it")
    best = container.streams.best("video")
    stream = best if best in streams else streams[0]
    assert isinstance(stream, VideoStream), "streams.video holds video streams"
    if stream.codec_context is None:
        raise MediaError(f"{name} has a video track of an unknown codec: convert it to MP4 with H.264")
    if stream.width * stream.height > MAX_PIXELS:
        raise MediaError(f"{name} has frames of {stream.width} x {stream.height}: make it smaller than 100 megapixels")
    return stream
