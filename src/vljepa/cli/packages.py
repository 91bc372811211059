"""Whether the packages of an extra are there, asked before anything else."""

from importlib.util import find_spec


def check_packages(extra: str, *names: str) -> None:
    """ValueError where one of them is missing."""
    missing = [name for name in names if find_spec(name) is None]
    if missing:
        raise ValueError(f"not installed, and needed here: {', '.join(missing)}; pip install 'vljepa[{extra}]'")
