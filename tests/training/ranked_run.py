"""What torchrun starts in tests: a tiny stage of which the second rank hangs or dies at step 2.

Command: torchrun --standalone --nproc-per-node 2 tests/training/ranked_run.py FOLDER hangs|dies
"""

import os
import sys
import time
from pathlib import Path

import torch
from tests.training.made_runs import make_run

from vljepa.runtime import joined_ranks, rank
from vljepa.training.trainer import LoopSettings
from vljepa.training.watchdog import RankLost


def main(folder: Path, how: str) -> int:
    def spoil(step: int) -> None:
        if step == 2 and rank() == 1:
            if how == "dies":
                os._exit(9)
            time.sleep(3600)

    with joined_ranks(torch.device("cpu")):
        trainer = make_run(folder, loop=LoopSettings(steps=5, patience=20 if how == "hangs" else 600), spoil=spoil)
        try:
            trainer.fit()
        except RankLost as lost:
            print(f"vljepa: {lost}", file=sys.stderr, flush=True)
            os._exit(1)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
