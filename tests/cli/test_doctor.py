"""What the doctor finds where something is missing, broken or away, and that it never waits for long."""

import time
from pathlib import Path

import pytest
from tests.servers import Visit, serving

from vljepa.cli import doctor


def test_the_hub_that_answers(monkeypatch: pytest.MonkeyPatch):
    for status in (200, 401, 500):
        with serving(lambda visit, status=status: visit.send(status=status)) as address:  # type: ignore[misc]
            monkeypatch.setenv("HF_ENDPOINT", address)
            check = doctor.hub_access()
        assert check.ok and f"{address} answered in" in check.found


def test_a_hub_that_cannot_be_reached_is_a_fact(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    check = doctor.hub_access()
    assert check.ok and "cannot be reached" in check.found and "models in folders work all the same" in check.found


def test_a_hub_that_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(doctor, "HUB_SECONDS", 0.1)
    with serving(lambda visit: (time.sleep(0.4), visit.send())) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        check = doctor.hub_access()
    assert check.ok and ("gave no answer in 0.1 s" in check.found or "timed out" in check.found)


def test_a_name_that_is_looked_up_for_ever_is_not_waited_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(doctor, "HUB_SECONDS", 0.1)
    monkeypatch.setattr(doctor, "_asked", lambda address: time.sleep(0.6) or "")
    begin = time.perf_counter()
    check = doctor.hub_access()
    assert time.perf_counter() - begin < 0.5
    assert check.ok and "gave no answer in 0.1 s" in check.found


def test_a_hub_that_shall_not_be_asked(monkeypatch: pytest.MonkeyPatch):
    def asked(visit: Visit) -> None:
        raise AssertionError("it was asked")

    with serving(asked) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        assert "HF_HUB_OFFLINE is set" in doctor.hub_access().found


@pytest.mark.parametrize(
    ("content", "ok", "said"),
    [
        ("__version__ = '9.9'", True, "9.9 (not needed)"),
        ("raise RuntimeError('operator torchvision::nms does not exist')", False, "torchvision::nms does not exist"),
    ],
)
def test_a_torchvision_that_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, ok: bool, said: str
):
    (tmp_path / "torchvision.py").write_text(content)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    check = doctor._torchvision()
    assert check.ok is ok and said in check.found
    assert ("pip uninstall torchvision" in check.advice) is not ok


def test_free_memory_is_told():
    free = doctor._free_gigabytes()
    assert free is None or 0 < free < 100_000
