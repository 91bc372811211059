"""`vljepa doctor`: can this machine run the model? One line a check, with what to do where the answer is no."""

import os
import platform
import subprocess
import sys
import threading
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

from vljepa.cli.options import add_model_options, open_model
from vljepa.cli.output import say, say_json

CODECS = ("h264", "hevc", "vp9", "av1", "mpeg4", "mjpeg")
PICTURES = ("webp", "avif", "jpg", "zlib")
SMALLEST_MEMORY_GB = 2.0
HUB_SECONDS = 3.0
_WITHOUT_HUB = "models in folders work all the same"


@dataclass(frozen=True, kw_only=True)
class Check:
    """What was looked at, whether it is as it must be, what was found, and what to do where it is not."""

    name: str
    ok: bool
    found: str
    advice: str = ""


def add_options(parser: ArgumentParser) -> None:
    """Model and device to check with."""
    add_model_options(parser)


def run(options: Namespace) -> int:
    """Status 0 where all is well, 1 where something is broken."""
    checks = []
    for check in _checks(options):
        checks.append(check)
        if not options.json:
            say(f"{'ok    ' if check.ok else 'BROKEN'}  {check.name}: {check.found}")
            if check.advice:
                say(f"        {check.advice}")
    ok = all(check.ok for check in checks)
    if options.json:
        say_json({"ok": ok, "checks": [asdict(check) for check in checks]})
    return 0 if ok else 1


def _checks(options: Namespace) -> Iterator[Check]:
    yield Check(
        name="python", ok=sys.version_info >= (3, 11), found=f"{platform.python_version()} {platform.machine()}"
    )
    yield _memory()
    yield from _torch(options.device)
    yield _torchvision()
    yield _codecs()
    yield _pictures()
    yield hub_access()
    yield _model(options)


def _memory() -> Check:
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30 if hasattr(os, "sysconf") else 0.0
    enough = not gigabytes or gigabytes >= SMALLEST_MEMORY_GB
    found = f"{gigabytes:.1f} GB" if gigabytes else "this system does not say"
    free = _free_gigabytes()
    if free is not None:
        found += f", {free:.1f} GB free"
    return Check(name="memory", ok=enough, found=found, advice="" if enough else "2 GB are needed to watch videos")


def _free_gigabytes() -> float | None:
    """What programs may still take without making others swap, where the system says so."""
    told = Path("/proc/meminfo")
    lines = told.read_text().splitlines() if told.exists() else []
    available = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return int(available[0]) / 2**20 if available else None


def _torch(name: str) -> Iterator[Check]:
    import torch

    from vljepa.runtime import choose_device, compute_dtype, has_bfloat16_units, has_int8_kernels, num_cores

    yield Check(
        name="torch", ok=True, found=f"{torch.__version__}, {torch.get_num_threads()} threads, {num_cores()} cores"
    )
    try:
        device = choose_device(name)
    except ValueError as error:
        yield Check(name="device", ok=False, found=str(error), advice="leave --device out to take what is there")
        return
    kind = torch.cuda.get_device_name(device) if device.type == "cuda" else torch.backends.cpu.get_cpu_capability()
    yield Check(name="device", ok=True, found=f"{device} ({kind})")
    yield Check(
        name="graphics processors", ok=True, found="; ".join(map(_gpu, range(torch.cuda.device_count()))) or "none"
    )
    units = "there are units for it" if has_bfloat16_units(device) else "no units for it"
    computes = str(compute_dtype(device)).removeprefix("torch.")
    yield Check(name="bfloat16", ok=True, found=f"{units}: the model computes in {computes}")
    looks = "8 bits" if device.type == "cpu" and has_int8_kernels() else computes
    yield Check(name="8 bits", ok=True, found=f"the shipped model's X-Encoder looks in {looks}")


def _gpu(number: int) -> str:
    import torch

    free, total = (size / 2**30 for size in torch.cuda.mem_get_info(number))
    return f"cuda:{number} {torch.cuda.get_device_name(number)}, {free:.1f} of {total:.1f} GB free"


def _torchvision() -> Check:
    """transformers imports torchvision where it finds one; a broken one breaks everything (vljepa needs none)."""
    command = [sys.executable, "-c", "import torchvision; print(torchvision.__version__)"]
    finished = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if finished.returncode == 0:
        return Check(name="torchvision", ok=True, found=f"{finished.stdout.strip()} (not needed)")
    last = (finished.stderr.strip().splitlines() or ["no message"])[-1]
    if "No module named 'torchvision'" in last:
        return Check(name="torchvision", ok=True, found="absent (not needed)")
    advice = "remove it, or install the version that belongs to your torch: pip uninstall torchvision"
    return Check(name="torchvision", ok=False, found=f"does not import: {last}", advice=advice)


def _codecs() -> Check:
    import av

    missing = [codec for codec in CODECS if codec not in av.codecs_available]
    found = f"PyAV {av.__version__}, FFmpeg {av.ffmpeg_version_info}"
    return Check(
        name="video",
        ok=not missing,
        found=f"{found}; reads {', '.join(codec for codec in CODECS if codec not in missing)}",
        advice=f"cannot read {', '.join(missing)}: install PyAV's own wheel (pip install av)" if missing else "",
    )


def _pictures() -> Check:
    import PIL
    from PIL import features

    missing = [name for name in PICTURES if not features.check(name)]
    advice = f"cannot read {', '.join(missing)}: install Pillow's own wheel (pip install pillow)" if missing else ""
    return Check(name="pictures", ok=not missing, found=f"Pillow {PIL.__version__}", advice=advice)


def hub_access() -> Check:
    """Whether the model hub answers within some seconds; being offline is a fact, not a fault."""
    address = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        return Check(name="hub", ok=True, found=f"{address} was not asked, since HF_HUB_OFFLINE is set: {_WITHOUT_HUB}")
    begin = time.perf_counter()
    said: list[str] = []
    # Looking up a name has no time limit of its own, so that a thread asks, which nobody waits for longer.
    asking = threading.Thread(target=lambda: said.append(_asked(address)), daemon=True)
    asking.start()
    asking.join(HUB_SECONDS)
    if not said:
        return Check(name="hub", ok=True, found=f"{address} gave no answer in {HUB_SECONDS:g} s: {_WITHOUT_HUB}")
    if said[0]:
        return Check(name="hub", ok=True, found=f"{address} cannot be reached ({said[0]}): {_WITHOUT_HUB}")
    return Check(name="hub", ok=True, found=f"{address} answered in {time.perf_counter() - begin:.1f} s")


def _asked(address: str) -> str:
    """Why the hub cannot be reached; empty where it answers, whatever it says."""
    try:
        with urlopen(f"{address}/api/models?limit=1", timeout=HUB_SECONDS):
            return ""
    except HTTPError:
        return ""
    except (OSError, ValueError) as error:
        return str(getattr(error, "reason", error))


def _model(options: Namespace) -> Check:
    import torch

    from vljepa.types import Clip

    begin = time.perf_counter()
    try:
        model = open_model(options)
    except ValueError as error:
        return Check(name="model", ok=False, found=str(error))
    opened = time.perf_counter()
    grey = torch.full((1, 224, 224, 3), 127, dtype=torch.uint8)
    length = float(model.embed(Clip(frames=grey, times=torch.zeros(1))).norm())
    done = time.perf_counter()
    return Check(
        name="model",
        ok=abs(length - 1) < 1e-3,
        found=f"{model.embedder.name} opened in {opened - begin:.1f} s, first picture in {done - opened:.2f} s",
        advice="" if abs(length - 1) < 1e-3 else f"its embedding has length {length}: fetch the model folder again",
    )
