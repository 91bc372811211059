"""What the machine is asked for."""

import subprocess
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


# Sixteen threads that hold memory at once, and how many heaps of 64 MiB, the size of a thread's, there are then.
HEAPS = """
import re, sys, threading
from vljepa.runtime import share_heaps
if sys.argv[1] == "shared":
    share_heaps()
barrier = threading.Barrier(17)
def hold():
    held = [bytes(1000) for _ in range(100)]
    barrier.wait(), barrier.wait()
threads = [threading.Thread(target=hold) for _ in range(16)]
[thread.start() for thread in threads]
barrier.wait()
size, previous, heaps = 1 << 26, None, 0
for line in open("/proc/self/maps"):
    start, end, rights = re.match("([0-9a-f]+)-([0-9a-f]+) (....)", line).groups()
    start, end = int(start, 16), int(end, 16)
    heaps += rights == "---p" and end % size == 0 and previous is not None and previous[1] == start
    previous = start, end
print(heaps)
barrier.wait()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_threads_share_heaps() -> None:
    own, shared = (
        int(subprocess.run([sys.executable, "-c", HEAPS, how], check=True, capture_output=True, text=True).stdout)
        for how in ("own", "shared")
    )
    assert own > 6
    assert shared <= 3
