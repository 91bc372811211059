"""A full-size model of random weights: saved, opened again, one forward pass of 8 frames; time and peak of memory.

    python benchmarks/loading.py [open | paper]

Beside it transformers' own loader fills the same network from the same files. Each side runs in a process of its own,
the two by turns in one run; memory is what the process had at its peak above what it had before it opened the folder,
once every weight was touched (ROUNDS times, median) and after the forward pass (once: without bfloat16 in hardware it
takes minutes).
Size `paper`, which is meant where none is given, writes some 3.5 GB into a temporary folder (TMPDIR) and takes about as
much memory.
"""

import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from transformers import PreTrainedModel

from vljepa.data.processor import Processor, ProcessorSettings
from vljepa.embedder import shipped_folder
from vljepa.hub import VLJEPAConfig
from vljepa.models import sizes
from vljepa.models.vljepa import VLJEPA
from vljepa.types import Tokens
from vljepa.weights.folder import Bundle, load_companions, load_folder, save_folder

ROUNDS = 5
FRAMES = 8
SIDE = 256


def kilobytes(name: str) -> int:
    """A line of what Linux says of this process."""
    told = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in told if line.startswith(name)).split()[1])


def save(size: str, folder: Path) -> dict[str, float]:
    """A random model in bfloat16 with the shipped one's tokenizers, saved as any other."""
    torch.set_default_dtype(torch.bfloat16)
    model = VLJEPA(getattr(sizes, size)())
    torch.set_default_dtype(torch.float32)
    companions = vars(load_companions(shipped_folder())) | {
        "processor": Processor(ProcessorSettings(resolution=SIDE)),
        "name": size,
    }
    begin = time.perf_counter()
    bundle = Bundle(**companions, model=model, fingerprint="")
    save_folder(bundle, folder, card="# Random, to be measured\n", int8=False)
    return {"seconds": time.perf_counter() - begin}


class Plain(PreTrainedModel):  # type: ignore[misc]
    """The same network behind transformers' own loader."""

    config_class = VLJEPAConfig
    base_model_prefix = "network"

    def __init__(self, config: VLJEPAConfig) -> None:
        super().__init__(config)
        self.network = VLJEPA(config.settings.model)
        self.post_init()

    def _init_weights(self, module: torch.nn.Module) -> None:
        pass


def opened(side: str, folder: Path) -> VLJEPA:
    """The network, opened by us (tokenizers and all) or by transformers."""
    if side == "ours":
        return load_folder(folder, dtype=torch.bfloat16).model
    network: VLJEPA = Plain.from_pretrained(folder, dtype=torch.bfloat16).network
    return network


@torch.inference_mode()
def measured(side: str, folder: Path, *, forward: bool) -> dict[str, float]:
    """Seconds and megabytes of opening with every weight touched, and of a forward pass where one is wanted."""
    load_companions(shipped_folder())  # what is imported once is not the folder's
    before = kilobytes("VmRSS")
    begin = time.perf_counter()
    model = opened(side, folder)
    there = time.perf_counter()
    touched = sum(float(weight.sum()) for weight in model.parameters())
    assert math.isfinite(touched), "random weights are numbers"
    found = {
        "open_seconds": there - begin,
        "weights_mb": sum(tensor.nbytes for tensor in model.state_dict().values()) / 1e6,
        "peak_mb": (kilobytes("VmHWM") - before) / 1e3,
    }
    if forward:
        pixels = torch.zeros(1, FRAMES, 3, SIDE, SIDE)
        words = Tokens(ids=torch.zeros(1, 8, dtype=torch.int64), mask=torch.ones(1, 8, dtype=torch.bool))
        begin = time.perf_counter()
        model.predict(model.x_encoder(pixels), words)
        found["forward_seconds"] = time.perf_counter() - begin
        found["forward_peak_mb"] = (kilobytes("VmHWM") - before) / 1e3
    return found


def child(side: str, folder: Path, *more: str) -> dict[str, float]:
    """What a process of its own found."""
    command = [sys.executable, __file__, side, str(folder), *more]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode:
        sys.exit(finished.stderr)
    found: dict[str, float] = json.loads(finished.stdout.splitlines()[-1])
    return found


def main(size: str) -> None:
    """Save once, then both sides by turns."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / size
        print(f"{size} saved in {child(size, folder)['seconds']:.1f} s", flush=True)
        found: dict[str, list[dict[str, float]]] = {"ours": [], "theirs": []}
        for number in range(1, ROUNDS + 1):
            for side, runs in found.items():
                runs.append(child(side, folder))
                print(f"round {number} of {ROUNDS}, {side}: {runs[-1]['peak_mb']:.0f} MB", file=sys.stderr, flush=True)
        medians = {
            side: {key: statistics.median(run[key] for run in runs) for key in runs[0]} for side, runs in found.items()
        }
        for side, values in medians.items():
            peaks = [run["peak_mb"] for run in found[side]]
            print(
                f"{side:7s} opened in {values['open_seconds']:.2f} s, peak {values['peak_mb']:.0f} MB "
                f"({min(peaks):.0f} to {max(peaks):.0f}), {values['peak_mb'] / values['weights_mb']:.3f} of "
                f"{values['weights_mb']:.0f} MB of weights",
                flush=True,
            )
        for key in ("open_seconds", "peak_mb"):
            print(f"theirs / ours, {key}: {medians['theirs'][key] / medians['ours'][key]:.3f}", flush=True)
        for side in found:
            once = child(side, folder, "forward")
            print(
                f"{side:7s} forward of {FRAMES} frames in {once['forward_seconds']:.1f} s, peak "
                f"{once['forward_peak_mb']:.0f} MB",
                flush=True,
            )


if __name__ == "__main__":
    if len(sys.argv) > 2:
        side, folder = sys.argv[1], Path(sys.argv[2])
        sides = side in ("ours", "theirs")
        print(json.dumps(measured(side, folder, forward=len(sys.argv) > 3) if sides else save(side, folder)))
    else:
        main(sys.argv[1] if len(sys.argv) == 2 else "paper")
