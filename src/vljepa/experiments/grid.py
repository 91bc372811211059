"""Many cells: those that are not done yet, in some processes side by side; a killed run goes on where it stopped."""

import sys
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, wait
from concurrent.futures.process import BrokenProcessPool
from functools import lru_cache
from pathlib import Path

import torch

from vljepa.data.parallel import spawned
from vljepa.experiments.cells import Outcome, is_done, outcome, run_cell
from vljepa.experiments.decoder import shared_decoder
from vljepa.experiments.ground import Ground, open_ground
from vljepa.experiments.settings import Cell
from vljepa.runtime import choose_device

Tell = Callable[[str], None]


def run_grid(cells: Sequence[Cell], ground: Ground, *, workers: int, device: str, tell: Tell) -> list[Outcome]:
    """The outcome of every cell, in order. Decoders that cells share are made first, by one process."""
    missing = [cell for cell in cells if not is_done(ground.folder, cell)]
    tell(f"{len(cells)} trainings, {len(cells) - len(missing)} of them done")
    _decoders(missing, ground, device, tell)
    if workers == 1 or len(missing) < 2:
        for cell in missing:
            run_cell(cell, ground, device=device, tell=tell)
    else:
        _side_by_side(missing, ground, workers, device)
    return [outcome(ground.folder, cell) for cell in cells]


def _decoders(cells: Sequence[Cell], ground: Ground, device: str, tell: Tell) -> None:
    there = choose_device(device)
    wanted = {
        (cell.decoder, cell.stretch): None
        for cell in cells
        if cell.arm == "vl-jepa" and "said" in cell.scores and cell.decoder is not None
    }
    for settings, stretch in wanted:
        assert settings is not None
        shared_decoder(ground, settings, stretch=stretch, device=there, tell=tell)


def _side_by_side(cells: Sequence[Cell], ground: Ground, workers: int, device: str) -> None:
    """One thread a process: threads of one process wait for each other on machines that are shared.

    Where one stops, by a signal or a mistake, no other begins; those that run come to their end or save what they have.
    """
    pool = spawned(workers, begin=_one_thread)
    try:
        waiting = [pool.submit(_run, cell, ground.folder, device) for cell in cells]
        for future in wait(waiting, return_when=FIRST_EXCEPTION).done:
            future.result()
    except BrokenProcessPool as error:
        raise ValueError(
            "a training was ended from outside, mostly for lack of memory: give fewer --workers; the same command goes "
            "on from what is there"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _one_thread() -> None:
    torch.set_num_threads(1)


def _run(cell: Cell, folder: Path, device: str) -> None:
    run_cell(cell, _ground(folder), device=device, tell=_to_stderr)


@lru_cache(maxsize=1)
def _ground(folder: Path) -> Ground:
    return open_ground(folder)


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
