"""What a source is decides which footage reads it: a file or bytes, a folder, an address, a camera, standard input."""

from pathlib import Path

from vljepa.data.container import is_address, is_camera
from vljepa.data.decoding import Decoder
from vljepa.data.errors import STANDARD_INPUT, MediaError, check_file, name_of
from vljepa.data.folder import FrameFolder
from vljepa.data.image import Animation, is_animation, is_image
from vljepa.data.network import Network
from vljepa.data.shots import Footage


def open_footage(source: Path | bytes | str, *, size: int | None = None, fps: float | None = None) -> Footage:
    """The footage of a source; with `size` the short side of its frames is scaled to it.

    A string is an address (http://, rtsp:// ...), a camera (`camera:0`, `/dev/video0`), `-` for standard input, or
    else a path. A folder holds frames, `fps` of them a second; nothing else takes `fps`. MediaError where there is no
    video to read, also for a still picture.
    """
    if isinstance(source, str) and not (is_address(source) or is_camera(source) or source == STANDARD_INPUT):
        source = Path(source)
    if isinstance(source, Path) and source.is_dir():
        return FrameFolder(source, fps=fps, size=size)
    if fps is not None:
        raise MediaError(f"{name_of(source)} is no folder of frames and has its own times: leave the fps ({fps:g}) out")
    if isinstance(source, str):
        return Network(source, size=size) if is_address(source) else Decoder(source, size=size)
    check_file(source)
    if not is_image(source):
        return Decoder(source, size=size)
    if not is_animation(source):
        raise MediaError(f"{name_of(source)} is a still picture, not a video: give a video or an animated picture")
    return Animation(source, size=size)
