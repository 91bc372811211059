"""A rank's random state as text, for the JSON beside a checkpoint."""

import base64

import torch


def random_state(device: torch.device) -> dict[str, str]:
    """The state of the CPU's generator and, where there is one, of the device's."""
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return {name: base64.b64encode(state.numpy().tobytes()).decode() for name, state in states.items()}


def set_random_state(texts: dict[str, str], device: torch.device) -> None:
    """Draw from here on what would have been drawn there."""
    states = {
        name: torch.frombuffer(bytearray(base64.b64decode(text)), dtype=torch.uint8) for name, text in texts.items()
    }
    torch.set_rng_state(states["cpu"])
    if device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"], device)
