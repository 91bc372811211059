"""What the machine is asked for."""

import sys
from pathlib import Path

import pytest

from vljepa.runtime import give_back_memory


def held() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_free_parts_of_the_heap_go_back_to_the_system() -> None:
    """Blocks below the size that is mapped by itself, and one behind them that keeps the heap from shrinking."""
    blocks = [bytes(100_000) for _ in range(800)]
    last = blocks.pop()
    del blocks
    before = held()
    give_back_memory()
    assert held() < before - 40_000_000 and last
