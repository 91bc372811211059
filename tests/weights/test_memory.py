"""What opening a folder costs: hardly more memory than its weights in the format that is wanted."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tests.conftest import tiny_bundle

import vljepa
from vljepa.config import as_dict
from vljepa.models.vljepa import VLJEPA
from vljepa.weights.folder import save_folder, settings_of

SOURCE = str(Path(vljepa.__file__).parents[1])
MEASURE = """
import sys, torch
from pathlib import Path
from vljepa.weights.folder import load_folder

def kilobytes(name):
    return int(next(line for line in open("/proc/self/status") if line.startswith(name)).split()[1])

load_folder(Path(sys.argv[1]), parts=("y_encoder",))  # what is imported once is not the folder's
before = kilobytes("VmRSS")
model = load_folder(Path(sys.argv[2]), dtype=torch.bfloat16).model
weights = sum(tensor.nbytes for tensor in model.state_dict().values())
print(weights, (kilobytes("VmHWM") - before) * 1024)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not say how much was in use")
def test_the_peak_is_hardly_above_the_weights(tiny_folder: Path, tmp_path: Path) -> None:
    """200 MB of float32 become 100 MB of bfloat16: neither both at once, nor one tensor in both formats."""
    bundle = tiny_bundle()
    settings = bundle.model.settings
    llama = dataclasses.replace(
        settings.predictor.llama, hidden=1024, intermediate=8192, heads=16, key_value_heads=4, layers=(0,)
    )
    predictor = dataclasses.replace(settings.predictor, llama=llama)
    decoder = dataclasses.replace(settings.y_decoder, llama=dataclasses.replace(llama, intermediate=1024))
    settings = dataclasses.replace(settings, predictor=predictor, y_decoder=decoder, vocab=20_000)
    save_folder(bundle, tmp_path / "large", card="", int8=False)
    (tmp_path / "large" / "check.json").unlink()
    with torch.device("meta"):
        shapes = {name: tensor.to("meta") for name, tensor in VLJEPA(settings).state_dict().items()}
    tensors = {name: torch.ones_like(tensor, device="cpu") for name, tensor in shapes.items()}
    save_file(tensors, tmp_path / "large" / "model.safetensors")
    config = as_dict(settings_of(bundle, settings))
    (tmp_path / "large" / "config.json").write_text(json.dumps(config))
    command = [sys.executable, "-c", MEASURE, str(tiny_folder), str(tmp_path / "large")]
    environment = os.environ | {"PYTHONPATH": SOURCE, "OMP_NUM_THREADS": "1"}
    finished = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert finished.returncode == 0, finished.stderr
    weights, peak = map(int, finished.stdout.split())
    assert weights > 90e6
    assert peak < 1.15 * weights + 20e6, f"{peak / 1e6:.0f} MB for {weights / 1e6:.0f} MB of weights"
