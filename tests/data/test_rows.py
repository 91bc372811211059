"""Rows on disk come back as nearly as their number type can say."""

from pathlib import Path

import pytest
import torch

from vljepa.data.rows import Rows, RowType, write_rows


@pytest.mark.parametrize(("kind", "share", "bytes_a_number"), [("float16", 2**-11, 2), ("bfloat16", 2**-8, 2)])
def test_floats_lose_their_last_digits_alone(kind: RowType, share: float, bytes_a_number: int, tmp_path: Path) -> None:
    rows = torch.randn(40, 30) * torch.logspace(-2, 2, 30)
    write_rows(tmp_path / "a.npy", rows, kind)
    found = Rows(tmp_path / "a.npy", kind)[3:9]
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, rows[3:9], rtol=share, atol=1e-6)
    assert (tmp_path / "a.npy").stat().st_size == 128 + 40 * 30 * bytes_a_number


def test_eight_bits_have_a_scale_for_each_column(tmp_path: Path) -> None:
    rows = torch.rand(40, 30) * torch.logspace(-2, 2, 30) + torch.arange(30)
    rows[:, 4] = 7.0
    write_rows(tmp_path / "a.npy", rows, "int8")
    found = Rows(tmp_path / "a.npy", "int8")[0:40]
    spread = rows.amax(0) - rows.amin(0)
    assert bool(((found - rows).abs() <= spread / 254 / 2 + 1e-5).all())
    assert (tmp_path / "a.npy").stat().st_size == 128 + 40 * 30
    write_rows(tmp_path / "none.npy", rows[:0], "int8")
    assert Rows(tmp_path / "none.npy", "int8")[0:0].shape == (0, 30)
