"""The stream that is shipped for the demo: unseen physics scenes of our own, with what happens when.

Command: python -m vljepa.recipes.demo_stream --into src/vljepa/shipped
"""

import argparse
import json
import sys
from pathlib import Path

import torch

from vljepa.data.corpora.physics import Physics
from vljepa.data.encode import encode_mp4
from vljepa.data.media import read_clip

SECONDS_A_SCENE = 2.0
FRAMES_A_SCENE = 8


def make_stream(into: Path, *, scenes: int) -> Path:
    """`stream.mp4` and `stream.json`: the first test scenes, two seconds each."""
    physics = Physics()
    chosen = [index for index in range(physics.total) if physics.split(index) == "test"][:scenes]
    frames, events = [], []
    for place, index in enumerate(chosen):
        sample = physics.sample(index)
        frames.append(read_clip(sample.media, num_frames=FRAMES_A_SCENE).frames)
        start = place * SECONDS_A_SCENE
        events.append({"action": sample.captions[0], "start": start, "end": start + SECONDS_A_SCENE})
    into.mkdir(parents=True, exist_ok=True)
    (into / "stream.mp4").write_bytes(encode_mp4(torch.cat(frames), fps=FRAMES_A_SCENE / SECONDS_A_SCENE))
    facts = {"title": "Things that move (simulated, unseen)", "credit": "our own MuJoCo scenes", "events": events}
    (into / "stream.json").write_text(json.dumps(facts, indent=1) + "\n")
    return into / "stream.mp4"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--into", type=Path, required=True)
    parser.add_argument("--scenes", type=int, default=30)
    options = parser.parse_args()
    print(make_stream(options.into, scenes=options.scenes), file=sys.stderr)
