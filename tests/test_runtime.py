"""What the machine is asked for."""

import pytest
import torch

from vljepa import runtime
from vljepa.runtime import choose_device, compute_dtype, has_bfloat16_units, has_fused_kernels, has_int8_kernels

CPU = torch.device("cpu")


def test_without_onednn_nothing_of_it_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.backends.mkldnn.is_available", lambda: False)
    monkeypatch.setattr("torch.ops.mkldnn", None)
    assert not has_fused_kernels(torch.float32) and not has_bfloat16_units(CPU)
    assert compute_dtype(CPU) == torch.float32


def test_kernels_are_fused_on_avx512_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.backends.mkldnn.is_available", lambda: True)
    for capability, wanted in (("AVX512", True), ("AVX2", False), ("DEFAULT", False)):
        monkeypatch.setattr("torch.backends.cpu.get_cpu_capability", lambda name=capability: name)
        assert has_fused_kernels(torch.float32) is wanted
        assert not has_fused_kernels(torch.float16)


def test_eight_bits_want_units_that_add_without_overflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without VNNI two products are added in 16 bits, which is not enough for them."""
    monkeypatch.setattr("vljepa.runtime.has_fused_kernels", lambda dtype: True)
    for there in (True, False):
        monkeypatch.setattr("torch.cpu._is_vnni_supported", lambda found=there: found)
        assert has_int8_kernels() is there
    monkeypatch.setattr("vljepa.runtime.has_fused_kernels", lambda dtype: False)
    monkeypatch.setattr("torch.cpu._is_vnni_supported", lambda: True)
    assert not has_int8_kernels()


@pytest.mark.parametrize(
    ("name", "amx", "wanted"), [("Intel Xeon", False, False), ("Intel Xeon", True, True), ("AMD EPYC", False, True)]
)
def test_bfloat16_counts_on_intel_only_with_amx(
    monkeypatch: pytest.MonkeyPatch, name: str, amx: bool, wanted: bool
) -> None:
    monkeypatch.setattr("torch.ops.mkldnn._is_mkldnn_bf16_supported", lambda: True)
    monkeypatch.setattr("torch.cpu._is_avx512_bf16_supported", lambda: True)
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: {"cpu_name": name, "amx_bf16": amx})
    assert runtime._has_bfloat16_on_cpu.__wrapped__() is wanted


def test_an_unknown_device_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown device 'abacus'"):
        choose_device("abacus")
